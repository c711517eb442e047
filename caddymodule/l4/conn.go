package l4

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/mholt/caddy-l4/layer4"
	"github.com/mholt/caddy-l4/modules/l4tls"
)

// A conn is a connection of layer4 that can be closed for writing alone, as a socket can.
type conn struct{ *layer4.Connection }

// A secureConn is a conn behind the tls handler, which has completed the handshake.
type secureConn struct {
	conn
	state tls.ConnectionState
}

// wrap returns what layer4 knows of a connection as the methods that the rtmp app looks for.
func wrap(cx *layer4.Connection) net.Conn {
	c := conn{cx}
	if states := l4tls.GetConnectionStates(cx); len(states) > 0 {
		return &secureConn{c, *states[len(states)-1]}
	}
	return &c
}

// HandshakeContext returns nil: there is no more handshake to do.
func (*secureConn) HandshakeContext(context.Context) error { return nil }

// ConnectionState returns what the handshake has come to.
func (c *secureConn) ConnectionState() tls.ConnectionState { return c.state }

// CloseWrite sends the end of our side. The layers of layer4 and of the PROXY protocol, which hide the method, have nothing
// buffered to write.
func (c *conn) CloseWrite() error {
	for inner := net.Conn(c.Connection); ; {
		switch layer := inner.(type) {
		case *layer4.Connection:
			inner = layer.Conn
		case interface{ CloseWrite() error }: // TCP, TLS, Unix
			return layer.CloseWrite()
		case interface{ Raw() net.Conn }: // PROXY protocol
			inner = layer.Raw()
		default:
			return net.ErrClosed
		}
	}
}
