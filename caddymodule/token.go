package caddymodule

import (
	"context"
	"errors"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

func init() {
	caddy.RegisterModule(new(Token))
}

// Token admits clients that know a secret, which they give in the query of the stream's name or URL.
type Token struct {
	// Param is the query parameter that holds the token. Default: `token`.
	Param string `json:"param,omitempty"`

	// Secrets are the tokens that are accepted; placeholders are replaced. A secret that is empty admits nobody. At least
	// one must be given; several let one be replaced by another while both are in use.
	Secrets []string `json:"secrets,omitempty"`

	guard hooks.Token
}

// CaddyModule returns the Caddy module information.
func (*Token) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "rtmp.authenticators.token", New: func() caddy.Module { return new(Token) }}
}

var errNoSecret = errors.New("a token authenticator needs a secret")

// Provision replaces the placeholders.
func (t *Token) Provision(ctx caddy.Context) error {
	if len(t.Secrets) == 0 {
		return errNoSecret
	}
	repl := caddy.NewReplacer()
	t.guard = hooks.Token{Param: t.Param}
	for _, raw := range t.Secrets {
		secret := repl.ReplaceAll(raw, "")
		if secret == "" {
			ctx.Logger().Warn("a token's secret is empty and admits nobody; is its environment variable set?")
		}
		t.guard.Secrets = append(t.guard.Secrets, secret)
	}
	return nil
}

// Admit implements live.Guard.
func (t *Token) Admit(ctx context.Context, r *live.Request) (live.Grant, error) {
	return t.guard.Admit(ctx, r)
}

// UnmarshalCaddyfile sets up the authenticator from tokens.
//
//	token {
//		param  <name>
//		secret <secret...>
//	}
func (t *Token) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the module's name
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch d.Val() {
		case "param":
			if !d.AllArgs(&t.Param) {
				return d.ArgErr()
			}
		case "secret":
			secrets := d.RemainingArgs()
			if len(secrets) == 0 {
				return d.ArgErr()
			}
			t.Secrets = append(t.Secrets, secrets...)
		default:
			return d.Errf("unknown token option %q: param and secret are known", d.Val())
		}
	}
	if len(t.Secrets) == 0 {
		return d.Err(errNoSecret.Error())
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Token)(nil)
	_ caddyfile.Unmarshaler = (*Token)(nil)
	_ live.Guard            = (*Token)(nil)
)
