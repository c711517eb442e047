package caddymodule

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

func init() {
	caddy.RegisterModule(new(SignedURL))
}

// SignedURL admits clients whose URL is signed with a secret and has not expired, as `caddy rtmp sign-url` makes them:
// `exp` in its query is the second since 1970 in which it expires, `sig` the HMAC-SHA256, in hexadecimal, of the action
// (`publish` or `play`), the stream (`/app/stream`), `exp` and, if only that client may use it, the client's IP address,
// with line feeds between them.
type SignedURL struct {
	// Secrets are those that URLs may be signed with; placeholders are replaced. A secret that is empty admits nobody. At
	// least one must be given; several let one be replaced by another while both are in use.
	Secrets []string `json:"secrets,omitempty"`

	// ExpiryParam is the query parameter that holds the expiry. Default: `exp`.
	ExpiryParam string `json:"expiry_param,omitempty"`

	// SignatureParam is the query parameter that holds the signature. Default: `sig`.
	SignatureParam string `json:"signature_param,omitempty"`

	// ForClient refuses URLs that are not signed for the client's address. Default: false.
	ForClient bool `json:"for_client,omitempty"`

	// OnExpiry says what becomes of a session when its URL expires: `end` ends it, `keep` does not. Default: `end`.
	OnExpiry string `json:"on_expiry,omitempty"`

	guard hooks.SignedURL
}

// CaddyModule returns the Caddy module information.
func (*SignedURL) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "rtmp.authenticators.signed_url", New: func() caddy.Module { return new(SignedURL) }}
}

var errNoSigningSecret = errors.New("a signed_url authenticator needs a secret")

// Provision replaces the placeholders.
func (u *SignedURL) Provision(ctx caddy.Context) error {
	if len(u.Secrets) == 0 {
		return errNoSigningSecret
	}
	if err := checkOnExpiry(u.OnExpiry); err != nil {
		return err
	}
	u.guard = hooks.SignedURL{
		Secrets:        replaceSecrets(ctx, u.Secrets),
		ExpiryParam:    u.ExpiryParam,
		SignatureParam: u.SignatureParam,
		ForClient:      u.ForClient,
		Outlive:        u.OnExpiry == keepExpired,
	}
	return nil
}

// keepExpired is the value of on_expiry that lets sessions outlive what has admitted them.
const keepExpired = "keep"

func checkOnExpiry(s string) error {
	switch s {
	case "", "end", keepExpired:
		return nil
	}
	return fmt.Errorf("on_expiry %q is neither end nor keep", s)
}

// Admit implements live.Guard.
func (u *SignedURL) Admit(ctx context.Context, r *live.Request) (live.Grant, error) {
	return u.guard.Admit(ctx, r)
}

// UnmarshalCaddyfile sets up the authenticator from tokens.
//
//	signed_url {
//		secret          <secret...>
//		expiry_param    <name>
//		signature_param <name>
//		for_client
//		on_expiry       end|keep
//	}
func (u *SignedURL) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	err := parseGuard(d, map[string]option{
		"secret":          listOption(&u.Secrets),
		"expiry_param":    wordOption(&u.ExpiryParam),
		"signature_param": wordOption(&u.SignatureParam),
		"for_client":      flagOption(&u.ForClient),
		"on_expiry":       textOption(&u.OnExpiry, checkOnExpiry),
	})
	if err == nil && len(u.Secrets) == 0 {
		return d.Err(errNoSigningSecret.Error())
	}
	return err
}

// Interface guards
var (
	_ caddy.Provisioner     = (*SignedURL)(nil)
	_ caddyfile.Unmarshaler = (*SignedURL)(nil)
	_ live.Guard            = (*SignedURL)(nil)
)
