package caddymodule

import (
	"fmt"
	"net"

	"github.com/caddyserver/caddy/v2"
)

// AppForConnections returns the rtmp app of a configuration, for a module that accepts connections itself and hands them
// over with [App.ServeConn], as package l4 does. Call it in Provision. It fails if there is no such app, and if that would
// listen on its default address only because nobody has said anything else: the two would share the port, and the system
// would give each connection to either.
func AppForConnections(ctx caddy.Context) (*App, error) {
	app, err := configuredApp(ctx)
	if err != nil {
		return nil, err
	}
	if app.implied {
		return nil, fmt.Errorf("the rtmp app is handed connections and would listen on %s as well; "+
			"say \"server off\" in the global option rtmp, or which addresses it is to have", defaultListen)
	}
	return app, nil
}

// ServeConn serves an RTMP connection that another app has accepted, and blocks until it has ended. It closes conn. What
// holds for connections of the app's own listeners holds for it: the bounds and time-outs in force, the rules, and that it
// lives on when the configuration changes, until the app is removed or the process ends. While no rtmp app has started,
// publishers and viewers are refused.
//
// The peer's address is that of conn.RemoteAddr. If conn has the methods HandshakeContext and ConnectionState of a
// tls.Conn, they complete and describe TLS. If it has CloseWrite, a peer that is refused can read why.
func (a *App) ServeConn(conn net.Conn) {
	_ = a.engine.rtmp.ServeConn(conn) // it fails only for a server that has ended, which has closed conn
}
