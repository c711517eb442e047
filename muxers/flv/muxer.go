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
		New:         func(v live.View) live.Muxer { return Muxer{View: v} },
	}
}

// A Muxer makes FLV of a feed's frames. It has no state.
type Muxer struct {
	// View is that of the viewers. Those who get several tracks of a kind get tags that name theirs; for all others the tags
	// of every track are as if it were the only one, as every player understands.
	View live.View
}

// Size implements live.Muxer.
func (m Muxer) Size(f *live.Frame) int { return tagHeaderBytes + len(m.View.Body(f)) + tailBytes }

// AppendFrame implements live.Muxer.
func (m Muxer) AppendFrame(b []byte, f *live.Frame) []byte { return appendTag(b, f, m.View.Body(f)) }

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
