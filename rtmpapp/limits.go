package rtmpapp

import (
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// Limits bound what peers may cost. A zero field means its default. Of the numbers of connections a negative one means
// that there is no bound.
type Limits struct {
	// Handshake bounds all that comes before the first message: PROXY header, TLS and RTMP's handshake. Default: 5 s.
	Handshake time.Duration
	// Connect bounds the time from there to the publish or play command. Default: 10 s.
	Connect time.Duration

	// Connections is how many there may be at once, of all listeners. Default: 10000.
	Connections int
	// PerAddress is how many of them may come from one address. An IPv6 address stands for its /64. The clients of a Unix
	// socket have no address, and no such bound. Default: 1000.
	PerAddress int
	// UnauthenticatedPerAddress is how many of these may be neither an admitted publisher nor player yet. Default: 50.
	UnauthenticatedPerAddress int

	// Wire bounds the messages of one peer. Its Media is for who is no admitted publisher: so much sound and pictures is
	// passed over, and none of it held.
	Wire wire.Limits
	// AdmittedMedia is the Media of an admitted publisher, in bytes. Default: 16 MiB.
	AdmittedMedia int
}

// The defaults of Limits.
const (
	DefaultHandshakeTimeout          = 5 * time.Second
	DefaultConnectTimeout            = 10 * time.Second
	DefaultConnections               = 10_000
	DefaultPerAddress                = 1000
	DefaultUnauthenticatedPerAddress = 50
)

func (l Limits) withDefaults() Limits {
	setDefault(&l.Handshake, DefaultHandshakeTimeout)
	setDefault(&l.Connect, DefaultConnectTimeout)
	setDefault(&l.Connections, DefaultConnections)
	setDefault(&l.PerAddress, DefaultPerAddress)
	setDefault(&l.UnauthenticatedPerAddress, DefaultUnauthenticatedPerAddress)
	setDefault(&l.AdmittedMedia, wire.AdmittedMediaBytes)
	return l
}

func setDefault[T int | time.Duration](v *T, value T) {
	if *v == 0 {
		*v = value
	}
}

// strangers returns the bounds of the messages of all but admitted publishers.
func (l Limits) strangers() wire.Limits {
	w := l.Wire
	w.DropMedia = true
	return w
}

// admitted returns the bounds of an admitted publisher's messages.
func (l Limits) admitted() wire.Limits {
	w := l.Wire
	w.Media, w.DropMedia = l.AdmittedMedia, false
	return w
}
