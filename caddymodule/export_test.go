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

// NewHub returns the hub of an engine for which no generation has started, and what ends it.
func NewHub() (hub *live.Hub, end func() error) {
	e, err := newEngine()
	if err != nil {
		panic(err)
	}
	return e.hub, e.Destruct
}

// BoundWrites is boundWrites.
var BoundWrites = boundWrites
