package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

func init() {
	caddy.RegisterModule(new(Forward))
}

// Forward lets the server decide that guards a site already, by the rules of Caddy's `forward_auth`: it gets the header of
// the client's request and `X-Forwarded-Method`, `-Proto`, `-Host`, `-Uri` and `-For`; an answer of 2xx admits. The method
// is `GET` for playing and `POST` for publishing, the URI `/app/stream` with the client's query, the protocol `https` with
// TLS and `http` without. Besides, `X-Rtmp-Action`, `-Protocol`, `-Vhost`, `-App` and `-Stream` say what is asked for. A
// user and password in an RTMP client's URL become `Authorization: Basic`.
//
// Of the answer, `Remote-User` says who the client is and `X-Rtmp-Expires-In` after how many seconds the session ends. 401
// and redirects mean that the client has not logged in, 408, 429 and 5xx that nothing is decided, and others that it may
// not. No redirect is followed and no proxy used.
type Forward struct {
	// URL is asked. It must be given. Placeholders are replaced.
	URL string `json:"url,omitempty"`

	// Timeout bounds a question. Default: 5s; at most 30s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// UserHeader is the header of an answer that says who the client is. Default: `Remote-User`.
	UserHeader string `json:"user_header,omitempty"`

	// TLS says how to verify the server of an `https://` URL. Default: against the system's authorities.
	TLS *reverseproxy.TLSConfig `json:"tls,omitempty"`

	guard     *hooks.Forward
	transport *http.Transport
}

// CaddyModule returns the Caddy module information.
func (*Forward) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "rtmp.authenticators.forward", New: func() caddy.Module { return new(Forward) }}
}

var errNoForwardURL = errors.New("a forward authenticator needs the URL to ask")

// Provision sets up TLS. It asks nobody.
func (f *Forward) Provision(ctx caddy.Context) error {
	if f.URL == "" {
		return errNoForwardURL
	}
	if f.Timeout < 0 || f.Timeout > caddy.Duration(hooks.MaxTimeout) {
		return fmt.Errorf("a timeout of %s is not between 0 and %s", time.Duration(f.Timeout), hooks.MaxTimeout)
	}
	u, err := hooks.ParseURL(caddy.NewReplacer().ReplaceAll(f.URL, ""))
	if err != nil {
		return err
	}
	config, err := clientTLS(ctx, f.TLS)
	if err != nil {
		return err
	}
	f.transport = hooks.NewTransport(config, u)
	f.guard = hooks.NewForward(hooks.ForwardOptions{
		URL: u, Transport: f.transport, Timeout: time.Duration(f.Timeout), UserHeader: f.UserHeader,
	})
	return nil
}

// Cleanup closes connections that are not in use.
func (f *Forward) Cleanup() error {
	if f.transport != nil {
		f.transport.CloseIdleConnections()
	}
	return nil
}

// Admit implements live.Guard.
func (f *Forward) Admit(ctx context.Context, r *live.Request) (live.Grant, error) {
	return f.guard.Admit(ctx, r)
}

// UnmarshalCaddyfile sets up the authenticator from tokens.
//
//	forward <url> {
//		timeout     <duration>
//		user_header <name>
//		tls {
//			...
//		}
//	}
func (f *Forward) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the module's name
	if !d.NextArg() {
		return d.Err(errNoForwardURL.Error())
	}
	f.URL = d.Val()
	if d.NextArg() {
		return d.ArgErr()
	}
	return parseBlock(d, "forward", map[string]option{
		"timeout":     durationOption(&f.Timeout),
		"user_header": wordOption(&f.UserHeader),
		"tls":         clientTLSOption(&f.TLS),
	})
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Forward)(nil)
	_ caddy.CleanerUpper    = (*Forward)(nil)
	_ caddyfile.Unmarshaler = (*Forward)(nil)
	_ live.Guard            = (*Forward)(nil)
)
