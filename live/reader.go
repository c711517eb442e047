package live

import "context"

// A Reader is a place in a stream's log. It gives every frame of the chosen tracks once, in order, and each configuration
// before the first frame that needs it. A reader that falls out of the log goes on at the newest frame to begin from; Skipped counts it.
// It is for one goroutine, needs no closing, and costs the publisher nothing.
type Reader struct {
	stream  *Stream
	tracks  Tracks
	next    uint64
	joined  bool
	given   *Setup
	pending []*Frame // configurations to give before the frame at next
	skips   int
	came    int64 // when the frame came that was given last, in nanoseconds since the stream began

	whole, narrow *Setup // of the newest frame, and what of it belongs to the chosen tracks
}

// NewReader returns a reader of the chosen tracks that begins at the newest group of pictures, if that is within the bound
// for joining, and else at the next.
func (s *Stream) NewReader(t Tracks) *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.log.start(t, s.rules.Load())
	return &Reader{stream: s, tracks: t, next: n, joined: ok}
}

// NewReaderFromOldest returns a reader of the chosen tracks that begins as far back as the log allows.
func (s *Stream) NewReaderFromOldest(t Tracks) *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.log.oldest(t, s.rules.Load())
	return &Reader{stream: s, tracks: t, next: n, joined: n < s.log.next}
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
	n := len(r.pending)
	if !r.joined {
		return n
	}
	for i := r.next; i < r.stream.log.next; i++ {
		if r.takes(r.stream.log.at(i)) {
			n++
		}
	}
	return n
}

func (r *Reader) takes(f *Frame) bool { return r.tracks.take(f.Kind, f.Track, f.main) }

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
	for r.joined && r.next < s.log.next && !r.takes(s.log.at(r.next)) {
		r.next++
	}
	if !r.joined || r.next == s.log.next {
		if err := s.ended(); err != nil || !wait {
			return nil, nil, err
		}
		return nil, s.waitCh(), nil
	}
	f := r.view(s.log.at(r.next))
	r.came = s.log.slot(r.next).came
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

// view returns f as a reader of the chosen tracks sees it: with nothing of the other tracks in force. That is f itself for
// the main tracks of a stream that has no others.
func (r *Reader) view(f *Frame) *Frame {
	if f.setup != r.whole {
		r.whole, r.narrow = f.setup, r.tracks.narrow(f.setup, r.narrow)
	}
	if r.narrow == f.setup && r.tracks == (Tracks{}) {
		return f
	}
	g := *f
	g.setup = r.narrow
	g.entry = r.stream.log.isEntry(r.next, r.tracks, r.stream.rules.Load())
	return &g
}

// seek finds the place to go on from for a reader that waits for an entry, or has fallen behind the log. s.mu must be
// held.
func (r *Reader) seek() {
	l, rules := &r.stream.log, r.stream.rules.Load()
	if r.next < l.first {
		if r.joined {
			r.skips++
		}
		entry, ok := l.newestEntry(r.tracks, rules)
		r.joined, r.next = ok, l.next
		if ok {
			r.next = entry
		}
	}
	for ; !r.joined && r.next < l.next; r.next++ {
		if l.isEntry(r.next, r.tracks, rules) {
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
