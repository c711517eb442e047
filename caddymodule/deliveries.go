package caddymodule

import (
	"net/http"
	"strings"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
)

// deliveriesPath is where the API shows what back ends were told.
const deliveriesPath = "/api/v1/hooks"

// outboxes returns where webhooks wait, those in memory too.
func (e *engine) outboxes() []*outbox.Outbox { return e.backends.Outboxes() }

// deliveries returns the handler that shows outboxes. The path before targets, deliveries and attempts must be stripped.
func (e *engine) deliveries() *outbox.Handler {
	return &outbox.Handler{Outboxes: e.outboxes, Server: e.server, Service: e.service}
}

// isDeliveries tells whether a request to the API is for the handler of deliveries.
func isDeliveries(r *http.Request) bool {
	return r.URL.Path == deliveriesPath || strings.HasPrefix(r.URL.Path, deliveriesPath+"/")
}

// currentEngine returns the engine, nil if no configuration has the app.
func currentEngine() (current *engine) {
	engines.Range(func(_, value any) bool {
		current, _ = value.(*engine)
		return false
	})
	return current
}
