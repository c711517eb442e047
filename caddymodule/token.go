package caddymodule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

func init() {
	caddy.RegisterModule(new(Token))
}

// Token admits clients that know a secret, which they give in the query of the stream's name or URL; over HTTP also as
// `Authorization: Bearer <secret>` or in a cookie. There must be a secret, for all streams or for some.
type Token struct {
	// Param is the query parameter that holds the token. Default: `token`.
	Param string `json:"param,omitempty"`

	// Cookie is the HTTP cookie that holds the token. Default: none.
	Cookie string `json:"cookie,omitempty"`

	// Secrets are the tokens that open every stream; placeholders are replaced. A secret that is empty admits nobody.
	// Several let one be replaced by another while both are in use. Default: none.
	Secrets []string `json:"secrets,omitempty"`

	// Streams are secrets for some streams only, by pattern: `cam1`, `cam*`, or with the app `/live/cam*`. `*` stands for
	// anything but a slash. Placeholders are replaced in the secrets. Default: none.
	Streams map[string][]string `json:"streams,omitempty"`

	// KeyFile is a file with more of them: lines of a pattern and its secrets, with spaces between. It is read when the
	// configuration is loaded. Placeholders are replaced. Default: none.
	KeyFile string `json:"key_file,omitempty"`

	guard hooks.Token
}

// CaddyModule returns the Caddy module information.
func (*Token) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "rtmp.authenticators.token", New: func() caddy.Module { return new(Token) }}
}

var errNoSecret = errors.New("a token authenticator needs a secret, a key or a key_file")

func (t *Token) empty() bool { return len(t.Secrets) == 0 && len(t.Streams) == 0 && t.KeyFile == "" }

// Provision replaces the placeholders and reads the file of keys.
func (t *Token) Provision(ctx caddy.Context) error {
	if t.empty() {
		return errNoSecret
	}
	t.guard = hooks.Token{
		Bearer:  hooks.Bearer{Param: t.Param, Cookie: t.Cookie},
		Secrets: replaceSecrets(ctx, t.Secrets),
		Streams: make(map[string][]string),
	}
	if t.KeyFile != "" {
		keys, err := readKeyFile(caddy.NewReplacer().ReplaceAll(t.KeyFile, ""))
		if err != nil {
			return fmt.Errorf("key_file: %w", err)
		}
		maps.Copy(t.guard.Streams, keys)
	}
	for pattern, secrets := range t.Streams {
		if err := hooks.CheckPattern(pattern); err != nil {
			return err
		}
		t.guard.Streams[pattern] = append(t.guard.Streams[pattern], replaceSecrets(ctx, secrets)...)
	}
	return nil
}

func readKeyFile(name string) (map[string][]string, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	keys, err := hooks.ReadKeys(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return keys, nil
}

// replaceSecrets replaces the placeholders in secrets, and warns of those that become empty.
func replaceSecrets(ctx caddy.Context, raw []string) []string {
	repl := caddy.NewReplacer()
	secrets := make([]string, 0, len(raw))
	for _, text := range raw {
		secret := repl.ReplaceAll(text, "")
		if secret == "" {
			ctx.Logger().Warn("a secret is empty and admits nobody; is its environment variable or file there?")
		}
		secrets = append(secrets, secret)
	}
	return secrets
}

// Admit implements live.Guard.
func (t *Token) Admit(ctx context.Context, r *live.Request) (live.Grant, error) {
	return t.guard.Admit(ctx, r)
}

// Review implements hooks.Reviewer.
func (t *Token) Review(s *live.SessionInfo) error { return t.guard.Review(s) }

// UnmarshalCaddyfile sets up the authenticator from tokens.
//
//	token {
//		param    <name>
//		cookie   <name>
//		secret   <secret...>
//		key      <stream> <secret...>
//		key_file <path>
//	}
func (t *Token) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	err := parseGuard(d, map[string]option{
		"param":    wordOption(&t.Param),
		"cookie":   wordOption(&t.Cookie),
		"secret":   listOption(&t.Secrets),
		"key":      t.parseKey,
		"key_file": wordOption(&t.KeyFile),
	})
	if err == nil && t.empty() {
		return d.Err(errNoSecret.Error())
	}
	return err
}

func (t *Token) parseKey(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return d.Err("a key is a stream and its secrets, such as: key cam1 {env.CAM1_KEY}")
	}
	if err := hooks.CheckPattern(args[0]); err != nil {
		return d.WrapErr(err)
	}
	if t.Streams == nil {
		t.Streams = make(map[string][]string)
	}
	t.Streams[args[0]] = append(t.Streams[args[0]], args[1:]...)
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Token)(nil)
	_ caddyfile.Unmarshaler = (*Token)(nil)
	_ live.Guard            = (*Token)(nil)
	_ hooks.Reviewer        = (*Token)(nil)
)
