package caddymodule

import (
	"context"
	"encoding/json"
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
	for _, p := range a.Providers {
		if basic, ok := p.(*caddyauth.HTTPBasicAuth); ok {
			basic.Hash = boundedComparer{basic.Hash}
		}
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

// UnmarshalCaddyfile sets up the authenticator from tokens. A provider that has no form for the Caddyfile is given as JSON.
//
//	provider <name> [<args...>] {
//		...
//	}
//	provider <name> <json>
func (p *Provider) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the module's name
	if !d.NextArg() {
		return d.ArgErr()
	}
	p.ProvidersRaw = make(caddy.ModuleMap)
	return parseProvider(d, p.ProvidersRaw)
}

// parseProvider parses the provider whose name was just consumed: as its module does, or as JSON if that has no form for
// the Caddyfile.
func parseProvider(d *caddyfile.Dispenser, to caddy.ModuleMap) error {
	name := d.Val()
	id := "http.authentication.providers." + name
	if to[name] != nil {
		return d.Errf("the provider %s stands twice", name)
	}
	info, err := caddy.GetModule(id)
	if err != nil {
		return d.WrapErr(err)
	}
	if _, ok := info.New().(caddyfile.Unmarshaler); !ok {
		return parseJSON(d, name, to)
	}
	unm, err := caddyfile.UnmarshalModule(d, id)
	if err != nil {
		return err
	}
	to[name] = caddyconfig.JSON(unm, nil)
	return nil
}

// parseJSON parses an object of JSON, the one argument that follows.
func parseJSON(d *caddyfile.Dispenser, name string, to caddy.ModuleMap) error {
	var text string
	var object map[string]any
	if !d.AllArgs(&text) || json.Unmarshal([]byte(text), &object) != nil {
		return d.Errf("the provider %s has no form of its own for the Caddyfile; give its JSON in backquotes: `{…}`", name)
	}
	to[name] = json.RawMessage(text)
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Provider)(nil)
	_ caddyfile.Unmarshaler = (*Provider)(nil)
	_ live.Guard            = (*Provider)(nil)
	_ http.ResponseWriter   = challengeWriter{}
)
