package caddymodule

import (
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
