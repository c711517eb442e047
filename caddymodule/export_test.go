package caddymodule

import (
	"context"
	"net/http"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// What tests look at from outside the package.

// References returns how many generations refer to the engine.
func References() int {
	n, _ := engines.References(engineKey)
	return n
}

// CurrentHub returns the hub of the engine that there is, or nil.
func CurrentHub() (hub *live.Hub) {
	engines.Range(func(_, value any) bool {
		if e, ok := value.(*engine); ok {
			hub = e.hub
		}
		return true
	})
	return hub
}

// Admit asks the rules of a for a session.
func (a *App) Admit(ctx context.Context, r *live.Request) error { return a.admit(ctx, r) }

// RulesOf returns the rules of a stream.
func (a *App) RulesOf(k live.Key) (live.Rules, error) { return a.rules(k) }

// Addresses returns the addresses of a server one by one.
func (s *Server) Addresses() []string { return s.each() }

// IsLocal tells whether auth loopback admits r.
var IsLocal func(r *http.Request) bool = isLocal
