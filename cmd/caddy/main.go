// Command caddy is Caddy with caddy-rtmp built in: what ./xcaddy.sh builds, but from the versions that go.mod names.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	// Caddy's own modules and ours register themselves.
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-rtmp/caddy-rtmp"
)

func main() {
	caddycmd.Main()
}
