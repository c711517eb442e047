package wire

import "encoding/binary"

// maxHeader is the longest header of a first chunk that we write: basic header, type 0, extended time stamp.
const maxHeader = 1 + 11 + 4

// extendedTime is what stands in the header for a time stamp that needs 32 bits (RTMP 1.0, 5.3.1.3).
const extendedTime = 0xffffff

// ChunkedSize returns an upper bound of what AppendMessage appends for a body of n bytes.
func ChunkedSize(n, chunkSize int) int {
	return maxHeader + n + n/chunkSize*(1+4)
}

// AppendMessage appends m to b in chunks of up to chunkSize bytes on the given chunk stream (2 to 63). The first chunk has
// a full header, so that the bytes depend on nothing sent before and can be shared by all peers.
func AppendMessage(b []byte, chunkStream uint8, m Message, chunkSize int) []byte {
	n := len(m.Body)
	time := min(m.Time, extendedTime)
	b = append(b, chunkStream, byte(time>>16), byte(time>>8), byte(time), byte(n>>16), byte(n>>8), byte(n), m.Type)
	b = binary.LittleEndian.AppendUint32(b, m.Stream)
	for rest := m.Body; ; {
		if time == extendedTime {
			b = binary.BigEndian.AppendUint32(b, m.Time)
		}
		part := rest[:min(len(rest), chunkSize)]
		b = append(b, part...)
		if rest = rest[len(part):]; len(rest) == 0 {
			return b
		}
		b = append(b, 3<<6|chunkStream)
	}
}
