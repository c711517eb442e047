package caddymodule

import (
	"net/http"
	"strings"

	"github.com/caddy-rtmp/caddy-rtmp/stats"
)

// eventsPath is where the API tells what happens.
const eventsPath = "/api/v1/events"

// apiHandler returns what serves the whole API below /api: SRS's part of it, what happens, and what back ends were told. Who
// follows events is sent away when done is closed. allowChanges is stats.API's AllowJSONPChanges.
func (e *engine) apiHandler(done <-chan struct{}, allowChanges func(r *http.Request) bool) http.Handler {
	api := &stats.API{
		Hub:     e.hub,
		Rates:   e.rates,
		System:  e.system,
		Server:  e.server,
		Service: e.service,
		Version: Version,
		Others: []stats.Link{
			{Name: "events", About: "what happens, as server-sent events: publish, unpublish, play, stop, kick, refuse"},
			{Name: "hooks", About: "what back ends were told: targets, deliveries, attempts"},
		},
		HLS:               e.hlsFragment,
		AllowJSONPChanges: allowChanges,
		BansChanged:       e.keepBans,
	}
	deliveries, events := http.StripPrefix(deliveriesPath, e.deliveries()), e.events.Handler(done)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case isDeliveries(r):
			deliveries.ServeHTTP(w, r)
		case strings.TrimSuffix(r.URL.Path, "/") == eventsPath:
			events.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	})
}
