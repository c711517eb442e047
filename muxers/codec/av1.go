package codec

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
)

// An AV1 is an AV1CodecConfigurationRecord (AV1 Codec ISO Media File Format Binding, 2.3).
type AV1 struct {
	// Profile, Level and Tier are seq_profile, seq_level_idx_0 and seq_tier_0.
	Profile, Level, Tier byte
	// Depth is the number of bits per sample: 8, 10 or 12.
	Depth int
	// Record is the whole record, which shares the bytes it was read from.
	Record []byte

	sequence *av1.SequenceHeader // nil if there is none, or one that cannot be read
}

const av1RecordBytes = 4

// ParseAV1 reads a record. Where it holds no sequence header, the one in the payload of a key frame, which may be nil,
// tells the size.
func ParseAV1(b, payload []byte) (*AV1, error) {
	if len(b) < av1RecordBytes || b[0] != 0x81 {
		return nil, fmt.Errorf("%w: AV1 record of %d bytes", ErrRecord, len(b))
	}
	c := &AV1{Profile: b[1] >> 5, Level: b[1] & 0x1f, Tier: b[2] >> 7, Depth: 8, Record: b}
	if b[2]&0x40 != 0 {
		c.Depth = 10
		if b[2]&0x20 != 0 {
			c.Depth = 12
		}
	}
	c.sequence = sequenceHeader(b[av1RecordBytes:])
	if c.sequence == nil {
		c.sequence = sequenceHeader(payload)
	}
	return c, nil
}

func sequenceHeader(b []byte) *av1.SequenceHeader {
	for {
		kind, unit, rest, ok := CutOBU(b)
		if !ok {
			return nil
		}
		var h av1.SequenceHeader
		if av1.OBUType(kind) == av1.OBUTypeSequenceHeader && h.Unmarshal(unit) == nil {
			return &h
		}
		b = rest
	}
}

// String returns the codec as AV1 Codec ISO Media File Format Binding, 5 names it: "av01.0.04M.08".
func (c *AV1) String() string {
	return fmt.Sprintf("av01.%d.%02d%c.%02d", c.Profile, c.Level, "MH"[c.Tier&1], c.Depth)
}

// Size returns width and height of the picture in pixels; ok is false if no sequence header tells.
func (c *AV1) Size() (width, height int, ok bool) {
	if c.sequence == nil {
		return 0, 0, false
	}
	return checkSize(c.sequence.Width(), c.sequence.Height())
}

// FrameRate returns the pictures per second that the sequence header announces, 0 if it does not.
func (c *AV1) FrameRate() float64 {
	if c.sequence == nil || c.sequence.TimingInfo == nil || !c.sequence.TimingInfo.EqualPictureInterval {
		return 0
	}
	i := c.sequence.TimingInfo
	return checkRate(float64(i.TimeScale) / float64(i.NumUnitsInDisplayTick) / (float64(i.NumTicksPerPictureMinus1) + 1))
}

// Range returns SDR, HLG or PQ.
func (c *AV1) Range() string {
	if c.sequence == nil {
		return SDR
	}
	return rangeOf(int(c.sequence.ColorConfig.TransferCharacteristics))
}

// The types of OBUs that have no place in an MP4 sample (AV1 Codec ISO Media File Format Binding, 2.4).
const (
	obuTemporalDelimiter = 2
	obuTileList          = 8
	obuPadding           = 15
)

// CutOBU returns the first open bitstream unit of b with its header, its type, and what follows it (AV1 Bitstream & Decoding
// Process Specification, 5.3). One without a size ends with b. ok is false at the end, and where a size says more than there
// is. It does not allocate; unit and rest share b's bytes.
func CutOBU(b []byte) (kind byte, unit, rest []byte, ok bool) {
	if len(b) == 0 || b[0]&0x80 != 0 {
		return 0, nil, nil, false
	}
	kind = b[0] >> 3 & 0xf
	head := 1
	if b[0]&4 != 0 { // obu_extension_flag
		head++
	}
	if b[0]&2 == 0 { // obu_has_size_field
		return kind, b, nil, len(b) >= head
	}
	size := uint64(0)
	for i := range 8 {
		if head >= len(b) {
			return 0, nil, nil, false
		}
		c := b[head]
		head++
		size |= uint64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			break
		}
	}
	if size > uint64(len(b)-head) {
		return 0, nil, nil, false
	}
	n := head + int(size)
	return kind, b[:n:n], b[n:], true
}

// AppendOBUs appends the units of b to dst that belong into an MP4 sample: all but delimiters, padding and tile lists.
func AppendOBUs(dst, b []byte) []byte {
	for {
		kind, unit, rest, ok := CutOBU(b)
		if !ok {
			return dst
		}
		if isSampleOBU(kind) {
			dst = append(dst, unit...)
		}
		b = rest
	}
}

// OBUsSize returns how many bytes AppendOBUs appends.
func OBUsSize(b []byte) (n int) {
	for {
		kind, unit, rest, ok := CutOBU(b)
		if !ok {
			return n
		}
		if isSampleOBU(kind) {
			n += len(unit)
		}
		b = rest
	}
}

func isSampleOBU(kind byte) bool {
	return kind != obuTemporalDelimiter && kind != obuTileList && kind != obuPadding
}
