package hooks

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/idna"
)

// maxHeaderBytes bounds the header of an answer.
const maxHeaderBytes = 64 << 10

// NewTransport returns a transport for calls to the given URLs, which the operator has written down, so that they may lead
// anywhere. To whatever other host it is sent, because a redirect or an answer says so, it connects at public addresses
// only; see CheckAddress. config may be nil for the system's certificate authorities, and is cloned.
//
// It speaks HTTP/2 where the other side does, keeps connections for reuse, uses no proxy and knows no time-outs but those
// of the requests' contexts. Call CloseIdleConnections when it is of no use any more.
func NewTransport(config *tls.Config, written ...*url.URL) *http.Transport {
	if config != nil {
		config = config.Clone()
	}
	d := dialer{written: make([]string, 0, len(written))}
	for _, u := range written {
		d.written = append(d.written, hostPort(u))
	}
	return &http.Transport{
		DialContext:            d.dial,
		TLSClientConfig:        config,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // what is unpacked could be any size
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// A dialer connects to hosts that were written down wherever they are, to others at public addresses only.
type dialer struct {
	written []string // host:port, as a transport asks for them
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var n net.Dialer
	if !slices.Contains(d.written, strings.ToLower(address)) {
		// Looked at here, the address is the one that is connected to, whatever the name meant a moment ago.
		n.Control = func(_, resolved string, _ syscall.RawConn) error { return CheckAddress(resolved) }
	}
	conn, err := n.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", address, err)
	}
	return conn, nil
}

// hostPort returns the host and port of a URL as a transport asks a dialer for them.
func hostPort(u *url.URL) string {
	host, port := u.Hostname(), u.Port()
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		host = ascii
	}
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(strings.ToLower(host), port)
}

// CheckAddress returns an error unless address, an IP address and port as net.Dialer.Control is given them, is public:
// none of loopback, link-local, private, shared, multicast or reserved ranges, nor one that leads to such an address by
// way of a transition mechanism. It is for addresses that come from data, which must not lead into the operator's own
// network.
func CheckAddress(address string) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("the address %s is not checked: %w", address, err)
	}
	if ip := a.Addr().Unmap().WithZone(""); !public(ip) {
		return fmt.Errorf("the address %s is not public, and only hosts that stand in the configuration may be elsewhere", ip)
	}
	return nil
}

func public(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// special are the ranges that netip does not tell apart (the registries of RFC 6890) and that do not lead to the public
// network, or lead elsewhere in disguise.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),      // this network
	netip.MustParsePrefix("100.64.0.0/10"),  // shared (RFC 6598), where clouds have their metadata too
	netip.MustParsePrefix("192.0.0.0/24"),   // protocol assignments
	netip.MustParsePrefix("192.88.99.0/24"), // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),  // benchmarks
	netip.MustParsePrefix("240.0.0.0/4"),    // reserved
	netip.MustParsePrefix("::/96"),          // IPv4 inside (RFC 4291, 2.5.5.1)
	netip.MustParsePrefix("64:ff9b::/96"),   // NAT64
	netip.MustParsePrefix("64:ff9b:1::/48"), // NAT64 of one's own
	netip.MustParsePrefix("2001::/23"),      // Teredo and others
	netip.MustParsePrefix("2002::/16"),      // 6to4
	netip.MustParsePrefix("fec0::/10"),      // site-local
}
