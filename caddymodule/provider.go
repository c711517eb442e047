package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

func init() {
	caddy.RegisterModule(new(Provider))
}

// Provider admits clients that an authentication provider of Caddy's HTTP servers accepts. It looks at a request with the
// method PUBLISH or PLAY, the path /app/stream and the client's query; that of an HTTP viewer has its header, that of an
// RTMP client with a user and password in its URL has them as `Authorization: Basic`. What the provider answers with but
// a challenge, such as a redirect to a page for logging in, is not passed on.
type Provider struct {
	// ProvidersRaw are the providers. One of them must accept. At least one must be given.
	ProvidersRaw caddy.ModuleMap `json:"providers,omitempty" caddy:"namespace=http.authentication.providers"`

	providers authenticationProviders
}

// CaddyModule returns the Caddy module information.
func (*Provider) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "rtmp.authenticators.provider", New: func() caddy.Module { return new(Provider) }}
}

// Provision loads the providers.
func (p *Provider) Provision(ctx caddy.Context) error {
	if len(p.ProvidersRaw) == 0 {
		return errors.New("a provider authenticator needs the name of a provider")
	}
	handler, err := loadProviders(ctx, p.ProvidersRaw)
	if err != nil {
		return err
	}
	p.providers = handler.Providers
	return nil
}

// loadProviders loads authentication providers of Caddy's.
func loadProviders(ctx caddy.Context, raw caddy.ModuleMap) (*caddyauth.Authentication, error) {
	a := &caddyauth.Authentication{ProvidersRaw: raw}
	if err := a.Provision(ctx); err != nil {
		return nil, fmt.Errorf("loading providers: %w", err)
	}
	return a, nil
}

// Admit implements live.Guard.
func (p *Provider) Admit(_ context.Context, r *live.Request) (live.Grant, error) {
	return p.providers.admit(syntheticRequest(r))
}

// authenticationProviders are providers by name, one of which must accept.
type authenticationProviders map[string]caddyauth.Authenticator

// admit asks one provider after the other, in the order of their names.
func (p authenticationProviders) admit(r *http.Request) (live.Grant, error) {
	var challenges []string
	var failed error
	for _, name := range slices.Sorted(maps.Keys(p)) {
		w := challengeWriter{make(http.Header)}
		user, ok, err := p[name].Authenticate(w, r)
		switch {
		case err != nil:
			failed = fmt.Errorf("asking the provider %s: %w", name, err)
		case ok:
			return live.Grant{User: user.ID}, nil
		}
		challenges = append(challenges, w.Header().Values("WWW-Authenticate")...)
	}
	if failed != nil {
		return live.Grant{}, failed
	}
	return live.Grant{}, &live.Refusal{
		Kind:        live.ErrUnauthorized,
		Description: "you must log in, and what was sent is no login",
		Challenge:   strings.Join(challenges, ", "),
	}
}

// A challengeWriter keeps the header of what a provider answers.
type challengeWriter struct{ header http.Header }

// Header implements http.ResponseWriter.
func (w challengeWriter) Header() http.Header { return w.header }

// Write implements http.ResponseWriter.
func (w challengeWriter) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (w challengeWriter) WriteHeader(int) {}

// UnmarshalCaddyfile sets up the authenticator from tokens. The provider must have a form for the Caddyfile; others can be
// configured in JSON.
//
//	provider <name> [<args...>] {
//		...
//	}
func (p *Provider) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the module's name
	if !d.NextArg() {
		return d.ArgErr()
	}
	name := d.Val()
	unm, err := caddyfile.UnmarshalModule(d, "http.authentication.providers."+name)
	if err != nil {
		return err
	}
	p.ProvidersRaw = caddy.ModuleMap{name: caddyconfig.JSON(unm, nil)}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Provider)(nil)
	_ caddyfile.Unmarshaler = (*Provider)(nil)
	_ live.Guard            = (*Provider)(nil)
	_ http.ResponseWriter   = challengeWriter{}
)
