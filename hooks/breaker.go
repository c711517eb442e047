package hooks

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrOpen is the error of a call that was not made, or broken off, because its target has not answered others.
var ErrOpen = errors.New("the back end did not answer before, and is not called for a moment")

// How long a breaker stays open, at first and at most.
const (
	minPause = 5 * time.Second
	maxPause = 30 * time.Second
)

// A breaker lets a target that does not answer cost its time-out once, not once for each client. It opens when a call
// has waited in vain and nothing was heard from the target all the while; calls in flight then end, and others are not
// made. After a pause one call is let through to see. A target that fails quickly costs nothing and opens nothing.
//
// The zero breaker is closed.
type breaker struct {
	mu      sync.Mutex
	heard   time.Time     // when it answered last
	open    bool          //
	until   time.Time     // the end of the pause
	pause   time.Duration // the length of the last one
	probing bool          // the one call is under way
	flight  context.Context
	cut     context.CancelFunc
}

// A pass lets one call be made.
type pass struct {
	breaker *breaker
	began   time.Time
	probe   bool
	release context.CancelFunc
}

// enter returns a context for one call, which ends when the breaker opens, and the pass to be given back when it is over.
func (b *breaker) enter(ctx context.Context) (context.Context, *pass, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if b.open && (b.probing || now.Before(b.until)) {
		return nil, nil, ErrOpen
	}
	p := &pass{breaker: b, began: now, probe: b.open}
	ctx, cancel := context.WithCancelCause(ctx)
	p.release = func() { cancel(nil) }
	if p.probe {
		b.probing = true
		return ctx, p, nil
	}
	if b.flight == nil {
		b.flight, b.cut = context.WithCancel(context.Background())
	}
	stop := context.AfterFunc(b.flight, func() { cancel(ErrOpen) })
	p.release = func() {
		stop()
		cancel(nil)
	}
	return ctx, p, nil
}

// done gives the pass back. answered tells whether the target has, vain that it has not though it was given its time; if
// neither, the call says nothing of the target.
func (p *pass) done(answered, vain bool) {
	defer p.release()
	b := p.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.probe {
		b.probing = false
	}
	switch {
	case answered:
		b.heard = time.Now()
		b.open, b.pause = false, 0
	case p.probe && vain, vain && !b.open && b.heard.Before(p.began):
		b.trip()
	}
}

// trip opens the breaker, longer each time, and ends the calls in flight. b.mu must be held.
func (b *breaker) trip() {
	b.pause = min(max(2*b.pause, minPause), maxPause)
	b.open, b.until = true, time.Now().Add(b.pause)
	if b.cut != nil {
		b.cut()
		b.flight, b.cut = nil, nil
	}
}
