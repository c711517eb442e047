package audio

import (
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec"
)

// ADTS is a live.Muxer of AAC. Each frame has a header of its own, so a viewer may begin anywhere. Frames that an ADTS
// header cannot describe are left out, as is what is no AAC. The zero ADTS is ready for use.
type ADTS struct {
	record *live.Frame // the configuration that config was read from
	config *codec.AAC  // nil if it cannot be read
}

// Size implements live.Muxer.
func (*ADTS) Size(f *live.Frame) int { return codec.ADTSBytes + len(f.Payload()) }

// AppendFrame implements live.Muxer.
func (m *ADTS) AppendFrame(b []byte, f *live.Frame) []byte {
	if !f.Media() || f.Codec != live.CodecAAC {
		return b
	}
	m.follow(f.Setup())
	raw := f.Payload()
	if m.config == nil || !m.config.FitsADTS(len(raw)) {
		return b
	}
	return append(m.config.AppendADTS(b, len(raw)), raw...)
}

func (m *ADTS) follow(s *live.Setup) {
	t, _ := s.Track(live.KindAudio)
	if t.Config == m.record {
		return
	}
	m.record, m.config = t.Config, nil
	if t.Config == nil || t.Codec != live.CodecAAC {
		return
	}
	if c, err := codec.ParseAAC(t.Config.Payload()); err == nil {
		m.config = c
	}
}

// Header implements live.Muxer: there is none.
func (*ADTS) Header(_, _ *live.Setup, _ int64) []byte { return nil }

// Frames is a live.Muxer of MP3, which is a sequence of frames and nothing else.
type Frames struct{}

// Size implements live.Muxer.
func (Frames) Size(f *live.Frame) int { return len(f.Payload()) }

// AppendFrame implements live.Muxer.
func (Frames) AppendFrame(b []byte, f *live.Frame) []byte {
	if !f.Media() || f.Codec != live.CodecMP3 {
		return b
	}
	return append(b, f.Payload()...)
}

// Header implements live.Muxer: there is none.
func (Frames) Header(_, _ *live.Setup, _ int64) []byte { return nil }
