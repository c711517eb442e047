// Package caddymodule is the only one that knows Caddy: it makes an app, HTTP handlers and guest modules of the packages
// below it, which all work without Caddy too.
//
// Two things are kept apart. What is alive (the hub with its publishers and viewers, RTMP connections, HLS segments,
// samples for rates) is an engine, which is pooled and outlives configurations. What a configuration says is an App: one
// generation, of which two exist for the moment of a reload. An engine asks the generation in force whenever it needs a
// rule or a logger; it keeps none.
package caddymodule
