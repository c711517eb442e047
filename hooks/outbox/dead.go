package outbox

import (
	"log/slog"
	"slices"
	"time"
)

// The bounds of the dead letters. Beyond, the oldest are dropped.
const (
	maxDead      = 1000
	maxDeadBytes = 8 << 20
)

// sweepEvery is how often deliveries are looked for that expire while others stand before them, or while their target is
// not configured.
const sweepEvery = time.Minute

// A deadLetter is a delivery that was given up.
type deadLetter struct {
	Delivery
	Reason   string    `json:"reason"`
	Died     time.Time `json:"died"`
	Attempts int       `json:"attempts"`
	Last     *Attempt  `json:"last,omitempty"`

	seq uint64
}

// deadLetters are in the order in which they died, as far as their numbers tell.
type deadLetters struct {
	list  []*deadLetter
	bytes int
}

func (l *deadLetters) add(d *deadLetter) {
	l.list = append(l.list, d)
	l.bytes += len(d.Body) + overhead
}

func (l *deadLetters) find(id string) *deadLetter {
	if i := slices.IndexFunc(l.list, func(d *deadLetter) bool { return d.ID == id }); i >= 0 {
		return l.list[i]
	}
	return nil
}

func (l *deadLetters) remove(d *deadLetter) change {
	if i := slices.Index(l.list, d); i >= 0 {
		l.list = slices.Delete(l.list, i, i+1)
		l.bytes -= len(d.Body) + overhead
	}
	return change{cell: seqCell(bucketDead, d.seq)}
}

// bury makes a dead letter of an entry. o.mu must be held.
func (o *Outbox) bury(e *entry, reason string) {
	t := e.queue.target()
	t.dead++
	o.seq++
	d := &deadLetter{Delivery: e.Delivery, Reason: reason, Died: time.Now(), Attempts: e.attempts, Last: e.last, seq: o.seq}
	o.warnings.log(o.logger(), slog.LevelWarn, "a webhook was given up; it can be replayed",
		"target", e.Target, "event", e.Event, "stream", e.Stream, "id", e.ID, "reason", reason)
	if o.store == nil {
		// Nobody wants it replayed after half a minute; what is to be seen of it is in the history.
		o.forget(e)
		return
	}
	changes := []change{{cell: seqCell(bucketDead, d.seq), value: encode(d), fresh: true}}
	if old := o.dead.find(d.ID); old != nil {
		changes = append(changes, o.dead.remove(old))
	}
	o.dead.add(d)
	for len(o.dead.list) > maxDead || o.dead.bytes > maxDeadBytes && len(o.dead.list) > 1 {
		o.totals.DroppedDead++
		changes = append(changes, o.dead.remove(o.dead.list[0]))
		o.warnings.log(o.logger(), slog.LevelWarn, "there are too many dead webhooks: the oldest are dropped", "dead", len(o.dead.list))
	}
	o.store.put(append(changes, o.forget(e))...)
}

// sweep buries what has expired.
func (o *Outbox) sweep() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing {
		return
	}
	now := time.Now()
	for _, e := range o.pending {
		busy := e.queue.state == stateBusy && e.queue.head() == e
		if !busy && !now.Before(e.Expires) {
			o.bury(e, "expired")
		}
	}
	o.sweeper = nil
	if len(o.pending) > 0 {
		o.sweeper = time.AfterFunc(sweepEvery, o.sweep)
	}
}

// Replay makes a dead letter pending again, with its id and a new life, at the end of its stream's order. If the stream
// waits for another attempt at what stands first in it, that is made now; the same for a delivery that is pending. The
// error is ErrUnknown if there is no such delivery, or that of Put.
func (o *Outbox) Replay(id string) error {
	o.mu.Lock()
	w, err := o.replay(id)
	if e := o.pending[id]; e != nil {
		o.makeReady(e.queue.stage.lane.blocked("")...)
	}
	o.mu.Unlock()
	return o.await(w, err)
}

// replay makes a dead letter pending. o.mu must be held.
func (o *Outbox) replay(id string) (*writing, error) {
	if o.pending[id] != nil {
		return nil, nil
	}
	d := o.dead.find(id)
	switch {
	case d == nil:
		return nil, ErrUnknown
	case o.closing:
		return nil, ErrClosed
	}
	again := d.Delivery
	again.Expires = time.Now().Add(d.Expires.Sub(d.Created))
	return o.put([]change{o.dead.remove(d)}, []Delivery{again})
}

// Discard forgets a delivery, dead or pending, also one that holds up a stream. An attempt under way goes on. The error is
// ErrUnknown if there is no such delivery.
func (o *Outbox) Discard(id string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e := o.pending[id]; e != nil {
		o.totals.Discarded++
		o.remove(e)
		return nil
	}
	d := o.dead.find(id)
	if d == nil {
		return ErrUnknown
	}
	o.totals.Discarded++
	o.store.put(o.dead.remove(d)) // in memory there are none
	return nil
}
