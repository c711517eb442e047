package caddymodule

import (
	"cmp"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
	"go.uber.org/zap"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
)

// APIForward lets the server decide that guards a site already, by the rules of Caddy's `forward_auth`: it gets a GET
// request with the header of the caller's, and X-Forwarded-Method, -Proto, -Host, -Uri and -For; an answer of 2xx admits,
// any other goes to the caller as it is, such as a redirect to a page for logging in. It is `reverse_proxy` that asks.
// Requests that a page of another site may have made a browser send, JSONP and POST, are asked about without cookies and
// passwords.
type APIForward struct {
	Login

	proxy  *reverseproxy.Handler
	logger *zap.Logger
}

var errLoginUser = errors.New("the URL of a login has no user; what callers send is what it is asked about")

// provision sets up the proxy. An answer that does not admit is the caller's if it is the last that is asked.
func (f *APIForward) provision(ctx caddy.Context, last bool) error {
	u, err := f.target()
	if err != nil {
		return err
	}
	if u.User != nil {
		return errLoginUser
	}
	warnInsecure(ctx, f.TLS)
	f.logger = ctx.Logger()
	f.proxy = &reverseproxy.Handler{
		TransportRaw: caddyconfig.JSONModuleObject(f.transport(u), "protocol", "http", nil),
		Upstreams:    reverseproxy.UpstreamPool{{Dial: net.JoinHostPort(u.Hostname(), portOf(u))}},
		Rewrite:      &rewrite.Rewrite{Method: http.MethodGet, URI: questionURI(u)},
		Headers: &headers.Handler{Request: &headers.HeaderOps{
			Set: http.Header{
				"Host":               {u.Host},
				"X-Forwarded-Method": {"{http.request.method}"},
				"X-Forwarded-Uri":    {"{http.request.uri}"},
			},
			Delete: []string{"Connection", "Upgrade"}, // nothing is to become of it but an answer
		}},
		HandleResponse: []caddyhttp.ResponseHandler{{Routes: caddyhttp.RouteList{goOn}}},
	}
	if last {
		f.proxy.HandleResponse[0].Match = &caddyhttp.ResponseMatcher{StatusCode: []int{2}}
	}
	return f.proxy.Provision(ctx)
}

// goOn is a route that does nothing. It makes a proxy hand the request on, instead of the answer back.
var goOn = caddyhttp.Route{HandlersRaw: []json.RawMessage{json.RawMessage(`{"handler":"vars"}`)}}

// maxLoginHeader bounds the header of an answer.
const maxLoginHeader = 64 << 10

// transport returns how the server is reached: as it stands in the URL, not by a proxy of the environment.
func (f *APIForward) transport(u *url.URL) *reverseproxy.HTTPTransport {
	timeout := cmp.Or(f.Timeout, caddy.Duration(hooks.DefaultTimeout))
	t := &reverseproxy.HTTPTransport{
		DialTimeout:           timeout,
		ResponseHeaderTimeout: timeout,
		MaxResponseHeaderSize: maxLoginHeader,
		NetworkProxyRaw:       json.RawMessage(`{"from":"none"}`),
	}
	if u.Scheme == "https" {
		t.TLS = new(reverseproxy.TLSConfig)
		if f.TLS != nil {
			*t.TLS = *f.TLS
		}
		t.TLS.HandshakeTimeout = timeout
	}
	return t
}

// portOf returns the port of a URL.
func portOf(u *url.URL) string {
	if u.Scheme == "https" {
		return cmp.Or(u.Port(), "443")
	}
	return cmp.Or(u.Port(), "80")
}

// questionURI returns what is asked for. Its question mark takes the caller's query away, which is in X-Forwarded-Uri.
func questionURI(u *url.URL) string { return cmp.Or(u.EscapedPath(), "/") + "?" + u.RawQuery }

// ask asks about r. It hands an admitted caller to admitted; otherwise may be nil for the last that is asked, and else is
// handed all others, also if there was no answer.
func (f *APIForward) ask(w http.ResponseWriter, r *http.Request, admitted, otherwise caddyhttp.Handler) error {
	answered := false
	err := f.proxy.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		answered = true
		if !f.admits(r) {
			return otherwise.ServeHTTP(w, r)
		}
		return admitted.ServeHTTP(w, r)
	}))
	if err == nil || answered || otherwise == nil {
		return err
	}
	f.logger.Warn("a login could not be asked who may use the API", zap.Error(err))
	return otherwise.ServeHTTP(w, r)
}

// admits tells whether the answer was 2xx, and makes known who the caller is if it says so.
func (f *APIForward) admits(r *http.Request) bool {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return false
	}
	status, _ := repl.Get("http.reverse_proxy.status_code")
	code, _ := status.(int)
	if code < 200 || code > 299 {
		return false
	}
	header := http.CanonicalHeaderKey(cmp.Or(f.UserHeader, hooks.DefaultUserHeader))
	if user, _ := repl.GetString("http.reverse_proxy.header." + header); user != "" {
		repl.Set("http.auth.user.id", user) // in the access log
	}
	return true
}

// cleanup ends what the proxy has begun.
func (f *APIForward) cleanup() error {
	if f.proxy == nil {
		return nil
	}
	return f.proxy.Cleanup()
}
