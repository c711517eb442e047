package codec

import (
	"fmt"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A Picture is what is known of a video track. It never changes.
type Picture interface {
	// String returns the codec as RFC 6381 names it.
	String() string
	// Size returns width and height in pixels; ok is false if nothing tells.
	Size() (width, height int, ok bool)
	// FrameRate returns the pictures per second that the configuration announces, 0 if it announces nothing believable.
	FrameRate() float64
	// Range returns how bright the picture can be, as HLS names it: SDR, HLG or PQ (RFC 8216bis, 4.4.6.2).
	Range() string
}

// The ranges of pictures.
const (
	SDR = "SDR"
	HLG = "HLG"
	PQ  = "PQ"
)

// rangeOf returns the range of transfer characteristics (ISO/IEC 23091-2, 8.2).
func rangeOf(transfer int) string {
	switch transfer {
	case 16:
		return PQ
	case 18:
		return HLG
	}
	return SDR
}

// checkRate returns a frame rate, or 0 if it is not to be believed.
func checkRate(rate float64) float64 {
	if rate >= 1 && rate <= 300 { // false for NaN
		return rate
	}
	return 0
}

// A Sound is what is known of an audio track. It never changes.
type Sound interface {
	// String returns the codec as RFC 6381 names it.
	String() string
	// Rate returns the samples per second by which Samples counts. It is positive.
	Rate() int
	// Channels returns how many there are: 1 or more.
	Channels() int
	// Samples returns how long the frame with this payload plays, in samples of Rate; 0 if the frame is broken.
	Samples(payload []byte) int
}

// ParsePicture reads the configuration of a video track. payload is that of a key frame, for what the configuration does
// not tell; without one (nil) the head of the track's first frame is looked at. It fails, with ErrRecord, for codecs that
// only pass through, and for tracks whose configuration is broken or has not come.
func ParsePicture(t live.Track, payload []byte) (Picture, error) {
	config := configOf(t)
	switch t.Codec {
	case live.CodecAVC:
		return picture(ParseAVC(config))
	case live.CodecHEVC:
		return picture(ParseHEVC(config))
	case live.CodecAV1:
		return picture(ParseAV1(config, payload))
	case live.CodecVP9:
		return picture(ParseVP9(config, headOf(t, payload)))
	}
	return nil, fmt.Errorf("%w: video codec %s", ErrRecord, t.Codec)
}

// ParseSound reads the configuration of an audio track. payload is that of any frame, for codecs that tell their rate
// there. It is as ParsePicture otherwise.
func ParseSound(t live.Track, payload []byte) (Sound, error) {
	config := configOf(t)
	switch t.Codec {
	case live.CodecAAC:
		return sound(ParseAAC(config))
	case live.CodecMP3:
		return sound(ParseMP3(headOf(t, payload)))
	case live.CodecOpus:
		return sound(ParseOpus(config, headOf(t, payload)))
	case live.CodecFLAC:
		return sound(ParseFLAC(config))
	case live.CodecAC3:
		return sound(ParseAC3(headOf(t, payload)))
	case live.CodecEAC3:
		return sound(ParseEAC3(headOf(t, payload)))
	}
	return nil, fmt.Errorf("%w: audio codec %s", ErrRecord, t.Codec)
}

// picture and sound keep a nil pointer from becoming an interface that is not nil.
func picture[P Picture](p P, err error) (Picture, error) {
	if err != nil {
		return nil, err
	}
	return p, nil
}

func sound[S Sound](s S, err error) (Sound, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

func configOf(t live.Track) []byte {
	if t.Config == nil {
		return nil
	}
	return t.Config.Payload()
}

func headOf(t live.Track, payload []byte) []byte {
	if payload == nil {
		return []byte(t.Head)
	}
	return payload
}
