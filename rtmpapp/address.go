package rtmpapp

import (
	"net"
	"net/netip"
	"strings"
)

// loopback is the address of who has come by a Unix socket: somebody on this machine.
var loopback = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)

// remoteOf returns the address of a peer, IPv4 as such. It may block until a PROXY header has come, for as long as the
// read deadline allows. A peer of a Unix socket, as the listener's address tells, is on the loopback unless a PROXY header
// names an address. Without a listener our end of the connection tells. Where the address cannot be known it is invalid:
// who only has an address that we do not understand must not pass for somebody on this machine.
func remoteOf(conn net.Conn, listener net.Addr) netip.AddrPort {
	remote := conn.RemoteAddr()
	if remote != nil {
		if tcp, ok := remote.(*net.TCPAddr); ok {
			if a := tcp.AddrPort(); a.IsValid() {
				return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
			}
		} else if a, err := netip.ParseAddrPort(remote.String()); err == nil {
			return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		}
	}
	if listener == nil {
		listener = conn.LocalAddr()
	}
	if listener != nil && strings.HasPrefix(listener.Network(), "unix") {
		return loopback
	}
	return netip.AddrPort{}
}

// text renders an address for the log. A connection that has failed may have none.
func text(a net.Addr) string {
	if a == nil {
		return "unknown"
	}
	return a.String()
}
