package hls

import (
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec"
)

// media says what a stream is made of, as a multivariant playlist tells it.
type media struct {
	codecs        []string // as RFC 6381 names them, the picture first
	width, height int      // 0 if not known
}

// describe looks into the configurations of the first track of each kind.
func describe(s *live.Setup) (m media) {
	if t, ok := s.Track(live.KindVideo); ok && t.Config != nil {
		m.video(t)
	}
	if t, ok := s.Track(live.KindAudio); ok {
		m.audio(t)
	}
	return m
}

func (m *media) video(t live.Track) {
	var c interface {
		String() string
		Size() (int, int, bool)
	}
	var err error
	switch t.Codec {
	case live.CodecAVC:
		c, err = codec.ParseAVC(t.Config.Payload())
	case live.CodecHEVC:
		c, err = codec.ParseHEVC(t.Config.Payload())
	default:
		return
	}
	if err != nil {
		return
	}
	m.codecs = append(m.codecs, c.String())
	if w, h, ok := c.Size(); ok {
		m.width, m.height = w, h
	}
}

func (m *media) audio(t live.Track) {
	switch {
	case t.Codec == live.CodecMP3:
		m.codecs = append(m.codecs, "mp4a.40.34")
	case t.Codec == live.CodecAC3:
		m.codecs = append(m.codecs, "ac-3")
	case t.Codec == live.CodecEAC3:
		m.codecs = append(m.codecs, "ec-3")
	case t.Codec == live.CodecAAC && t.Config != nil:
		if c, err := codec.ParseAAC(t.Config.Payload()); err == nil {
			m.codecs = append(m.codecs, c.String())
		}
	}
}
