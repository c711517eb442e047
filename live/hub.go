package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Hub knows who is on air. All streams and sessions of a process meet in one Hub, which outlives configurations: what
// a configuration says is a [Policy], and policies come and go. The zero Hub is ready for use and admits everybody.
type Hub struct {
	policy atomic.Pointer[Policy] // the newest active one

	mu       sync.Mutex
	active   []*Policy // in the order of their activation
	streams  map[Key]*Stream
	sessions map[string]*Session
	vhosts   map[string]*vhost
	counters Counters
	closed   bool
	empty    chan struct{} // closed when a closed hub has lost its last session
}

// A vhost keeps what its streams have counted after they are gone.
type vhost struct {
	id       string
	counters Counters
}

// noPolicy is in force where none was activated.
var noPolicy Policy

// Policy returns the policy in force: the last activated one that was not deactivated.
func (h *Hub) Policy() *Policy {
	if p := h.policy.Load(); p != nil {
		return p
	}
	return &noPolicy
}

// Activate puts p in force, for new sessions and for the rules of streams that are on air. Streams whose app p does not
// know end. An older policy stays in the list, so that deactivating p restores it.
func (h *Hub) Activate(p *Policy) {
	h.mu.Lock()
	h.active = append(h.active, p)
	h.policy.Store(p)
	h.mu.Unlock()
	h.reconcile()
}

// Deactivate takes p out of the list. If it was in force, the one before it is again. Unlike Activate it ends no stream
// when no policy is left: that is the business of Close.
func (h *Hub) Deactivate(p *Policy) {
	h.mu.Lock()
	h.active = slices.DeleteFunc(h.active, func(q *Policy) bool { return q == p })
	var last *Policy
	if n := len(h.active); n > 0 {
		last = h.active[n-1]
	}
	changed := h.policy.Swap(last) != last
	h.mu.Unlock()
	if changed && last != nil {
		h.reconcile()
	}
}

// reconcile gives all streams the rules of the policy in force.
func (h *Hub) reconcile() {
	p := h.Policy()
	for _, s := range h.streamList() {
		rules, err := p.rules(s.key)
		if err != nil {
			h.endStream(s, ErrRemoved)
			continue
		}
		s.setRules(rules)
	}
}

// Publish asks the guard and puts the session on air. The error is a Refusal unless ctx is done. The session ends with
// ctx; the caller must Close the publisher.
func (h *Hub) Publish(ctx context.Context, req Request) (*Publisher, error) {
	req.Action = ActionPublish
	ses, err := h.open(ctx, req, func(s *Session, rules Rules) error {
		if rules.OnConflict == ConflictReplace {
			return nil
		}
		return h.checkConflict(s.Key, rules.OnConflict)
	})
	if err != nil {
		return nil, err
	}
	p, old, err := h.claim(ses)
	if err != nil {
		ses.cancel(err)
		return nil, h.refuse(ses, err)
	}
	if old != nil {
		old.session.Close(ErrReplaced)
	}
	h.tell(ses, EventPublish, nil)
	return p, nil
}

// Play asks the guard, attaches the session to its stream and waits for a publisher for at most wait. The error is a
// Refusal unless ctx is done. The session ends with ctx; the caller must Close it.
func (h *Hub) Play(ctx context.Context, req Request, wait time.Duration) (*Session, error) {
	ses, err := h.Admit(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := ses.stream.await(ses.ctx, wait); err != nil {
		ses.Close(err)
		return nil, err
	}
	return ses, nil
}

// Admit asks the guard and attaches the session to its stream, whether that is on air or not. It is the door for those
// who are viewers without a connection. The caller must Close the session.
func (h *Hub) Admit(ctx context.Context, req Request) (*Session, error) {
	req.Action = ActionPlay
	ses, err := h.open(ctx, req, func(*Session, Rules) error { return nil })
	if err != nil {
		return nil, err
	}
	if err := h.attach(ses); err != nil {
		ses.cancel(err)
		return nil, h.refuse(ses, err)
	}
	return ses, nil
}

// open makes a session for req if name, app, the given check and the guard have nothing against it.
func (h *Hub) open(ctx context.Context, req Request, check func(*Session, Rules) error) (*Session, error) {
	req.Key = req.Key.normal()
	ses := newSession(ctx, h, req)
	err := func() error {
		if err := req.Key.Validate(); err != nil {
			ses.Key = req.Key.printable()
			return err
		}
		p := h.Policy()
		rules, err := p.rules(req.Key)
		if err != nil {
			return err
		}
		if err := check(ses, rules); err != nil {
			return err
		}
		return p.admit(ctx, &ses.Request)
	}()
	if err != nil {
		ses.cancel(err)
		return nil, h.refuse(ses, err)
	}
	return ses, nil
}

// refuse tells the observer and returns err as a refusal.
func (h *Hub) refuse(ses *Session, err error) error {
	if _, ok := errors.AsType[*Refusal](err); !ok {
		err = fmt.Errorf("%w: %w", Refuse(ErrGuard, "the server could not decide about this request"), err)
	}
	h.Policy().observe(Event{Type: EventRefuse, Time: time.Now(), Session: ses.Info(), Err: err})
	return err
}

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
	s.mu.Lock()
	old = s.publisher
	s.publisher = p
	s.time.seam()
	s.stopGap()
	s.sessions[ses] = struct{}{}
	s.goOnAir()
	s.mu.Unlock()
	h.sessions[ses.id] = ses
	h.mu.Unlock()
	return p, old, nil
}

// attach makes ses a viewer of its stream.
func (h *Hub) attach(ses *Session) error {
	h.mu.Lock()
	s, err := h.streamFor(ses)
	if err != nil {
		h.mu.Unlock()
		return err
	}
	s.mu.Lock()
	s.sessions[ses] = struct{}{}
	s.mu.Unlock()
	h.sessions[ses.id] = ses
	h.mu.Unlock()
	h.tell(ses, EventPlay, nil)
	return nil
}

// streamFor returns the stream of ses, a new one if there is none, and binds ses to it. h.mu must be held.
func (h *Hub) streamFor(ses *Session) (*Stream, error) {
	if h.closed {
		return nil, Refuse(ErrClosing, "the server is shutting down")
	}
	h.init()
	s := h.streams[ses.Key]
	if s == nil {
		rules, err := h.Policy().rules(ses.Key)
		if err != nil {
			return nil, err
		}
		s = newStream(h, ses.Key, &h.vhost(ses.Key.Vhost).counters, rules)
		h.streams[ses.Key] = s
	}
	ses.stream = s
	ses.counters.parent = &s.counters
	return s, nil
}

func (h *Hub) init() {
	if h.streams == nil {
		h.streams = make(map[Key]*Stream)
		h.sessions = make(map[string]*Session)
		h.vhosts = make(map[string]*vhost)
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

// detach takes a session that has ended out of its stream and the list, and then tells the observer.
func (h *Hub) detach(ses *Session, reason error) {
	s := ses.stream
	h.mu.Lock()
	s.mu.Lock()
	delete(s.sessions, ses)
	over := false
	if p := s.publisher; p != nil && p.session == ses {
		s.publisher = nil
		over = !s.startGap()
	}
	idle := len(s.sessions) == 0 && s.publisher == nil && s.gap == nil
	s.mu.Unlock()
	if over || idle {
		h.forget(s)
	}
	delete(h.sessions, ses.id)
	h.checkEmpty()
	h.mu.Unlock()
	if over || idle {
		s.finish(reasonOfEnd(reason))
	}
	event := EventStop
	if ses.Action == ActionPublish {
		event = EventUnpublish
	}
	h.tell(ses, event, reason)
}

// reasonOfEnd is what a stream ends with when its last publisher left for a reason.
func reasonOfEnd(reason error) error {
	if reason == nil {
		return io.EOF
	}
	return reason
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
	if window <= 0 {
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

// endStream ends a stream and all its sessions.
func (h *Hub) endStream(s *Stream, reason error) {
	h.mu.Lock()
	h.forget(s)
	h.mu.Unlock()
	s.finish(reason)
	for _, ses := range s.sessionList() {
		ses.End(reason)
	}
}

// tell gives the observer an event, in order for each stream.
func (h *Hub) tell(ses *Session, t EventType, err error) {
	ses.stream.events.Lock()
	defer ses.stream.events.Unlock()
	h.Policy().observe(Event{Type: t, Time: time.Now(), Session: ses.Info(), Err: err})
}

// Stream returns the stream of a name that has a publisher, or is waiting for it to come back.
func (h *Hub) Stream(k Key) (*Stream, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.streams[k.normal()]
	if s == nil {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s, s.publisher != nil || s.gap != nil
}

// Kick ends the session of the given id, and tells whether there was one. It returns at once.
func (h *Hub) Kick(id string) bool {
	h.mu.Lock()
	ses := h.sessions[id]
	h.mu.Unlock()
	if ses == nil {
		return false
	}
	ses.End(ErrKicked)
	return true
}

// Close ends all streams and sessions and refuses new ones. It waits until the last session is closed or ctx is done.
func (h *Hub) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	if h.empty == nil {
		h.empty = make(chan struct{})
		h.checkEmpty()
	}
	empty := h.empty
	h.mu.Unlock()
	for _, s := range h.streamList() {
		h.endStream(s, ErrClosing)
	}
	for _, ses := range h.sessionList() {
		ses.End(ErrClosing)
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for sessions to end: %w", context.Cause(ctx))
	}
}

// checkEmpty closes h.empty with the last session. h.mu must be held.
func (h *Hub) checkEmpty() {
	if h.empty == nil || len(h.sessions) > 0 {
		return
	}
	select {
	case <-h.empty:
	default:
		close(h.empty)
	}
}

// Rules returns the rules in force for a stream, whether it is on air or not. The error says that its app does not exist.
func (h *Hub) Rules(k Key) (Rules, error) { return h.Policy().rules(k.normal()) }
