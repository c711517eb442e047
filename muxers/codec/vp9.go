package codec

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"
)

// A VP9 is a VPCodecConfigurationRecord (VP Codec ISO Media File Format Binding, "Definition"), and the size that key frames
// tell.
type VP9 struct {
	// Profile is 0 to 3, Level ten times the level, Depth the number of bits per sample.
	Profile, Level, Depth byte
	// Subsampling is 0 or 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4. FullRange says that black is 0.
	Subsampling byte
	FullRange   bool
	// Primaries, Transfer and Matrix are colour descriptions of ISO/IEC 23091-2; 2 is unspecified.
	Primaries, Transfer, Matrix byte

	width, height int
}

const (
	vp9RecordBytes = 8
	unspecified    = 2
)

// ParseVP9 reads a record, with or without the version and flags that stand before it in an MP4 box. payload is that of a
// key frame, which tells the size, and all that is needed where there is no record; it may be nil if there is one.
func ParseVP9(b, payload []byte) (*VP9, error) {
	c := &VP9{Depth: 8, Subsampling: 1, Primaries: unspecified, Transfer: unspecified, Matrix: unspecified}
	err := c.record(b)
	var h vp9.Header
	if h.Unmarshal(payload) == nil && h.FrameSize != nil && h.ColorConfig != nil {
		c.width, c.height = h.Width(), h.Height()
		if err != nil {
			c.frame(&h)
			return c, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (c *VP9) record(b []byte) error {
	if len(b) >= 4+vp9RecordBytes && b[2] == 0 { // no record has a depth of 0
		b = b[4:]
	}
	if len(b) < vp9RecordBytes || b[0] > 3 || b[2]>>4 < 8 {
		return fmt.Errorf("%w: VP9 record of %d bytes", ErrRecord, len(b))
	}
	c.Profile, c.Level = b[0], b[1]
	c.Depth, c.Subsampling, c.FullRange = b[2]>>4, b[2]>>1&7, b[2]&1 != 0
	c.Primaries, c.Transfer, c.Matrix = b[3], b[4], b[5]
	return nil
}

// frame takes over what a key frame tells.
func (c *VP9) frame(h *vp9.Header) {
	c.Profile, c.Depth = h.Profile, h.ColorConfig.BitDepth
	c.Subsampling, c.FullRange = h.ChromaSubsampling(), h.ColorConfig.ColorRange
	c.Level = vp9Level(c.width * c.height)
}

// vp9Level returns the lowest level of a picture of so many pixels (VP9 Levels, "Max luma picture size"), of those that
// have room for 60 pictures a second.
func vp9Level(pixels int) byte {
	for _, l := range []struct {
		pixels int
		level  byte
	}{{36864, 11}, {73728, 20}, {122880, 21}, {245760, 30}, {552960, 31}, {983040, 40}, {2228224, 41}, {8912896, 51}} {
		if pixels <= l.pixels {
			return l.level
		}
	}
	return 61
}

// Record returns the record, without version and flags.
func (c *VP9) Record() []byte {
	bits := c.Depth<<4 | c.Subsampling<<1
	if c.FullRange {
		bits |= 1
	}
	return []byte{c.Profile, c.Level, bits, c.Primaries, c.Transfer, c.Matrix, 0, 0}
}

// String returns the codec as VP Codec ISO Media File Format Binding, "Codecs Parameter String" names it: "vp09.00.30.08".
func (c *VP9) String() string {
	return fmt.Sprintf("vp09.%02d.%02d.%02d", c.Profile, c.Level, c.Depth)
}

// Size returns width and height of the picture in pixels; ok is false if no key frame has told.
func (c *VP9) Size() (width, height int, ok bool) { return checkSize(c.width, c.height) }

// FrameRate returns 0: VP9 does not tell.
func (*VP9) FrameRate() float64 { return 0 }

// Range returns SDR, HLG or PQ.
func (c *VP9) Range() string { return rangeOf(int(c.Transfer)) }
