// Package mpegts writes MPEG transport streams (ISO/IEC 13818-1) out of frames: H.264 and HEVC; AAC, MP3, AC-3 and
// E-AC-3; one track of each kind. It serves HTTP-TS through muxers/httplive, and muxers/hls cuts its bytes into segments.
//
// The packetizer is our own, because it runs once per frame: it appends to a buffer of the caller and allocates nothing.
package mpegts

import (
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/httplive"
)

// Format is HTTP-TS: /{app}/{stream}.ts.
func Format() httplive.Format {
	return httplive.Format{
		Protocol:    live.ProtocolTS,
		Ending:      ".ts",
		ContentType: "video/MP2T",
		Carries: func(s *live.Setup) bool {
			return choose(s, live.KindVideo) != nil || choose(s, live.KindAudio) != nil
		},
		New: func(live.View) live.Muxer { return new(Muxer) },
	}
}
