package stats

import (
	"encoding/binary"
	"strconv"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"

	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec"
)

// maxSide is the greatest width or height that is believed.
const maxSide = 1 << 16

// setSize takes a size over if it is known and not absurd, which hostile parameters can make it.
func (v *videoRow) setSize(width, height int, ok bool) {
	if ok && 0 < width && width <= maxSide && 0 < height && height <= maxSide {
		v.Width, v.Height = width, height
	}
}

// avcRow reads an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1).
func avcRow(record []byte) *videoRow {
	row := &videoRow{Codec: "H264", Profile: new(other), Level: new(other)}
	if len(record) < 4 {
		return row
	}
	row.Profile = new(avcProfile(record[1], record[2]))
	row.Level = new(level(int(record[3]), 10))
	if c, err := codec.ParseAVC(record); err == nil {
		row.setSize(c.Size())
	}
	return row
}

// avcProfile names a profile_idc with its constraint flags (ITU-T H.264, A.2), as SRS does.
func avcProfile(idc, constraints byte) string {
	constrained, intra := constraints&0x40 != 0, constraints&0x10 != 0
	name := func(plain, special string, is bool) string {
		if is {
			return special
		}
		return plain
	}
	switch idc {
	case 66:
		return name("Baseline", "Baseline(Constrained)", constrained)
	case 77:
		return "Main"
	case 88:
		return "Extended"
	case 100:
		return "High"
	case 110:
		return name("High(10)", "High(10+Intra)", intra)
	case 122:
		return name("High(422)", "High(422+Intra)", intra)
	case 144:
		return name("High(444)", "High(444+Intra)", intra)
	case 244:
		return name("High(444+Predictive)", "High(444+Intra)", intra)
	}
	return other
}

// hevcRow reads an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1).
func hevcRow(record []byte) *videoRow {
	row := &videoRow{Codec: "HEVC", Profile: new(other), Level: new(other)}
	if len(record) < 13 {
		return row
	}
	if idc := int(record[1] & 0x1f); idc < len(hevcProfiles) {
		row.Profile = new(hevcProfiles[idc])
	}
	row.Level = new(level(int(record[12]), 30))
	if c, err := codec.ParseHEVC(record); err == nil {
		row.setSize(c.Size())
	}
	return row
}

// hevcProfiles are the profiles by general_profile_idc (ITU-T H.265, A.3).
var hevcProfiles = [...]string{other, "Main", "Main10", "Main Still Picture", "Rext"}

// level names a level_idc, which counts whole for each whole level: 10 for H.264, 30 for HEVC.
func level(idc, whole int) string {
	tenth := whole / 10
	major, minor := idc/whole, idc%whole/tenth
	if major < 1 || major > 6 || minor > 3 || idc%tenth != 0 {
		return other
	}
	if minor == 0 {
		return strconv.Itoa(major)
	}
	return strconv.Itoa(major) + "." + strconv.Itoa(minor)
}

// av1Row reads an AV1CodecConfigurationRecord (AV1 Codec ISO Media File Format Binding, 2.3): four bytes, then OBUs, the
// first of which is the sequence header.
func av1Row(record []byte) *videoRow {
	row := &videoRow{Codec: "AV1"}
	if len(record) < 6 {
		return row
	}
	obu := record[4:]
	var head av1.OBUHeader
	if head.Unmarshal(obu) != nil || head.Type != av1.OBUTypeSequenceHeader {
		return row
	}
	if head.HasSize {
		var size av1.LEB128
		n, err := size.Unmarshal(obu[1:])
		if err != nil || uint64(size) > uint64(len(obu)-1-n) {
			return row
		}
		obu = obu[:1+n+int(size)]
	}
	var seq av1.SequenceHeader
	if seq.Unmarshal(obu) == nil {
		row.setSize(seq.Width(), seq.Height(), true)
	}
	return row
}

// vp8Row reads the start of a key frame (RFC 6386, 9.1).
func vp8Row(frame []byte) *videoRow {
	row := &videoRow{Codec: other, Profile: new(other), Level: new(other)}
	const code, sides = 3, 6
	if len(frame) >= sides+4 && frame[0]&1 == 0 && string(frame[code:sides]) == "\x9d\x01\x2a" {
		side := func(b []byte) int { return int(binary.LittleEndian.Uint16(b)) & 0x3fff }
		row.setSize(side(frame[sides:]), side(frame[sides+2:]), true)
	}
	return row
}
