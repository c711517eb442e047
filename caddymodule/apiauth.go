package caddymodule

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
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

	// BySite admits every request that reaches the handler: the site has directives before it that authenticate. Default:
	// false.
	BySite bool `json:"by_site,omitempty"`

	tokens    [][sha256.Size]byte
	providers *caddyauth.Authentication
}

func (a *APIAuth) empty() bool {
	return a == nil || !a.Loopback && !a.BySite && len(a.Tokens) == 0 && len(a.ProvidersRaw) == 0
}

func (a *APIAuth) provision(ctx caddy.Context) error {
	repl := caddy.NewReplacer()
	for _, raw := range a.Tokens {
		if token := repl.ReplaceAll(raw, ""); token != "" {
			a.tokens = append(a.tokens, sha256.Sum256([]byte(token)))
		}
	}
	if len(a.tokens) == 0 && !a.Loopback && !a.BySite && len(a.ProvidersRaw) == 0 {
		ctx.Logger().Warn("the API's token is empty and admits nobody; is its environment variable set?")
	}
	if len(a.ProvidersRaw) > 0 {
		var err error
		if a.providers, err = loadProviders(ctx, a.ProvidersRaw); err != nil {
			return err
		}
	}
	return nil
}

// serve hands r to next if one kind admits it, and answers 401 or 403 if none does.
func (a *APIAuth) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if a.BySite || a.Loopback && isLocal(r) || a.byToken(r) {
		return next.ServeHTTP(w, r)
	}
	if a.providers != nil {
		return a.providers.ServeHTTP(w, r, next) // with its own challenge
	}
	if len(a.tokens) > 0 || !a.Loopback {
		w.Header().Set("WWW-Authenticate", `Bearer realm="api"`)
		http.Error(w, "a token is needed: Authorization: Bearer <token>", http.StatusUnauthorized)
		return nil
	}
	http.Error(w, "this API answers callers on its own machine only", http.StatusForbidden)
	return nil
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

// forwardingHeaders tell that a proxy stands between us and the caller.
var forwardingHeaders = []string{
	"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "X-Client-Ip",
	"True-Client-Ip", "Cf-Connecting-Ip", "Cdn-Loop",
}

// isLocal tells whether r was sent by a program on this machine of its own accord: not for somebody else, as a proxy or
// a browser on a foreign page would.
func isLocal(r *http.Request) bool {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !remote.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, name := range forwardingHeaders {
		if len(r.Header.Values(name)) > 0 {
			return false
		}
	}
	// Without TLS a foreign page may have let its own name point here.
	if r.TLS == nil && !isLoopbackName(r.Host) {
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != ownOrigin(r) {
		return false
	}
	site := r.Header.Get("Sec-Fetch-Site")
	sameSite := site == "" || site == "none" || site == "same-origin"
	return sameSite && !r.URL.Query().Has("callback") // JSONP is for other sites
}

// ownOrigin returns the origin of the pages of the site that r is sent to.
func ownOrigin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// isLoopbackName tells whether a Host header names this machine.
func isLoopbackName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
