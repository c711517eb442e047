package codec

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// The unit types of HEVC's parameter sets (ITU-T H.265, table 7-1).
const (
	hevcVPS = 32
	hevcSPS = 33
	hevcPPS = 34
)

// A HEVC is a HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1). Its parameter sets share the record's bytes.
type HEVC struct {
	// LengthSize is the size of the length before each unit: 1, 2 or 4 bytes.
	LengthSize    int
	VPS, SPS, PPS [][]byte

	profile []byte // the general profile, tier and level: 12 bytes
}

// ParseHEVC reads a record. Without a sequence parameter set it is an error. Units of other types are ignored.
func ParseHEVC(b []byte) (*HEVC, error) {
	r := record{b: b}
	head := r.take(22)
	if head == nil || head[0] > 1 { // writers of the time before the standard put 0 there
		return nil, fmt.Errorf("%w: HEVC record of %d bytes", ErrRecord, len(b))
	}
	size, err := lengthSize(int(head[21]))
	if err != nil {
		return nil, err
	}
	c := &HEVC{LengthSize: size, profile: head[1:13]}
	for n := r.u8(); n > 0 && !r.short; n-- {
		c.array(&r)
	}
	if r.short || len(c.SPS) == 0 {
		return nil, fmt.Errorf("%w: HEVC record cut or without parameter sets", ErrRecord)
	}
	return c, nil
}

// array reads the units of one type.
func (c *HEVC) array(r *record) {
	kind, n := r.u8()&0x3f, r.u16()
	switch kind {
	case hevcVPS:
		c.VPS = r.sets(c.VPS, n)
	case hevcSPS:
		c.SPS = r.sets(c.SPS, n)
	case hevcPPS:
		c.PPS = r.sets(c.PPS, n)
	default:
		r.sets(nil, n)
	}
}

// String returns the codec as ISO/IEC 14496-15, annex E.3 names it: "hvc1.1.6.L93.B0".
func (c *HEVC) String() string {
	p := c.profile
	space := []string{"", "A", "B", "C"}[p[0]>>6]
	tier := "L"
	if p[0]&0x20 != 0 {
		tier = "H"
	}
	flags := uint32(p[1])<<24 | uint32(p[2])<<16 | uint32(p[3])<<8 | uint32(p[4])
	var s strings.Builder
	fmt.Fprintf(&s, "hvc1.%s%d.%s.%s%d", space, p[0]&0x1f, strconv.FormatUint(uint64(bits.Reverse32(flags)), 16), tier, p[11])
	constraints := p[5:11]
	for len(constraints) > 0 && constraints[len(constraints)-1] == 0 {
		constraints = constraints[:len(constraints)-1]
	}
	for _, b := range constraints {
		fmt.Fprintf(&s, ".%X", b)
	}
	return s.String()
}

// Size returns width and height of the picture in pixels; ok is false if the parameter set does not tell.
func (c *HEVC) Size() (width, height int, ok bool) {
	var sps h265.SPS
	if sps.Unmarshal(c.SPS[0]) != nil {
		return 0, 0, false
	}
	return checkSize(sps.Width(), sps.Height())
}

// FrameRate returns the pictures per second that the parameter set announces, 0 if it does not.
func (c *HEVC) FrameRate() float64 {
	var sps h265.SPS
	if sps.Unmarshal(c.SPS[0]) != nil {
		return 0
	}
	return checkRate(sps.FPS())
}

// Range returns SDR, HLG or PQ.
func (c *HEVC) Range() string {
	var sps h265.SPS
	if sps.Unmarshal(c.SPS[0]) != nil || sps.VUI == nil {
		return SDR
	}
	return rangeOf(int(sps.VUI.TransferCharacteristics))
}
