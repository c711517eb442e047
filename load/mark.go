package load

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A mark is what a publisher of this package writes into each picture: supplemental enhancement information of the type
// "user data unregistered" (ITU-T H.264 and H.265, D.1.6), which decoders pass over.
type mark struct {
	origin uint32    // tells publishers apart that come one after the other
	number int64     // of the picture, from 0 on, without gaps
	sent   time.Time // when it was written to the server, by the clock of the publisher's machine
}

// How a mark is written. It consists of letters and digits only, so that no start code has to be prevented in it.
const (
	markName   = "rtmpload mark v1" // in the place of an UUID, 16 bytes
	markValues = 4 + 8 + 8          // bytes of the origin, the number and the time in microseconds
	markDigits = 2 * markValues     // in base 16
	markBytes  = len(markName) + markDigits

	userData = 5    // the payload type
	stopBit  = 0x80 // and what aligns it
)

// A unit is a type of unit in front of and behind the coded slices of a picture.
type unit struct{ sei, filler []byte }

// units are the headers of the codecs that can bear marks.
var units = map[live.FourCC]unit{
	live.CodecAVC:  {sei: []byte{6}, filler: []byte{12}},
	live.CodecHEVC: {sei: []byte{39 << 1, 1}, filler: []byte{38 << 1, 1}},
}

// appendMarkUnit appends a unit, behind a length of size bytes, for a mark that is still to be set.
func appendMarkUnit(b []byte, codec live.FourCC, size int) []byte {
	head := units[codec].sei
	b = appendLength(b, size, len(head)+2+markBytes+1)
	b = append(append(b, head...), userData, byte(markBytes))
	b = append(b, markName...)
	b = append(b, bytes.Repeat([]byte{'0'}, markDigits)...)
	return append(b, stopBit)
}

// appendFiller appends a unit of n bytes in all that says nothing, if there is room for one.
func appendFiller(b []byte, codec live.FourCC, size, n int) []byte {
	head := units[codec].filler
	fill := n - size - len(head) - 1
	if fill < 0 {
		return b
	}
	b = append(appendLength(b, size, n-size), head...)
	return append(append(b, bytes.Repeat([]byte{0xff}, fill)...), stopBit)
}

// appendLength appends n in size bytes.
func appendLength(b []byte, size, n int) []byte {
	var long [4]byte
	binary.BigEndian.PutUint32(long[:], uint32(n))
	return append(b, long[4-size:]...)
}

// put writes the mark over the digits at the beginning of b.
func (m mark) put(b []byte) {
	var values [markValues]byte
	binary.BigEndian.PutUint32(values[:], m.origin)
	binary.BigEndian.PutUint64(values[4:], uint64(m.number))
	binary.BigEndian.PutUint64(values[12:], uint64(m.sent.UnixMicro()))
	hex.Encode(b[:markDigits], values[:])
}

// cutMark returns the first mark in b and what follows it.
func cutMark(b []byte) (m mark, rest []byte, ok bool) {
	for {
		i := bytes.Index(b, []byte(markName))
		if i < 0 || len(b) < i+markBytes {
			return mark{}, nil, false
		}
		digits := b[i+len(markName) : i+markBytes]
		b = b[i+markBytes:]
		var values [markValues]byte
		if _, err := hex.Decode(values[:], digits); err != nil {
			continue // no mark of ours
		}
		return mark{
			origin: binary.BigEndian.Uint32(values[:]),
			number: int64(binary.BigEndian.Uint64(values[4:])),
			sent:   time.UnixMicro(int64(binary.BigEndian.Uint64(values[12:]))),
		}, b, true
	}
}
