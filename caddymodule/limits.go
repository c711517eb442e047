package caddymodule

import (
	"fmt"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// Limits bound what RTMP clients may cost the server, however many there are and whatever they send. They hold for
// connections that begin while this configuration is in force.
type Limits struct {
	// Connections is how many RTMP connections there may be at once, of all servers and of layer4 together. One more is
	// closed at once. Default: 10000. Negative: no bound.
	Connections int `json:"connections,omitempty"`

	// ConnectionsPerAddress is how many of them may come from one address. An IPv6 address stands for its /64. Behind
	// PROXY protocol the address that the proxy tells counts. Clients of a Unix socket have no such bound. Default: 1000.
	// Negative: no bound.
	ConnectionsPerAddress int `json:"connections_per_address,omitempty"`

	// UnauthenticatedPerAddress is how many of these may be neither an admitted publisher nor an admitted player yet.
	// Default: 50. Negative: no bound.
	UnauthenticatedPerAddress int `json:"unauthenticated_per_address,omitempty"`

	// CommandSize is the size of the largest message that is neither sound nor picture, in bytes: commands, metadata and
	// whatever else. Default: 65536. From 1024 to 16777216.
	CommandSize int `json:"command_size,omitempty"`

	// MediaSize is how many bytes of sound and pictures a client may send that is no admitted publisher, in one message and
	// in all. They are passed over, and not held. Default: 4194304. From 1024 to 16777216.
	MediaSize int `json:"media_size,omitempty"`

	// AdmittedMediaSize is the size of the largest message of sound or pictures of an admitted publisher, and of all its
	// unfinished messages, in bytes. Default: 16777216. From 1024 to 16777216.
	AdmittedMediaSize int `json:"admitted_media_size,omitempty"`

	// ChunkStreams is how many chunk streams a client may use. Encoders use up to 8. Default: 64. From 4 to 65599.
	ChunkStreams int `json:"chunk_streams,omitempty"`

	// AMFDepth is how deep the values of a command or of metadata may be nested. Default: 16. From 2 to 1000.
	AMFDepth int `json:"amf_depth,omitempty"`

	// AMFValues is how many values a command or metadata may have, those within others too. Default: 8192. From 16 to
	// 1000000.
	AMFValues int `json:"amf_values,omitempty"`
}

// Bounds of the bounds: below, no client could be served; above, RTMP has no such thing or the process is at risk.
const (
	minMessage      = 1 << 10
	maxMessage      = 1 << 24
	minChunkStreams = 4
	maxChunkStreams = 65599
	minAMFDepth     = 2
	maxAMFDepth     = 1000
	minAMFValues    = 16
	maxAMFValues    = 1_000_000
)

func (l *Limits) validate() error {
	for _, v := range []struct {
		name       string
		value      int
		least, top int
	}{
		{"command_size", l.CommandSize, minMessage, maxMessage},
		{"media_size", l.MediaSize, minMessage, maxMessage},
		{"admitted_media_size", l.AdmittedMediaSize, minMessage, maxMessage},
		{"chunk_streams", l.ChunkStreams, minChunkStreams, maxChunkStreams},
		{"amf_depth", l.AMFDepth, minAMFDepth, maxAMFDepth},
		{"amf_values", l.AMFValues, minAMFValues, maxAMFValues},
	} {
		if v.value != 0 && (v.value < v.least || v.value > v.top) {
			return fmt.Errorf("limits: %s is %d; it must be from %d to %d", v.name, v.value, v.least, v.top)
		}
	}
	return nil
}

// limits returns the bounds of RTMP that this configuration has.
func (a *App) limits() rtmpapp.Limits {
	return rtmpapp.Limits{
		Handshake:                 time.Duration(a.HandshakeTimeout),
		Connect:                   time.Duration(a.ConnectTimeout),
		Connections:               a.Limits.Connections,
		PerAddress:                a.Limits.ConnectionsPerAddress,
		UnauthenticatedPerAddress: a.Limits.UnauthenticatedPerAddress,
		Wire: wire.Limits{
			Command:      a.Limits.CommandSize,
			Media:        a.Limits.MediaSize,
			ChunkStreams: a.Limits.ChunkStreams,
			AMFDepth:     a.Limits.AMFDepth,
			AMFValues:    a.Limits.AMFValues,
		},
		AdmittedMedia: a.Limits.AdmittedMediaSize,
	}
}
