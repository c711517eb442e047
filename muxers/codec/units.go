package codec

// CutUnit returns the first unit of b, which is a row of units each behind a length of size bytes, and what follows it.
// Empty units are passed over. ok is false at the end, and where a length says more than there is: what came before is
// good, the rest is not. It does not allocate; unit and rest share b's bytes.
func CutUnit(b []byte, size int) (unit, rest []byte, ok bool) {
	for size > 0 && len(b) >= size {
		n := uint64(0)
		for _, c := range b[:size] {
			n = n<<8 | uint64(c)
		}
		b = b[size:]
		if n > uint64(len(b)) {
			return nil, nil, false
		}
		if n > 0 {
			return b[:n:n], b[n:], true
		}
	}
	return nil, nil, false
}

// StartCode stands before each unit in the byte stream format (ITU-T H.264 and H.265, annex B).
const StartCode = "\x00\x00\x00\x01"

// AppendAnnexB appends the units of b, which are as CutUnit takes them, to dst in the byte stream format. It allocates
// only if dst has no room for AnnexBSize more bytes.
func AppendAnnexB(dst, b []byte, size int) []byte {
	for {
		unit, rest, ok := CutUnit(b, size)
		if !ok {
			return dst
		}
		dst = AppendUnit(dst, unit)
		b = rest
	}
}

// AnnexBSize returns how many bytes AppendAnnexB appends.
func AnnexBSize(b []byte, size int) (n int) {
	for {
		unit, rest, ok := CutUnit(b, size)
		if !ok {
			return n
		}
		n += len(StartCode) + len(unit)
		b = rest
	}
}

// AppendUnit appends one unit to dst in the byte stream format.
func AppendUnit(dst, unit []byte) []byte {
	dst = append(dst, StartCode...)
	return append(dst, unit...)
}

// AppendUnits appends the units of b, which are as CutUnit takes them, to dst, each behind its length of the same size. What
// CutUnit passes over or does not take is left out. It allocates only if dst has no room for UnitsSize more bytes.
func AppendUnits(dst, b []byte, size int) []byte {
	for {
		unit, rest, ok := CutUnit(b, size)
		if !ok {
			return dst
		}
		head := len(b) - len(rest) - len(unit)
		dst = append(dst, b[head-size:head+len(unit)]...)
		b = rest
	}
}

// UnitsSize returns how many bytes AppendUnits appends.
func UnitsSize(b []byte, size int) (n int) {
	for {
		unit, rest, ok := CutUnit(b, size)
		if !ok {
			return n
		}
		n += size + len(unit)
		b = rest
	}
}
