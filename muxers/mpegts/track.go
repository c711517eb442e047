package mpegts

import (
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec"
)

// Stream types (ISO/IEC 13818-1, table 2-34) and stream ids of PES packets (table 2-22).
const (
	typeMP3  = 0x03
	typeAAC  = 0x0f
	typeAVC  = 0x1b
	typeHEVC = 0x24
	typeAC3  = 0x81 // of ATSC (A/53 part 3, 6.1), as HLS wants it
	typeEAC3 = 0x87 // likewise (A/52, G.3.3)

	idPrivate = 0xbd // AC-3 is in private stream 1
	idAudio   = 0xc0
	idVideo   = 0xe0
)

// maxAudio is the largest frame of sound whose PES packet can tell its length.
const maxAudio = 1<<16 - 1 - maxPESHeader

// A track is an elementary stream. It never changes.
type track struct {
	kind       live.Kind
	number     uint8
	codec      live.FourCC
	pid        uint16
	streamType byte
	streamID   byte

	// Of video: the size of unit lengths, the access unit delimiter as a unit with its start code, and the parameter sets
	// likewise. typeOf returns a unit's type, by which delimiters of the source are left out.
	lengthSize    int
	delimiter     []byte
	delimiterType byte
	typeOf        func(unit []byte) byte
	sets          []byte

	aac *codec.AAC // of AAC

	picture codec.Picture // of video
	sound   codec.Sound   // of audio
}

// newTrack returns the elementary stream for t, or nil if it cannot be carried: its codec has no place here, or its
// configuration is unknown or broken.
func newTrack(t live.Track) *track {
	base := track{kind: t.Kind, number: t.Number, codec: t.Codec, pid: pidVideo, streamID: idVideo}
	if t.Kind == live.KindAudio {
		base.pid, base.streamID = pidAudio, idAudio
	}
	switch t.Codec {
	case live.CodecMP3:
		return base.mp3(t)
	case live.CodecAC3, live.CodecEAC3:
		return base.ac3(t)
	}
	if t.Config == nil {
		return nil
	}
	switch t.Codec {
	case live.CodecAVC:
		return base.avc(t.Config.Payload())
	case live.CodecHEVC:
		return base.hevc(t.Config.Payload())
	case live.CodecAAC:
		return base.mpeg4(t.Config.Payload())
	}
	return nil
}

func (t *track) avc(config []byte) *track {
	c, err := codec.ParseAVC(config)
	if err != nil {
		return nil
	}
	t.picture, t.streamType, t.lengthSize = c, typeAVC, c.LengthSize
	t.delimiter = []byte(codec.StartCode + "\x09\xf0")
	t.delimiterType = 9
	t.typeOf = func(unit []byte) byte { return unit[0] & 0x1f }
	t.addSets(c.SPS, c.PPS)
	return t
}

func (t *track) hevc(config []byte) *track {
	c, err := codec.ParseHEVC(config)
	if err != nil {
		return nil
	}
	t.picture, t.streamType, t.lengthSize = c, typeHEVC, c.LengthSize
	t.delimiter = []byte(codec.StartCode + "\x46\x01\x50")
	t.delimiterType = 35
	t.typeOf = func(unit []byte) byte { return unit[0] >> 1 & 0x3f }
	t.addSets(c.VPS, c.SPS, c.PPS)
	return t
}

func (t *track) mpeg4(config []byte) *track {
	c, err := codec.ParseAAC(config)
	if err != nil || !c.FitsADTS(1) {
		return nil
	}
	t.sound, t.streamType, t.aac = c, typeAAC, c
	return t
}

// mp3 needs nothing but the codec: each frame tells all.
func (t *track) mp3(of live.Track) *track {
	t.streamType, t.sound = typeMP3, new(codec.MP3)
	if c, err := codec.ParseSound(of, nil); err == nil {
		t.sound = c
	}
	return t
}

func (t *track) ac3(of live.Track) *track {
	c, err := codec.ParseSound(of, nil)
	if err != nil {
		return nil
	}
	t.sound, t.streamID, t.streamType = c, idPrivate, typeAC3
	if of.Codec == live.CodecEAC3 {
		t.streamType = typeEAC3
	}
	return t
}

func (t *track) addSets(lists ...[][]byte) {
	for _, list := range lists {
		for _, set := range list {
			t.sets = codec.AppendUnit(t.sets, set)
		}
	}
}

// size returns the size of f as it is written, or 0 if it is to be left out.
func (t *track) size(f *live.Frame) int {
	b := f.Payload()
	switch {
	case t.kind == live.KindVideo:
		return t.videoSize(b, f.Key)
	case t.aac == nil && len(b) <= maxAudio:
		return len(b)
	case t.aac != nil && t.aac.FitsADTS(len(b)):
		return codec.ADTSBytes + len(b)
	}
	return 0
}

func (t *track) videoSize(b []byte, key bool) (n int) {
	for {
		unit, rest, ok := codec.CutUnit(b, t.lengthSize)
		if !ok {
			break
		}
		if t.typeOf(unit) != t.delimiterType {
			n += len(codec.StartCode) + len(unit)
		}
		b = rest
	}
	if n == 0 {
		return 0
	}
	if key {
		n += len(t.sets)
	}
	return n + len(t.delimiter)
}

// write writes f, which has a size.
func (t *track) write(p *packets, f *live.Frame) {
	b := f.Payload()
	if t.kind == live.KindVideo {
		t.writeVideo(p, b, f.Key)
		return
	}
	if t.aac != nil {
		var head [codec.ADTSBytes]byte
		p.write(t.aac.AppendADTS(head[:0], len(b)))
	}
	p.write(b)
}

// startCode is codec.StartCode in bytes.
var startCode = []byte(codec.StartCode)

func (t *track) writeVideo(p *packets, b []byte, key bool) {
	p.write(t.delimiter)
	if key {
		p.write(t.sets)
	}
	for {
		unit, rest, ok := codec.CutUnit(b, t.lengthSize)
		if !ok {
			return
		}
		if t.typeOf(unit) != t.delimiterType {
			p.write(startCode)
			p.write(unit)
		}
		b = rest
	}
}
