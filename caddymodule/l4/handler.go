package l4

import (
	"errors"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/mholt/caddy-l4/layer4"

	"github.com/caddy-rtmp/caddy-rtmp/caddymodule"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler serves RTMP with the rtmp app, until the connection ends. For RTMPS put the handler tls before it, with the ALPN
// protocol `rtmp` in its connection policy, so that it takes clients that offer that one and refuses those of the web; for
// clients behind a balancer put proxy_protocol before both. No handler after it is run.
type Handler struct {
	app *caddymodule.App
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "layer4.handlers.rtmp", New: func() caddy.Module { return new(Handler) }}
}

// Provision finds the rtmp app, which is set up first, whatever the order of the configuration.
func (h *Handler) Provision(ctx caddy.Context) (err error) {
	h.app, err = caddymodule.AppForConnections(ctx)
	return err
}

// errDatagrams is returned for a connection that can carry no RTMP.
var errDatagrams = errors.New("RTMP needs TCP or a Unix socket; remove the rtmp handler from the routes of UDP addresses")

// Handle implements layer4.NextHandler. It blocks until the session has ended. How that was is told by the rtmp app, as for
// connections of its own.
func (h *Handler) Handle(cx *layer4.Connection, _ layer4.Handler) error {
	if strings.HasPrefix(cx.LocalAddr().Network(), "udp") {
		return errDatagrams
	}
	h.app.ServeConn(wrap(cx))
	return nil
}

// UnmarshalCaddyfile sets up the handler. It has no options.
//
//	rtmp
func (*Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { return unmarshalNothing(d) }

// Interface guards
var (
	_ caddy.Provisioner     = (*Handler)(nil)
	_ layer4.NextHandler    = (*Handler)(nil)
	_ caddyfile.Unmarshaler = (*Handler)(nil)
)
