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
		New:         func(t live.Tracks) live.Muxer { return Muxer{Multitrack: t.Several()} },
	}
}

// A Muxer makes FLV of a feed's frames. It has no state.
type Muxer struct {
	// Multitrack lets tags name their track, for those who get several of a kind. Without it the tags of every track are as
	// if it were the only one, as every player understands.
	Multitrack bool
}

// Size implements live.Muxer.
func (m Muxer) Size(f *live.Frame) int { return tagHeaderBytes + len(m.body(f)) + tailBytes }

// AppendFrame implements live.Muxer.
func (m Muxer) AppendFrame(b []byte, f *live.Frame) []byte { return appendTag(b, f, m.body(f)) }

// Header implements live.Muxer. The header's flags say what the stream has at that moment.
func (m Muxer) Header(setup, given *live.Setup, time int64) []byte {
	var b []byte
	if given == nil {
		_, video := setup.Track(live.KindVideo)
		_, audio := setup.Track(live.KindAudio)
		b = appendHeader(b, video, audio)
	}
	for _, f := range setup.Since(given, time) {
		b = m.AppendFrame(b, f)
	}
	return b
}

func (m Muxer) body(f *live.Frame) []byte {
	if m.Multitrack {
		return f.MultitrackBody()
	}
	return f.Body
}
