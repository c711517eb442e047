package live

import "time"

// An unwatched ends a publisher that nobody has watched for as long as Rules.KickoffForIdle says. It is part of a Stream and
// changed under its lock.
type unwatched struct {
	viewers   int
	publisher *Publisher  // the one that timer would end
	timer     *time.Timer // runs while there is a publisher and no viewer
}

// watch looks whether the stream is unwatched, after anything has changed that says so. s.mu must be held.
func (s *Stream) watch() {
	u, limit := &s.unwatched, s.rules.Load().KickoffForIdle
	idle := s.publisher != nil && u.viewers == 0 && limit > 0
	if idle && u.timer != nil && u.publisher == s.publisher {
		return
	}
	if u.timer != nil {
		u.timer.Stop()
		u.timer, u.publisher = nil, nil
	}
	if !idle {
		return
	}
	p := s.publisher
	u.publisher = p
	u.timer = time.AfterFunc(limit, func() { s.endUnwatched(p) })
}

// endUnwatched ends p unless a viewer has come, or another publisher.
func (s *Stream) endUnwatched(p *Publisher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.publisher == p && s.unwatched.viewers == 0 {
		p.session.End(ErrUnwatched)
	}
}

// countViewers takes down that n viewers have come. s.mu must be held.
func (s *Stream) countViewers(ses *Session, n int) {
	if ses.Action == ActionPlay {
		s.unwatched.viewers += n
	}
	s.watch()
}
