// Package caddyrtmp turns Caddy into a live-streaming server: RTMP and RTMPS come in; HTTP-FLV, HTTP-TS and HLS go out
// over the HTTPS that Caddy already does.
//
// Importing it registers all modules:
//
//	xcaddy build --with github.com/caddy-rtmp/caddy-rtmp
//
// The package is empty otherwise; its parts work without Caddy too and are documented in their own folders. Begin with
// package live.
package caddyrtmp

import (
	// The Caddy modules register themselves.
	_ "github.com/caddy-rtmp/caddy-rtmp/caddymodule"
)
