package flv

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// ErrFormat is returned, wrapped, for bytes that are not FLV.
var ErrFormat = errors.New("not FLV")

// A Reader is a live.FrameReader that reads an FLV file or stream.
type Reader struct {
	r *bufio.Reader
	// HasVideo and HasAudio are what the header says.
	HasVideo, HasAudio bool

	scratch [tagHeaderBytes]byte
	frames  []*live.Frame // of the newest tag, which are still to be given
}

// NewReader reads the header from r.
func NewReader(r io.Reader) (*Reader, error) {
	br := bufio.NewReader(r)
	var b [headerBytes]byte
	if _, err := io.ReadFull(br, b[:]); err != nil {
		return nil, fmt.Errorf("reading the FLV header: %w", unexpected(err))
	}
	offset := binary.BigEndian.Uint32(b[5:])
	if string(b[:3]) != "FLV" || b[3] != 1 || offset < headerBytes || offset > 1<<10 {
		return nil, fmt.Errorf("%w: header % x", ErrFormat, b)
	}
	if _, err := br.Discard(int(offset) - headerBytes + tailBytes); err != nil {
		return nil, fmt.Errorf("reading the FLV header: %w", unexpected(err))
	}
	return &Reader{r: br, HasVideo: b[4]&flagVideo != 0, HasAudio: b[4]&flagAudio != 0}, nil
}

// ReadFrame returns the next frame, io.EOF at the end. A multitrack tag is a frame for each of its tracks. Tags of unknown
// types, encrypted ones too, are passed over. After an error that wraps live.ErrTag it may be called again: only that one
// tag was broken. It blocks as its source does and looks at ctx between tags.
func (r *Reader) ReadFrame(ctx context.Context) (*live.Frame, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if len(r.frames) > 0 {
			f := r.frames[0]
			r.frames = r.frames[1:]
			return f, nil
		}
		h := r.scratch[:]
		if _, err := io.ReadFull(r.r, h); err != nil {
			return nil, err // io.EOF is the end
		}
		n := int(h[1])<<16 | int(h[2])<<8 | int(h[3])
		time := uint32(h[4])<<16 | uint32(h[5])<<8 | uint32(h[6]) | uint32(h[7])<<24
		kind, known := kindOf(h[0] &^ reservedBits) // the scratch is used again below
		body, err := r.readBody(n)
		if err != nil {
			return nil, fmt.Errorf("reading an FLV tag of %d bytes: %w", n, unexpected(err))
		}
		if err := r.readTail(n); err != nil {
			return nil, err
		}
		if !known {
			continue
		}
		if r.frames, err = live.ParseTags(r.frames[:0], kind, time, body); err != nil {
			return nil, err
		}
	}
}

// allocateAhead is how many bytes of a tag are allocated before the first has come. Most tags are shorter.
const allocateAhead = 64 << 10

// readBody reads n bytes. What a stranger only declares costs nothing: the room grows with what comes.
func (r *Reader) readBody(n int) ([]byte, error) {
	body := make([]byte, min(n, allocateAhead))
	for have := 0; ; {
		if _, err := io.ReadFull(r.r, body[have:]); err != nil {
			return nil, err
		}
		if have = len(body); have == n {
			return body, nil
		}
		bigger := make([]byte, min(n, 2*have))
		copy(bigger, body)
		body = bigger
	}
}

func (r *Reader) readTail(n int) error {
	tail := r.scratch[:tailBytes]
	if _, err := io.ReadFull(r.r, tail); err != nil {
		return fmt.Errorf("reading the size after an FLV tag: %w", unexpected(err))
	}
	if got := binary.BigEndian.Uint32(tail); int(got) != tagHeaderBytes+n {
		return fmt.Errorf("%w: a tag of %d bytes is followed by the size %d", ErrFormat, tagHeaderBytes+n, got)
	}
	return nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
