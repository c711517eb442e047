package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Hub knows who is on air. All streams and sessions of a process meet in one Hub, which outlives configurations: what
// a configuration says is a [Policy], and policies come and go. The zero Hub is ready for use and admits everybody.
type Hub struct {
	policy atomic.Pointer[Policy] // the newest active one
	reload sync.Mutex             // held while the policy changes, so that no stream keeps the rules of an older one
	orders [64]sync.Mutex         // by key, see order

	mu       sync.Mutex
	active   []*Policy // in the order of their activation
	streams  map[Key]*Stream
	sessions map[string]*Session
	vhosts   map[string]*vhost
	apps     map[appKey]*app
	bans     map[banScope]Ban // those that are over may be among them
	counters Counters
	tally    tally
	closed   bool
	empty    chan struct{} // closed when a closed hub has lost its last session

	faults faults
}

// A vhost keeps what its streams have counted after they are gone.
type vhost struct {
	id       string
	counters Counters
}

// noPolicy is in force where none was activated.
var noPolicy Policy

// lapsed is in force after the last policy was deactivated: what nobody answers for is refused.
var lapsed = Policy{Rules: func(Key) (Rules, error) {
	return Rules{}, Refuse(ErrApp, "no configuration is in force")
}}

var orderSeed = maphash.MakeSeed()

// order returns the lock under which sessions of a name begin and end, so that the observer is told of it in the order
// in which it happens, whichever Stream bears the name. It is taken before any other lock.
func (h *Hub) order(k Key) *sync.Mutex {
	return &h.orders[maphash.Comparable(orderSeed, k)%uint64(len(h.orders))]
}

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
	h.reload.Lock()
	defer h.reload.Unlock()
	h.mu.Lock()
	h.active = append(h.active, p)
	h.policy.Store(p)
	h.mu.Unlock()
	h.reconcile()
}

// Deactivate takes p out of the list. If it was in force, the one before it is again. When no policy is left, new
// sessions are refused, but streams go on and their ends are told to nobody: who wants them told calls Close before.
func (h *Hub) Deactivate(p *Policy) {
	h.reload.Lock()
	defer h.reload.Unlock()
	h.mu.Lock()
	h.active = slices.DeleteFunc(h.active, func(q *Policy) bool { return q == p })
	last := &lapsed
	if n := len(h.active); n > 0 {
		last = h.active[n-1]
	}
	changed := h.policy.CompareAndSwap(p, last)
	h.mu.Unlock()
	if changed && last != &lapsed {
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
		// A publisher that is gone but of whose end nobody was told yet would be no conflict, and the guard would be asked
		// about this one before it knows.
		order := h.order(s.Key)
		order.Lock()
		defer order.Unlock()
		if rules.OnConflict == ConflictReplace {
			return nil
		}
		return h.checkConflict(s.Key, rules.OnConflict)
	})
	if err != nil {
		return nil, err
	}
	order := h.order(ses.Key)
	order.Lock()
	defer order.Unlock()
	p, old, err := h.claim(ses)
	if err != nil {
		ses.cancel(err)
		return nil, h.refuse(ses, err)
	}
	if old != nil {
		h.detach(old.session, old.session.endWith(ErrReplaced))
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
	p := h.Policy() // one for all: the vhost must be the one whose rules and guard are asked
	req.Key = p.resolve(req.Key)
	ses := newSession(ctx, h, req)
	err := func() error {
		if err := req.Key.Validate(); err != nil {
			ses.Key = req.Key.printable()
			return err
		}
		rules, err := p.rules(req.Key)
		if err != nil {
			return err
		}
		if err := h.CheckBans(&ses.Request); err != nil {
			return err
		}
		if err := check(ses, rules); err != nil {
			return err
		}
		grant, err := p.admit(ctx, &ses.Request)
		if err != nil {
			return err
		}
		return ses.accept(grant)
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
	if _, onAir := h.Stream(ses.Key); onAir { // else strangers could fill the list
		h.faults.note(ses, err)
	}
	h.observe(&Event{Type: EventRefuse, Time: time.Now(), Session: ses.Info(), Err: err})
	return err
}

// endStream ends a stream and all its sessions.
func (h *Hub) endStream(s *Stream, reason error) {
	h.mu.Lock()
	h.forget(s)
	h.mu.Unlock()
	// Viewers go first, or one might see that the stream has ended and take that for the reason.
	sessions := s.sessionList()
	slices.SortFunc(sessions, func(a, b *Session) int { return cmp.Compare(a.Action, b.Action) })
	for _, ses := range sessions {
		ses.End(reason)
	}
	s.finish(reason)
}

// tell gives the observer an event. The key's order must be held.
func (h *Hub) tell(ses *Session, t EventType, err error) {
	e := Event{Type: t, Time: time.Now(), Session: ses.Info(), Clients: ses.stream.clients(), Err: err}
	if t == EventUnpublish || t == EventStop {
		e.Clients++ // it is off the list already
	}
	h.observe(&e)
}

// clients returns how many sessions the stream has that are not away.
func (s *Stream) clients() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.present()
}

// Disconnect tells the observer that the connection ended on which req was made, the last of its requests, with its key
// resolved, and what passed over it in all. Its sessions must be closed.
func (h *Hub) Disconnect(req Request, totals Totals) {
	ses := Session{Request: req}
	ses.Key = ses.Key.normal()
	if ses.Key.Validate() != nil {
		ses.Key = ses.Key.printable()
	}
	info := ses.Info()
	info.Totals = totals
	order := h.order(ses.Key)
	order.Lock()
	defer order.Unlock()
	h.Policy().observe(Event{Type: EventClose, Time: time.Now(), Session: info})
}

// Stream returns the stream of a resolved key that has a publisher, or is waiting for it to come back.
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

// Review asks judge about every session, and ends those of which it says why they must not stay. judge must not call the
// Hub. Sessions that begin meanwhile may be left out.
func (h *Hub) Review(judge func(s *SessionInfo) error) {
	for _, ses := range h.sessionList() {
		info := ses.Info()
		if err := judge(&info); err != nil {
			ses.End(err)
		}
	}
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

// Rules returns the rules in force for the stream of a resolved key, whether it is on air or not. The error says that its
// vhost or app does not exist.
func (h *Hub) Rules(k Key) (Rules, error) { return h.Policy().rules(k.normal()) }
