package fmp4

import "encoding/binary"

// Boxes are appended to a slice: begin reserves the size, which end puts in.

// begin appends the head of a box and returns where it stands.
func begin(b []byte, kind string) (boxed []byte, at int) {
	return append(append(b, 0, 0, 0, 0), kind...), len(b)
}

// beginFull is begin for a box with version and flags (ISO/IEC 14496-12, 4.2).
func beginFull(b []byte, kind string, version byte, flags uint32) (boxed []byte, at int) {
	b, at = begin(b, kind)
	return binary.BigEndian.AppendUint32(b, uint32(version)<<24|flags), at
}

// end closes the box that stands at.
func end(b []byte, at int) []byte {
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at))
	return b
}

// box appends a box with all that it holds.
func box(b []byte, kind string, body ...byte) []byte {
	b, at := begin(b, kind)
	return end(append(b, body...), at)
}

// fullBox appends a box with version 0.
func fullBox(b []byte, kind string, flags uint32, body ...byte) []byte {
	b, at := beginFull(b, kind, 0, flags)
	return end(append(b, body...), at)
}

func u16(b []byte, v int) []byte    { return binary.BigEndian.AppendUint16(b, uint16(v)) }
func u32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }
func u64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

func zeros(b []byte, n int) []byte { return append(b, make([]byte, n)...) }
