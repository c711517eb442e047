package caddymodule

import (
	"context"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

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
	Login

	guard     *hooks.Forward
	transport *http.Transport
}

// CaddyModule returns the Caddy module information.
func (*Forward) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "rtmp.authenticators.forward", New: func() caddy.Module { return new(Forward) }}
}

// Provision sets up TLS. It asks nobody.
func (f *Forward) Provision(ctx caddy.Context) error {
	u, err := f.target()
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
	return f.parse(d)
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Forward)(nil)
	_ caddy.CleanerUpper    = (*Forward)(nil)
	_ caddyfile.Unmarshaler = (*Forward)(nil)
	_ live.Guard            = (*Forward)(nil)
)
