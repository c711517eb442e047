package outbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// concurrency is how many attempts at one target are under way at a time.
	concurrency = 16
	// attemptLimit ends an attempt whose Sender has no time-out of its own.
	attemptLimit = time.Minute
	// The time until another attempt doubles from the first to the longest, less up to half of it by chance, so that
	// streams that failed together do not come together again.
	firstPause   = time.Second
	longestPause = 5 * time.Minute
	// longestRetryAfter is what a target may ask for.
	longestRetryAfter = time.Hour
	// kickEvery is how often an answer of a target that had failed may end the waiting of all its streams.
	kickEvery = 10 * time.Second
)

// pause returns how long to wait after so many failures.
func pause(failures int) time.Duration {
	d := longestPause
	if n := failures - 1; n < 10 {
		d = min(d, firstPause<<n)
	}
	return d/2 + rand.N(d/2) //nolint:gosec // chance, no secret
}

// A verdict is what becomes of a delivery after an attempt.
type verdict uint8

const (
	verdictDelivered verdict = iota
	verdictRefused
	verdictRetry
)

func judge(r Result) verdict {
	switch {
	case r.Err != nil:
		return verdictRetry
	case r.Status == 0 || r.Status/100 == 2:
		return verdictDelivered
	case slices.Contains(refusals, r.Status):
		return verdictRefused
	}
	return verdictRetry
}

// refusals are the statuses that say that this delivery will never be taken. Others of 4xx come from a wrong
// configuration, which somebody may repair.
var refusals = []int{400, 410, 413, 415, 422}

// Outcome says what becomes of a delivery after an attempt with this result, unless its time is over: OutcomeDelivered,
// OutcomeRefused or OutcomeRetry.
func (r Result) Outcome() string {
	return [...]string{verdictDelivered: OutcomeDelivered, verdictRefused: OutcomeRefused, verdictRetry: OutcomeRetry}[judge(r)]
}

// makeReady lets the first entry of a queue be tried. o.mu must be held.
func (o *Outbox) makeReady(queues ...*queue) {
	for _, q := range queues {
		q.stop()
		q.state = stateReady
		t := q.target()
		t.ready = append(t.ready, q)
	}
	if len(queues) > 0 {
		o.dispatch(queues[0].target()) // a lane has one target
	}
}

// dispatch starts attempts at a target, as many as there may be. o.mu must be held.
func (o *Outbox) dispatch(t *target) {
	if t.working {
		return // what is buried below makes others ready, which the loop comes to
	}
	t.working = true
	defer func() { t.working = false }()
	for t.sender != nil && t.busy < concurrency && len(t.ready) > 0 && o.ctx.Err() == nil {
		q := t.ready[0]
		t.ready = t.ready[1:]
		if q.state != stateReady || q.entries.Len() == 0 {
			continue // was emptied meanwhile
		}
		e := q.head()
		if !time.Now().Before(e.Expires) {
			q.state = stateIdle
			o.bury(e, "expired")
			continue
		}
		q.state = stateBusy
		t.busy++
		o.busy++
		sender := t.sender
		o.attempts.Go(func() { o.attempt(t, q, e, sender) })
	}
	if len(t.ready) == 0 {
		t.ready = nil
	}
}

// attempt makes one attempt and sees to what follows.
func (o *Outbox) attempt(t *target, q *queue, e *entry, sender Sender) {
	ctx, cancel := context.WithTimeout(o.ctx, attemptLimit)
	defer cancel()
	begun := time.Now()
	result := sender.Send(ctx, &e.Delivery)
	took := time.Since(begun)

	o.mu.Lock()
	defer o.mu.Unlock()
	t.busy--
	o.busy--
	defer o.checkIdle()
	defer o.dispatch(t)
	switch {
	case e.queue == nil: // was discarded meanwhile
		if q.entries.Len() > 0 {
			o.makeReady(q)
		}
	case o.ctx.Err() != nil && judge(result) != verdictDelivered:
		q.state = stateIdle // Close has cut it off, which says nothing of the target
	default:
		q.state = stateIdle
		e.attempts++
		e.last = newAttempt(e, begun, took, result)
		o.conclude(t, q, e, result)
		o.history.add(*e.last)
	}
}

func newAttempt(e *entry, begun time.Time, took time.Duration, result Result) *Attempt {
	a := &Attempt{
		Time: begun, ID: e.ID, Target: e.Target, Stream: e.Stream, Event: e.Event, Number: e.attempts,
		Status: result.Status, Note: result.Note, Latency: float64(took.Microseconds()) / 1000,
	}
	if result.Err != nil {
		a.Error = result.Err.Error()
	}
	return a
}

// conclude does what an attempt's result asks for. o.mu must be held.
func (o *Outbox) conclude(t *target, q *queue, e *entry, result Result) {
	t.silent++
	if result.Err == nil {
		t.silent = 0
	}
	switch judge(result) {
	case verdictDelivered:
		e.last.Outcome = OutcomeDelivered
		t.delivered++
		o.remove(e)
		o.answered(t)
	case verdictRefused:
		e.last.Outcome = OutcomeRefused
		t.failed++
		o.bury(e, fmt.Sprintf("refused with status %d", result.Status))
		o.answered(t)
	case verdictRetry:
		o.retry(t, q, e, result)
	}
}

// answered notes that a target is there. If it was not before, all that waits for it is tried now. o.mu must be held.
func (o *Outbox) answered(t *target) {
	failing := t.failing
	t.failing = 0
	if failing == 0 {
		return
	}
	o.logger().Info("webhooks are delivered again", "target", t.name)
	if time.Since(t.lastKick) < kickEvery {
		return // one delivery that always fails, among others that do not
	}
	t.lastKick = time.Now()
	for _, l := range t.lanes {
		for _, q := range l.stages[0].queues {
			if q.state == stateWaiting {
				o.makeReady(q)
			}
		}
	}
}

// retry lets a delivery wait for another attempt. o.mu must be held.
func (o *Outbox) retry(t *target, q *queue, e *entry, result Result) {
	t.failed++
	t.failing++
	t.lastError = e.last.problem()
	q.failures++
	q.failedAt = time.Now()
	wait := max(pause(q.failures), min(result.RetryAfter, longestRetryAfter))
	e.last.Outcome = OutcomeRetry
	e.last.Next = q.failedAt.Add(wait)
	if t.failing == 1 {
		o.logger().Warn("a webhook was not delivered; it will be tried again", "target", t.name, "event", e.Event,
			"stream", e.Stream, "id", e.ID, "error", t.lastError, "next", e.last.Next)
	}
	if o.givesUp(e) {
		e.last.Outcome, e.last.Next = OutcomeExpired, time.Time{}
		o.bury(e, "expired: "+t.lastError)
		return
	}
	q.state = stateWaiting
	q.next = e.last.Next
	q.stop()
	q.timer = time.AfterFunc(wait, func() { o.wake(q) })
	q.stage.lane.tell()
}

// givesUp tells whether there is no further attempt for an entry.
func (o *Outbox) givesUp(e *entry) bool {
	return !e.last.Next.Before(e.Expires) || o.store == nil && e.attempts >= bestEffortAttempts
}

// wake ends a queue's wait, unless something else has.
func (o *Outbox) wake(q *queue) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if q.state == stateWaiting {
		o.makeReady(q)
	}
}
