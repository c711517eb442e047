package caddymodule

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	"go.uber.org/zap"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// APIAuth says who may call the API: whom any of its kinds admits.
type APIAuth struct {
	// Loopback admits callers on this machine: a direct connection from a loopback address, not forwarded by a proxy, and
	// not sent by a page of another site. Do not use it behind a proxy on this machine that hides for whom it asks: one
	// that adds no X-Forwarded-For, or hands TLS through without the PROXY protocol. Default: false.
	Loopback bool `json:"loopback,omitempty"`

	// Tokens admit callers that give one, as `Authorization: Bearer <token>` or as `?token=`. Placeholders are replaced.
	// A token that is empty admits nobody. Default: none.
	Tokens []string `json:"tokens,omitempty"`

	// ProvidersRaw are authentication providers of Caddy's, such as http_basic. Default: none.
	ProvidersRaw caddy.ModuleMap `json:"providers,omitempty" caddy:"namespace=http.authentication.providers"`

	// Forward are servers that know who is logged in, asked in this order. What the last of them answers is the caller's,
	// if none admits. Default: none.
	Forward []*APIForward `json:"forward,omitempty"`

	// BySite admits every request that reaches the handler: the site has directives before it that authenticate. Default:
	// false.
	BySite bool `json:"by_site,omitempty"`

	tokens    [][sha256.Size]byte
	providers *caddyauth.Authentication
	logger    *zap.Logger
}

// errNoAPIAuth is that of an API for everybody.
var errNoAPIAuth = errors.New("rtmp_api needs an auth: loopback, token, basic, provider, forward, or by_site if the site authenticates by itself")

func (a *APIAuth) empty() bool { return a == nil || !a.Loopback && len(a.Tokens) == 0 && !a.others() }

// others tells whether there is another kind than loopback and token.
func (a *APIAuth) others() bool { return a.BySite || len(a.ProvidersRaw) > 0 || len(a.Forward) > 0 }

func (a *APIAuth) provision(ctx caddy.Context) error {
	a.logger = ctx.Logger()
	repl := caddy.NewReplacer()
	for _, raw := range a.Tokens {
		if token := repl.ReplaceAll(raw, ""); token != "" {
			a.tokens = append(a.tokens, sha256.Sum256([]byte(token)))
		}
	}
	if len(a.tokens) == 0 && !a.Loopback && !a.others() {
		a.logger.Warn("the API's token is empty and admits nobody; is its environment variable set?")
	}
	for i, f := range a.Forward {
		if f == nil {
			return errNoLoginURL
		}
		if err := f.provision(ctx, i == len(a.Forward)-1); err != nil {
			return fmt.Errorf("forward: %w", err)
		}
	}
	if len(a.ProvidersRaw) > 0 {
		var err error
		if a.providers, err = loadProviders(ctx, a.ProvidersRaw); err != nil {
			return err
		}
	}
	return nil
}

// cleanup ends what provision has begun.
func (a *APIAuth) cleanup() error {
	if a == nil {
		return nil
	}
	var errs []error
	for _, f := range a.Forward {
		if f != nil {
			errs = append(errs, f.cleanup())
		}
	}
	return errors.Join(errs...)
}

// serve hands r to next if one kind admits it, and answers with a refusal if none does: that of the last which is asked.
func (a *APIAuth) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if a.Loopback && isLocal(r) || a.byToken(r) || a.BySite && !mayBeForged(r) {
		return next.ServeHTTP(w, r)
	}
	if a.providers != nil || len(a.Forward) > 0 {
		return a.ask(w, r, next)
	}
	if a.BySite {
		http.Error(w, "JSONP and POST of pages of other sites need a token", http.StatusForbidden)
		return nil
	}
	if len(a.tokens) > 0 || !a.Loopback {
		w.Header().Set("WWW-Authenticate", `Bearer realm="api"`)
		http.Error(w, "a token is needed: Authorization: Bearer <token>", http.StatusUnauthorized)
		return nil
	}
	http.Error(w, "this API answers callers on its own machine only", http.StatusForbidden)
	return nil
}

// ask asks the providers, and then the logins, about r.
func (a *APIAuth) ask(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	admitted := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error { return next.ServeHTTP(w, r) })
	q := question(r)
	if len(a.Forward) == 0 {
		return a.providers.ServeHTTP(w, q, admitted) // with its own challenge
	}
	if a.providers != nil {
		grant, err := authenticationProviders(a.providers.Providers).admit(q)
		if err == nil {
			if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
				repl.Set("http.auth.user.id", grant.User) // in the access log
			}
			return next.ServeHTTP(w, r)
		}
		if _, refused := errors.AsType[*live.Refusal](err); !refused {
			a.logger.Error("a provider could not tell who may use the API", zap.Error(err))
		}
	}
	return askLogins(a.Forward, w, q, admitted)
}

// askLogins asks one login after the other.
func askLogins(logins []*APIForward, w http.ResponseWriter, q *http.Request, admitted caddyhttp.Handler) error {
	var otherwise caddyhttp.Handler
	if rest := logins[1:]; len(rest) > 0 {
		otherwise = caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			return askLogins(rest, w, q, admitted)
		})
	}
	return logins[0].ask(w, q, admitted, otherwise)
}

// byToken tells whether r brings a token. It compares in constant time.
func (a *APIAuth) byToken(r *http.Request) bool {
	given := r.URL.Query().Get("token")
	if scheme, credentials, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		given = strings.TrimSpace(credentials)
	}
	digest := sha256.Sum256([]byte(given))
	found := 0
	for _, token := range a.tokens {
		found |= subtle.ConstantTimeCompare(digest[:], token[:])
	}
	return found == 1
}
