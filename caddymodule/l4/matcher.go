package l4

import (
	"io"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/mholt/caddy-l4/layer4"
)

func init() {
	caddy.RegisterModule(new(Matcher))
}

// Matcher matches connections that begin like RTMP: with version 3, and not like the Remote Desktop Protocol, whose first
// byte is the same. It looks at the first nine bytes, and at one if that is not RTMP's.
type Matcher struct{}

// CaddyModule returns the Caddy module information.
func (*Matcher) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "layer4.matchers.rtmp", New: func() caddy.Module { return new(Matcher) }}
}

// The beginning of RTMP (RTMP 1.0, 5.2.2 and 5.2.3): C0 is the version, C1 begins with a time and with four bytes that are
// zero, or the version of a Flash player with the digest handshake that came later.
const (
	version    = 3
	prefixSize = 1 + 4 + 4
)

// Match implements layer4.ConnMatcher. It returns layer4.ErrConsumedAllPrefetchedBytes, which asks for more, where what has
// come could be either.
func (*Matcher) Match(cx *layer4.Connection) (bool, error) {
	var b [prefixSize]byte
	if _, err := io.ReadFull(cx, b[:1]); err != nil {
		return false, err
	}
	if b[0] != version {
		return false, nil
	}
	if _, err := io.ReadFull(cx, b[1:]); err != nil {
		return false, err
	}
	return !isTPKT(b), nil
}

// isTPKT tells whether a connection begins with the packets that RDP and others of ISO's family are carried in (RFC 1006): a
// version of 3 too, zero, the length, and then a connection request of X.224, whose own length fits. As RTMP that would be
// a Flash player of version 224.
func isTPKT(b [prefixSize]byte) bool {
	const (
		headerSize        = 4
		connectionRequest = 0xe0
	)
	length := int(b[2])<<8 | int(b[3])
	return b[1] == 0 && b[5] == connectionRequest && int(b[4])+headerSize < length
}

// UnmarshalCaddyfile sets up the matcher. It has no options.
//
//	rtmp
func (*Matcher) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { return unmarshalNothing(d) }

// unmarshalNothing consumes a module's name, after which nothing may stand.
func unmarshalNothing(d *caddyfile.Dispenser) error {
	d.Next() // the module's name
	name := d.Val()
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		return d.Errf("unknown %s option %q: it has none", name, d.Val())
	}
	return nil
}

// Interface guards
var (
	_ layer4.ConnMatcher    = (*Matcher)(nil)
	_ caddyfile.Unmarshaler = (*Matcher)(nil)
)
