package codec

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// An AVC is an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1). Its parameter sets share the record's bytes.
type AVC struct {
	// Profile, Compatibility and Level are the three bytes that name a decoder's needs.
	Profile, Compatibility, Level byte
	// LengthSize is the size of the length before each unit: 1, 2 or 4 bytes.
	LengthSize int
	SPS, PPS   [][]byte
}

// ParseAVC reads a record. A record without a sequence parameter set cannot be decoded from and is an error; what
// follows the picture parameter sets is ignored.
func ParseAVC(b []byte) (*AVC, error) {
	r := record{b: b}
	head := r.take(5)
	if head == nil || head[0] != 1 {
		return nil, fmt.Errorf("%w: AVC record of %d bytes", ErrRecord, len(b))
	}
	size, err := lengthSize(int(head[4]))
	if err != nil {
		return nil, err
	}
	c := &AVC{Profile: head[1], Compatibility: head[2], Level: head[3], LengthSize: size}
	c.SPS = r.sets(nil, r.u8()&0x1f)
	c.PPS = r.sets(nil, r.u8())
	if r.short || len(c.SPS) == 0 {
		return nil, fmt.Errorf("%w: AVC record cut or without parameter sets", ErrRecord)
	}
	return c, nil
}

// String returns the codec as RFC 6381, 3.3 names it: "avc1.64001f".
func (c *AVC) String() string {
	return fmt.Sprintf("avc1.%02x%02x%02x", c.Profile, c.Compatibility, c.Level)
}

// Size returns width and height of the picture in pixels; ok is false if the parameter set does not tell.
func (c *AVC) Size() (width, height int, ok bool) {
	var sps h264.SPS
	if sps.Unmarshal(c.SPS[0]) != nil {
		return 0, 0, false
	}
	return checkSize(sps.Width(), sps.Height())
}

// FrameRate returns the pictures per second that the parameter set announces, 0 if it does not.
func (c *AVC) FrameRate() float64 {
	var sps h264.SPS
	if sps.Unmarshal(c.SPS[0]) != nil {
		return 0
	}
	return checkRate(sps.FPS())
}

// Range returns SDR, HLG or PQ.
func (c *AVC) Range() string {
	var sps h264.SPS
	if sps.Unmarshal(c.SPS[0]) != nil || sps.VUI == nil {
		return SDR
	}
	return rangeOf(int(sps.VUI.TransferCharacteristics))
}

// maxSide bounds a believable picture: more than any level of HEVC allows.
const maxSide = 16888

func checkSize(width, height int) (int, int, bool) {
	if width <= 0 || height <= 0 || width > maxSide || height > maxSide {
		return 0, 0, false
	}
	return width, height, true
}
