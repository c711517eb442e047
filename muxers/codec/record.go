package codec

import (
	"encoding/binary"
	"fmt"
)

// A record reads a configuration record from its start. After the first read beyond its end all reads give zeros and
// short is set.
type record struct {
	b     []byte
	short bool
}

func (r *record) take(n int) []byte {
	if n > len(r.b) {
		r.b, r.short = nil, true
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

func (r *record) u8() int {
	if p := r.take(1); p != nil {
		return int(p[0])
	}
	return 0
}

func (r *record) u16() int {
	if p := r.take(2); p != nil {
		return int(binary.BigEndian.Uint16(p))
	}
	return 0
}

// sets reads n parameter sets, each behind its length of 16 bits, and appends those that are not empty to list.
func (r *record) sets(list [][]byte, n int) [][]byte {
	for ; n > 0 && !r.short; n-- {
		if set := r.take(r.u16()); len(set) > 0 {
			list = append(list, set)
		}
	}
	return list
}

// lengthSize turns the last two bits of a record's length field into a size that ISO/IEC 14496-15 allows: 1, 2 or 4.
func lengthSize(field int) (int, error) {
	n := field&3 + 1
	if n == 3 {
		return 0, fmt.Errorf("%w: unit lengths of 3 bytes", ErrRecord)
	}
	return n, nil
}
