package live

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Stream is a name on air, or one that viewers wait for: a log of its newest frames with the time repaired and the
// configuration in force noted at each. The publisher never waits for a reader. A stream ends once, for good; a name
// that comes back later is a new Stream.
type Stream struct {
	key      Key
	id       string
	hub      *Hub
	app      *app
	counters Counters
	began    time.Time
	rules    atomic.Pointer[Rules]

	mu     sync.Mutex
	log    log
	setup  *Setup
	time   timeline
	meters meters
	wake   chan struct{} // made by a reader that waits, closed by the next frame
	end    error         // set when the stream has ended

	onAir     chan struct{} // closed when there is a publisher
	publisher *Publisher    // nil in a gap
	newestID  string        // the id of the newest publisher's session
	gap       *time.Timer   // ends the stream if no publisher comes back
	sessions  map[*Session]struct{}
	away      int // of the sessions
	feeds     map[feedID]*Feed
	unwatched unwatched
}

func newStream(h *Hub, key Key, a *app, rules Rules) *Stream {
	s := &Stream{
		key:      key,
		id:       "vid-" + newID(7),
		hub:      h,
		app:      a,
		began:    time.Now(),
		onAir:    make(chan struct{}),
		sessions: make(map[*Session]struct{}),
		feeds:    make(map[feedID]*Feed),
	}
	s.counters.parent = &a.counters
	s.rules.Store(&rules)
	return s
}

// Key returns the stream's name.
func (s *Stream) Key() Key { return s.key }

// ID returns the stream's opaque id, new for every Stream.
func (s *Stream) ID() string { return s.id }

// Rules returns the rules in force.
func (s *Stream) Rules() Rules { return *s.rules.Load() }

// WriteTimeout returns that of the rules in force, for those who ask at every write.
func (s *Stream) WriteTimeout() time.Duration { return s.rules.Load().WriteTimeout }

// Sent counts n bytes that a Write has taken for somebody who has no session. Session.Sent counts for the others.
func (s *Stream) Sent(n int) { s.counters.addSent(int64(n)) }

// Err returns why the stream has ended, io.EOF for a publisher that left as it should; nil while it lives.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end
}

// Setup returns the newest metadata and codec configurations; nil before the first.
func (s *Stream) Setup() *Setup {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.setup
}

// write dates f, which came that many nanoseconds after the stream began, notes what is in force for it and appends it to
// the log, unless p is no longer the publisher.
func (s *Stream) write(p *Publisher, f *Frame, came int64) {
	g := *f
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil || s.publisher != p {
		return
	}
	if s.setup.lacksRoom(&g) {
		p.Drop(errTooManyTracks)
		return
	}
	s.setup = s.setup.with(&g)
	if g.Config || g.remark {
		return
	}
	g.setup = s.setup
	g.main = s.setup.isMain(&g)
	if g.Media() {
		g.Time = s.time.place(g.track(), g.Time)
		s.meters.count(&g)
	} else {
		g.Time = s.time.last(g.track())
	}
	s.log.push(&g, came, s.rules.Load())
	s.signal()
}

// signal wakes the readers that wait. s.mu must be held.
func (s *Stream) signal() {
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
}

// waitCh returns a channel that is closed at the next change. s.mu must be held.
func (s *Stream) waitCh() <-chan struct{} {
	if s.wake == nil {
		s.wake = make(chan struct{})
	}
	return s.wake
}

// finish ends the stream: readers get what is in the log and then io.EOF, whatever err.
func (s *Stream) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return
	}
	s.end = err
	s.signal()
	if s.gap != nil {
		s.gap.Stop()
	}
	s.goOnAir()
}

// goOnAir wakes those who wait for a publisher. s.mu must be held.
func (s *Stream) goOnAir() {
	select {
	case <-s.onAir:
	default:
		close(s.onAir)
	}
}

// await returns when there is a publisher, or the reason why there will be none.
func (s *Stream) await(ctx context.Context, limit time.Duration) error {
	s.mu.Lock()
	onAir := s.onAir
	s.mu.Unlock()
	select {
	case <-onAir:
		return s.awaited()
	default:
	}
	if limit <= 0 {
		return Refuse(ErrNotFound, "no publisher is on air for %s", s.key)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-onAir:
		return s.awaited()
	case <-timer.C:
		return Refuse(ErrNotFound, "no publisher came on air for %s within %s", s.key, limit)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Stream) awaited() error {
	switch err := s.Err(); {
	case err == nil:
		return nil
	case errors.Is(err, ErrClosing):
		return Refuse(ErrClosing, "the server is shutting down")
	}
	return Refuse(ErrNotFound, "the stream %s has ended", s.key)
}

// setRules puts new rules in force.
func (s *Stream) setRules(r Rules) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit := s.rules.Load().KickoffForIdle; limit != r.KickoffForIdle && s.unwatched.timer != nil {
		s.unwatched.publisher = nil // begin anew, with the new limit
	}
	s.rules.Store(&r)
	s.watch()
}

// Feed returns the feed of the given format and tracks, which is made with newMuxer if there is none. format must tell
// muxers apart that write different bytes of the same frames.
func (s *Stream) Feed(format string, t Tracks, newMuxer func() Muxer) *Feed {
	return s.feed(feedID{format: format, tracks: t}, newMuxer)
}

// ownFeed is Feed for the one viewer that the format names.
func (s *Stream) ownFeed(format string, t Tracks, newMuxer func() Muxer) *Feed {
	return s.feed(feedID{format, t, true}, newMuxer)
}

func (s *Stream) feed(id feedID, newMuxer func() Muxer) *Feed {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.feeds[id]
	if f == nil {
		f = newFeed(s, id, newMuxer)
		s.feeds[id] = f
	}
	return f
}

func (s *Stream) forgetFeed(f *Feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feeds[f.id] == f {
		delete(s.feeds, f.id)
	}
}

// sessionList returns the sessions attached, in no order.
func (s *Stream) sessionList() []*Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.sessions))
}

// ended is what readers get at the end of a stream. s.mu must be held.
func (s *Stream) ended() error {
	if s.end == nil {
		return nil
	}
	return io.EOF
}
