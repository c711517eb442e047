// Package l4 lets RTMP share a port with other protocols, by the layer4 app of github.com/mholt/caddy-l4: RTMP on 1935
// beside HTTP, RTMPS on 443 beside web sites, by the name that the client asks for.
//
// It is no part of the plugin by default. Build it in, with the rest of layer4:
//
//	xcaddy build \
//		--with github.com/caddy-rtmp/caddy-rtmp \
//		--with github.com/caddy-rtmp/caddy-rtmp/caddymodule/l4 \
//		--with github.com/mholt/caddy-l4
//
// The matcher layer4.matchers.rtmp knows RTMP by its first bytes. The handler layer4.handlers.rtmp hands the connection to
// the rtmp app, to which it is a connection like any other: publishers and viewers of all ports meet, under the same rules,
// in the same API. Tell the rtmp app not to listen where layer4 does; "server off" lets it listen nowhere.
//
// # Reload
//
// Publishers and viewers stay on air when the configuration changes: layer4 closes its listeners, opens those of the new
// configuration, and leaves connections alone; the session goes on under the new rules of the rtmp app. The old
// configuration of layer4 stays in memory until its last connection has ended. If the new configuration has no layer4 app
// any more, or another route for the port, that is so for new connections only. Without an rtmp app all sessions end.
//
// # Stop
//
// When Caddy ends, all sessions are told so and end within the shutdown_grace of the rtmp app, as those of its own ports.
// layer4 waits for none of its connections.
package l4
