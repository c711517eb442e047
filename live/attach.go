package live

import (
	"io"
	"time"
)

func (h *Hub) checkConflict(k Key, rule ConflictRule) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.streams[k]; s != nil {
		return s.checkConflict(rule)
	}
	return nil
}

// checkConflict returns ErrBusy if a newcomer may not publish.
func (s *Stream) checkConflict(rule ConflictRule) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.publisher
	if p == nil || rule == ConflictReplace || rule == ConflictAuto && p.silence() >= SilentAfter {
		return nil
	}
	return Refuse(ErrBusy, "%s already has a publisher", s.key)
}

// claim makes ses the publisher of its stream and returns the publisher that it replaces.
func (h *Hub) claim(ses *Session) (p, old *Publisher, err error) {
	h.mu.Lock()
	s, err := h.streamFor(ses)
	if err != nil {
		h.mu.Unlock()
		return nil, nil, err
	}
	// Checked again, since the guard took its time.
	if err := s.checkConflict(s.rules.Load().OnConflict); err != nil {
		h.mu.Unlock()
		return nil, nil, err
	}
	p = newPublisher(s, ses)
	h.bind(ses, s)
	old = s.take(p)
	h.mu.Unlock()
	return p, old, nil
}

// take puts p on air in place of the publisher that it returns. What was said of the old one's tracks no longer holds.
func (s *Stream) take(p *Publisher) (old *Publisher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, s.publisher = s.publisher, p
	s.newestID = p.session.ID
	s.setup, s.meters = nil, nil
	s.time.seam(s.rules.Load().TimeJitter)
	s.stopGap()
	s.goOnAir()
	s.watch()
	return old
}

// attach makes ses a viewer of its stream.
func (h *Hub) attach(ses *Session) error {
	order := h.order(ses.Key)
	order.Lock()
	defer order.Unlock()
	h.mu.Lock()
	s, err := h.streamFor(ses)
	if err == nil {
		h.bind(ses, s)
	}
	h.mu.Unlock()
	if err == nil {
		h.tell(ses, EventPlay, nil)
	}
	return err
}

// bind attaches ses to s. h.mu must be held.
func (h *Hub) bind(ses *Session, s *Stream) {
	ses.stream = s
	ses.counters.parent = &s.counters
	s.app.begin(ses)
	s.mu.Lock()
	s.sessions[ses] = struct{}{}
	s.countViewers(ses, 1)
	s.mu.Unlock()
	h.sessions[ses.ID] = ses
}

// streamFor returns the stream that ses asks for, a new one if there is none. h.mu must be held.
func (h *Hub) streamFor(ses *Session) (*Stream, error) {
	if h.closed {
		return nil, Refuse(ErrClosing, "the server is shutting down")
	}
	// Checked again, since the guard took its time and may have named another stream.
	if err := h.checkBans(&ses.Request); err != nil {
		return nil, err
	}
	h.init()
	s := h.streams[ses.Key]
	if s == nil {
		rules, err := h.Policy().rules(ses.Key)
		if err != nil {
			return nil, err
		}
		s = newStream(h, ses.Key, h.app(ses.Key), rules)
		h.streams[ses.Key] = s
	}
	return s, nil
}

func (h *Hub) init() {
	if h.streams == nil {
		h.streams = make(map[Key]*Stream)
		h.sessions = make(map[string]*Session)
		h.vhosts = make(map[string]*vhost)
		h.apps = make(map[appKey]*app)
	}
}

func (h *Hub) vhost(name string) *vhost {
	v := h.vhosts[name]
	if v == nil {
		v = &vhost{id: "vid-" + newID(7)}
		v.counters.parent = &h.counters
		h.vhosts[name] = v
	}
	return v
}

// detach takes a session that has ended out of its stream, tells the observer, and takes it out of the list, so that
// Close does not return before all was told. It does so once. The key's order must be held.
func (h *Hub) detach(ses *Session, reason error) {
	s := ses.stream
	h.mu.Lock()
	was, over := s.drop(ses)
	if over {
		h.forget(s)
	}
	h.mu.Unlock()
	if !was {
		return
	}
	if over {
		s.finish(reason)
	}
	event := EventStop
	if ses.Action == ActionPublish {
		event = EventUnpublish
	}
	h.faults.note(ses, reason)
	h.tell(ses, event, reason)
	h.mu.Lock()
	delete(h.sessions, ses.ID)
	h.checkEmpty()
	h.mu.Unlock()
}

// drop removes a session. It tells whether it was attached, and whether the stream is over without it.
func (s *Stream) drop(ses *Session) (was, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, was = s.sessions[ses]; !was {
		return false, false
	}
	s.setAway(ses, false)
	delete(s.sessions, ses)
	defer s.countViewers(ses, -1)
	if p := s.publisher; p != nil && p.session == ses {
		s.publisher = nil
		return true, !s.startGap()
	}
	return true, len(s.sessions) == 0 && s.publisher == nil && s.gap == nil
}

// forget takes a stream out of the map, so that its name is free for a new one. h.mu must be held.
func (h *Hub) forget(s *Stream) {
	if h.streams[s.key] == s {
		delete(h.streams, s.key)
	}
}

// startGap keeps a stream without publisher for its reconnect window, if it has one. s.mu must be held.
func (s *Stream) startGap() bool {
	window := s.rules.Load().ReconnectWindow
	if window <= 0 || s.end != nil {
		return false
	}
	s.onAir = make(chan struct{})
	s.gap = time.AfterFunc(window, func() { s.hub.endGap(s) })
	return true
}

// stopGap ends the wait for a publisher. s.mu must be held.
func (s *Stream) stopGap() {
	if s.gap != nil {
		s.gap.Stop()
		s.gap = nil
	}
}

// endGap ends a stream whose publisher has not come back.
func (h *Hub) endGap(s *Stream) {
	h.mu.Lock()
	s.mu.Lock()
	back := s.publisher != nil || s.gap == nil
	s.mu.Unlock()
	if !back {
		h.forget(s)
	}
	h.mu.Unlock()
	if !back {
		s.finish(io.EOF)
	}
}
