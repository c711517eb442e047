package live

import (
	"encoding/binary"
	"net/url"
)

// A View is what a viewer asks of the bytes that it gets, beside their format. The zero View is what most get.
type View struct {
	Tracks Tracks
	// CodecIDs asks for HEVC under codec id 12 and AV1 under 13 in place of their FourCC, for players that know no Enhanced
	// RTMP but this habit of Chinese CDNs. It means something in FLV and RTMP only.
	CodecIDs bool
	// FromZero asks for a time that begins at 0 with what the viewer gets first, in place of the stream's. Its bytes can be
	// shared with nobody.
	FromZero bool
}

// ParseView reads a view from the query of a stream's name or URL: what ParseTracks reads, codec_ids=1 and zero=1. The error
// is a Refusal.
func ParseView(query string) (v View, err error) {
	v.Tracks, err = ParseTracks(query)
	values, _ := url.ParseQuery(query) // what is wrong with it may mean something to somebody else
	v.CodecIDs = values.Get("codec_ids") == "1"
	v.FromZero = values.Get("zero") == "1"
	return v, err
}

// Body returns the tag body of f for the view's viewers: Body itself for most frames of most views, else bytes of its own.
func (v View) Body(f *Frame) []byte {
	if v.CodecIDs {
		if b := f.codecIDBody(); b != nil {
			return b
		}
	}
	if v.Tracks.Several() {
		return f.MultitrackBody()
	}
	return f.Body
}

// codecIDBody returns the body of a configuration or a picture of HEVC or AV1 in the form of AVC's, with a codec id of its
// own; nil for what is not, or has no such form.
func (f *Frame) codecIDBody() []byte {
	if f.Kind != KindVideo || f.fourCC == 0 || !f.Config && !f.Media() {
		return nil
	}
	var id byte
	switch f.Codec {
	case CodecHEVC:
		id = videoHEVC
	case CodecAV1:
		id = videoAV1
	default:
		return nil
	}
	packet := byte(packetCodedFrames)
	if f.Config {
		packet = packetSequenceStart
	}
	b := make([]byte, 0, 5+len(f.Payload()))
	b = append(b, f.Body[0]&0x70|id)
	b = binary.BigEndian.AppendUint32(b, uint32(packet)<<24|uint32(f.Offset)&0xffffff)
	return append(b, f.Payload()...)
}

// Feed returns the feed that the session's viewer reads, made with newMuxer if there is none yet: that of all who ask for
// the same, or one of its own if it wants a time of its own. format and v must tell muxers apart that write different bytes
// of the same frames.
func (s *Session) Feed(format string, v View, newMuxer func() Muxer) *Feed {
	if v.CodecIDs {
		format += "/ids"
	}
	if !v.FromZero {
		return s.stream.Feed(format, v.Tracks, newMuxer)
	}
	return s.stream.ownFeed(format+"/"+s.ID, v.Tracks, func() Muxer { return &fromZero{Muxer: newMuxer()} })
}

// fromZero is a muxer for one viewer, whose time begins at 0 with the first frame of sound or picture.
type fromZero struct {
	Muxer

	begun bool
	zero  int64
	frame Frame // a copy of the one in hand, with the viewer's time
}

// AppendFrame implements Muxer.
func (m *fromZero) AppendFrame(b []byte, f *Frame) []byte {
	if !m.begun && f.Media() {
		m.begun, m.zero = true, f.Time
	}
	m.frame = *f
	m.frame.Time = m.shift(f.Time)
	return m.Muxer.AppendFrame(b, &m.frame)
}

// Header implements Muxer.
func (m *fromZero) Header(setup, given *Setup, time int64) []byte {
	return m.Muxer.Header(setup, given, m.shift(time))
}

// shift returns the viewer's time. What lies before its beginning is at 0.
func (m *fromZero) shift(time int64) int64 {
	if !m.begun {
		return 0
	}
	return max(time-m.zero, 0)
}
