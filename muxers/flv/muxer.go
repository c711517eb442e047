package flv

import (
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/httplive"
)

// Format is FLV over HTTP.
func Format() httplive.Format {
	return httplive.Format{
		Protocol:    live.ProtocolFLV,
		Ending:      ".flv",
		ContentType: "video/x-flv",
		New:         func() live.Muxer { return Muxer{} },
	}
}

// A Muxer makes FLV of a feed's frames. It has no state.
type Muxer struct{}

// Size implements live.Muxer.
func (Muxer) Size(f *live.Frame) int { return tagHeaderBytes + len(f.Body) + tailBytes }

// AppendFrame implements live.Muxer.
func (Muxer) AppendFrame(b []byte, f *live.Frame) []byte { return appendTag(b, f) }

// Header implements live.Muxer. The header's flags say what the stream has at that moment.
func (Muxer) Header(setup, given *live.Setup, time int64) []byte {
	var b []byte
	if given == nil {
		_, video := setup.Track(live.KindVideo)
		_, audio := setup.Track(live.KindAudio)
		b = appendHeader(b, video, audio)
	}
	for _, f := range setup.Since(given, time) {
		b = appendTag(b, f)
	}
	return b
}
