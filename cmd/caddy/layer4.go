//go:build layer4

package main

import (
	// RTMP on shared ports, as users add it with xcaddy build --with.
	_ "github.com/mholt/caddy-l4"

	_ "github.com/caddy-rtmp/caddy-rtmp/caddymodule/l4"
)
