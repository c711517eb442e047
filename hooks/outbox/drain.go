package outbox

import (
	"context"
	"fmt"
	"time"
)

const (
	// drainRetry is how long after a failure a Drain has a delivery tried again, whose own pause may be minutes.
	drainRetry = 250 * time.Millisecond
	// downAfter is how many attempts at a target without an answer, one after the other, say that it is down. A Drain does
	// not wait then; whether the target is up again it has tried at most every downRetry.
	downAfter = 3
	downRetry = time.Second
)

// Drain waits until what is pending for a stream at a target was delivered, so that a question to that target does not
// come before old news. With a client, a viewer's session, it waits only for that client and for what is the stream's
// own. It does not wait for what is put meanwhile. What has failed is tried again meanwhile, without its pause. If ctx is
// done before, Drain returns its error; if the target is not configured, or does not answer at all, ErrFailing.
func (o *Outbox) Drain(ctx context.Context, target, stream, client string) error {
	var limit uint64
	begun := time.Now()
	for first := true; ; first = false {
		o.mu.Lock()
		if first {
			limit = o.seq
		}
		changed, err := o.drained(target, stream, client, limit, begun)
		o.mu.Unlock()
		if changed == nil || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for older webhooks of %s: %w", stream, context.Cause(ctx))
		}
	}
}

// drained returns nil if nothing up to limit is pending, else a channel that is closed when something has changed. It
// sees to it that what failed some time ago is tried once more. o.mu must be held.
func (o *Outbox) drained(target, stream, client string, limit uint64, begun time.Time) (<-chan struct{}, error) {
	t := o.targets[target]
	if t == nil {
		return nil, nil
	}
	l := t.lanes[stream]
	if l == nil || !l.holds(client, limit) {
		return nil, nil
	}
	if t.sender == nil {
		return nil, fmt.Errorf("%w: it is not configured", ErrFailing)
	}
	if o.ctx.Err() != nil {
		return nil, ErrClosed
	}
	for _, q := range l.blocked(client) {
		if t.silent >= downAfter && (!q.failedAt.Before(begun) || begun.Sub(q.failedAt) < downRetry) {
			return nil, fmt.Errorf("%w: %s", ErrFailing, t.lastError)
		}
		o.hasten(q)
	}
	// What was made ready may have expired in the same moment.
	if !l.holds(client, limit) {
		return nil, nil
	}
	return l.wait(), nil
}

// hasten has a queue tried again soon after its failure. o.mu must be held.
func (o *Outbox) hasten(q *queue) {
	wait := drainRetry - time.Since(q.failedAt)
	if wait <= 0 {
		o.makeReady(q)
		return
	}
	if next := time.Now().Add(wait); next.Before(q.next) {
		q.next = next
		q.timer.Reset(wait)
	}
}
