package hls

import (
	"bytes"
	"io"
	"os"
)

// A blob is the bytes of an object, which never change: in memory, in one or more pieces, or in a file.
type blob struct {
	pieces [][]byte
	file   string // where it is if it is not in memory
	offset int64  // where it begins in the file
	size   int64
}

// inMemory returns a blob of pieces.
func inMemory(pieces ...[]byte) blob {
	b := blob{pieces: pieces}
	for _, p := range pieces {
		b.size += int64(len(p))
	}
	return b
}

// open returns the bytes, to be closed. The error says that a file is gone.
func (b blob) open() (io.ReadSeekCloser, error) {
	if b.file == "" {
		return memory{b.reader()}, nil
	}
	f, err := os.Open(b.file)
	if err != nil {
		return nil, err
	}
	return &section{SectionReader: io.NewSectionReader(f, b.offset, b.size), Closer: f}, nil
}

// reader returns a reader of a blob in memory.
func (b blob) reader() io.ReadSeeker {
	if len(b.pieces) == 1 {
		return bytes.NewReader(b.pieces[0])
	}
	return io.NewSectionReader(b, 0, b.size)
}

// ReadAt reads from the pieces.
func (b blob) ReadAt(p []byte, offset int64) (n int, err error) {
	for _, piece := range b.pieces {
		if offset < int64(len(piece)) {
			n += copy(p[n:], piece[offset:])
		}
		offset = max(0, offset-int64(len(piece)))
		if n == len(p) {
			return n, nil
		}
	}
	return n, io.EOF
}

// A memory is a reader of bytes that need no closing.
type memory struct{ io.ReadSeeker }

// Close does nothing.
func (memory) Close() error { return nil }

// A section is a reader of a part of a file.
type section struct {
	*io.SectionReader
	io.Closer
}
