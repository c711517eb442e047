package live

import "context"

// A Reader is a place in a stream's log. It gives every frame once, in order, and each configuration before the first
// frame that needs it. A reader that falls out of the log goes on at the newest frame to begin from; Skipped counts it.
// It is for one goroutine, needs no closing, and costs the publisher nothing.
type Reader struct {
	stream  *Stream
	next    uint64
	joined  bool
	given   *Setup
	pending []*Frame // configurations to give before the frame at next
	skips   int
}

// NewReader returns a reader that begins at the newest group of pictures, if that is within the bound for joining, and
// else at the next.
func (s *Stream) NewReader() *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.log.start(s.rules.Load())
	return &Reader{stream: s, next: n, joined: ok}
}

// NewReaderFromOldest returns a reader that begins as far back as the log allows.
func (s *Stream) NewReaderFromOldest() *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.log.oldest()
	return &Reader{stream: s, next: n, joined: n < s.log.next}
}

// ReadFrame returns the next frame. It blocks until there is one, ctx is done, or the stream has ended and all of it has
// been read, which gives io.EOF.
func (r *Reader) ReadFrame(ctx context.Context) (*Frame, error) {
	for {
		// Asked first, since a reader that is always behind never waits.
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		f, wait, err := r.take(true)
		if f != nil || err != nil {
			return f, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
		}
	}
}

// TryReadFrame returns the next frame, or nil if there is none yet. At the end of the stream it gives io.EOF.
func (r *Reader) TryReadFrame() (*Frame, error) {
	f, _, err := r.take(false)
	return f, err
}

// Buffered returns how many frames can be read without blocking, at least.
func (r *Reader) Buffered() int {
	r.stream.mu.Lock()
	defer r.stream.mu.Unlock()
	r.seek()
	if !r.joined {
		return len(r.pending)
	}
	return len(r.pending) + int(r.stream.log.next-r.next)
}

// Skipped returns how often the reader has fallen out of the log.
func (r *Reader) Skipped() int { return r.skips }

// Stream returns the stream that is read.
func (r *Reader) Stream() *Stream { return r.stream }

// await returns when there is a frame that was not read yet, or the stream has ended.
func (r *Reader) await(ctx context.Context) error {
	s := r.stream
	s.mu.Lock()
	if r.next < s.log.next || s.end != nil {
		s.mu.Unlock()
		return nil
	}
	wake := s.waitCh()
	s.mu.Unlock()
	select {
	case <-wake:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *Reader) take(wait bool) (*Frame, <-chan struct{}, error) {
	if f := r.takePending(); f != nil {
		return f, nil, nil
	}
	s := r.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	r.seek()
	if !r.joined || r.next == s.log.next {
		if err := s.ended(); err != nil || !wait {
			return nil, nil, err
		}
		return nil, s.waitCh(), nil
	}
	f := s.log.at(r.next)
	if f.setup != r.given {
		r.pending = f.setup.Since(r.given, f.Time)
		r.given = f.setup
		if c := r.takePending(); c != nil {
			return c, nil, nil
		}
	}
	r.next++
	return f, nil, nil
}

// seek finds the place to go on from for a reader that waits for an entry, or has fallen behind the log. s.mu must be
// held.
func (r *Reader) seek() {
	l := &r.stream.log
	if r.next < l.first {
		if r.joined {
			r.skips++
		}
		r.joined = l.valid
		r.next = l.next
		if l.valid {
			r.next = l.entry
		}
	}
	for ; !r.joined && r.next < l.next; r.next++ {
		if l.at(r.next).entry {
			r.joined = true
			return
		}
	}
}

func (r *Reader) takePending() *Frame {
	if len(r.pending) == 0 {
		return nil
	}
	f := r.pending[0]
	r.pending = r.pending[1:]
	return f
}
