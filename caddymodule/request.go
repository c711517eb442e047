package caddymodule

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// syntheticRequest makes an HTTP request of r, for Caddy's matchers and authentication providers. It has the header of an
// HTTP request, unless r is what a session has kept of it; of other clients it says in a header what a browser would.
func syntheticRequest(r *live.Request) *http.Request {
	req := &http.Request{
		Method:     strings.ToUpper(r.Action.String()),
		URL:        &url.URL{Path: "/" + r.Key.App + "/" + r.Key.Name, RawQuery: r.Query},
		Proto:      "RTMP/1.0",
		Header:     http.Header(r.Header).Clone(),
		Host:       r.Host,
		RemoteAddr: netip.AddrPortFrom(addressOf(r), r.Remote.Port()).String(),
		TLS:        r.TLS,
	}
	req.RequestURI = req.URL.RequestURI()
	if req.Header == nil {
		req.Header = make(http.Header)
		setHeader(req, "User-Agent", r.UserAgent)
		setHeader(req, "Referer", r.PageURL)
		if r.Username != "" {
			req.SetBasicAuth(r.Username, r.Password)
		}
	}
	repl := caddy.NewReplacer()
	setPlaceholders(repl, r)
	req = caddyhttp.PrepareRequest(req, repl, nil, nil)
	// There is no server to find it out; whoever made r has.
	caddyhttp.SetVar(req.Context(), caddyhttp.ClientIPVarKey, addressOf(r).String())
	return req
}

func setHeader(r *http.Request, name, value string) {
	if value != "" {
		r.Header.Set(name, value)
	}
}
