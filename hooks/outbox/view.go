package outbox

import (
	"cmp"
	"container/list"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Outcomes of an attempt.
const (
	OutcomeDelivered = "delivered"
	OutcomeRefused   = "refused" // for good
	OutcomeRetry     = "retry"
	OutcomeExpired   = "expired" // there is no time for another
)

// An Attempt is what the log of deliveries tells of one attempt.
type Attempt struct {
	Time    time.Time `json:"time"`
	ID      string    `json:"id"`
	Target  string    `json:"target"`
	Stream  string    `json:"stream"`
	Event   string    `json:"event"`
	Number  int       `json:"number"` // 1 is the first since the process began
	Outcome string    `json:"outcome"`
	Status  int       `json:"status,omitempty"` // of the HTTP answer
	Error   string    `json:"error,omitempty"`
	Note    string    `json:"note,omitempty"`
	Latency float64   `json:"latency_ms"`    // in milliseconds
	Next    time.Time `json:"next,omitzero"` // when it is tried again
}

// problem says why the attempt has failed.
func (a *Attempt) problem() string {
	if a.Error != "" {
		return a.Error
	}
	return fmt.Sprintf("status %d", a.Status)
}

// The states of a delivery.
const (
	StatePending = "pending"
	StateDead    = "dead"
)

// An Info is what is known of a delivery that is pending or dead.
type Info struct {
	State string `json:"state"`
	Delivery
	Attempts int       `json:"attempts"`
	Next     time.Time `json:"next,omitzero"` // when a pending one is tried again, if it waits for that
	Last     *Attempt  `json:"last,omitempty"`
	Reason   string    `json:"reason,omitempty"` // why a dead one was given up
	Died     time.Time `json:"died,omitzero"`
}

// Totals count since the outbox was opened.
type Totals struct {
	Put         uint64 `json:"put"`
	Recovered   uint64 `json:"recovered_sessions"` // whose ends the process before had not told
	Dropped     uint64 `json:"dropped"`            // pending ones, as the outbox was full
	DroppedDead uint64 `json:"dropped_dead"`
	Discarded   uint64 `json:"discarded"`
}

// A TargetInfo is what is known of a target.
type TargetInfo struct {
	Target     string    `json:"target"`
	Configured bool      `json:"configured"`
	Failing    bool      `json:"failing"` // the last attempt had no answer, or one to try again
	LastError  string    `json:"last_error,omitempty"`
	Pending    int       `json:"pending"`
	Oldest     time.Time `json:"oldest,omitzero"` // when the oldest pending one was created
	Delivered  uint64    `json:"delivered"`
	Failed     uint64    `json:"failed_attempts"`
	Dead       uint64    `json:"dead"`
}

// Pending returns what is pending, oldest first.
func (o *Outbox) Pending() []Info {
	o.mu.Lock()
	defer o.mu.Unlock()
	entries := slices.SortedFunc(maps.Values(o.pending), func(a, b *entry) int { return cmp.Compare(a.seq, b.seq) })
	infos := make([]Info, len(entries))
	for i, e := range entries {
		infos[i] = e.info()
	}
	return infos
}

func (e *entry) info() Info {
	i := Info{State: StatePending, Delivery: e.Delivery, Attempts: e.attempts, Last: e.last}
	if q := e.queue; q.state == stateWaiting && q.head() == e {
		i.Next = q.next
	}
	return i
}

// Dead returns the dead letters, newest first.
func (o *Outbox) Dead() []Info {
	o.mu.Lock()
	defer o.mu.Unlock()
	infos := make([]Info, 0, len(o.dead.list))
	for _, d := range slices.Backward(o.dead.list) {
		infos = append(infos, d.info())
	}
	return infos
}

func (d *deadLetter) info() Info {
	return Info{State: StateDead, Delivery: d.Delivery, Attempts: d.Attempts, Last: d.Last, Reason: d.Reason, Died: d.Died}
}

// Delivery returns what is known of a delivery that is pending or dead.
func (o *Outbox) Delivery(id string) (Info, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e := o.pending[id]; e != nil {
		return e.info(), true
	}
	if d := o.dead.find(id); d != nil {
		return d.info(), true
	}
	return Info{}, false
}

// Attempts returns the last attempts, at most a thousand, newest first.
func (o *Outbox) Attempts() []Attempt {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.history.newest()
}

// Totals returns what was counted.
func (o *Outbox) Totals() Totals {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.totals
}

// Targets returns what is known of the targets, by name.
func (o *Outbox) Targets() []TargetInfo {
	o.mu.Lock()
	defer o.mu.Unlock()
	oldest := make(map[string]time.Time)
	for _, e := range o.pending {
		if at, ok := oldest[e.Target]; !ok || e.Created.Before(at) {
			oldest[e.Target] = e.Created
		}
	}
	infos := o.targetInfos()
	for i := range infos {
		infos[i].Oldest = oldest[infos[i].Target]
	}
	return infos
}

// targetInfos returns what is known of the targets but for the oldest of what is pending. o.mu must be held.
func (o *Outbox) targetInfos() []TargetInfo {
	infos := make([]TargetInfo, 0, len(o.targets))
	for _, name := range slices.Sorted(maps.Keys(o.targets)) {
		t := o.targets[name]
		infos = append(infos, TargetInfo{
			Target: name, Configured: t.sender != nil, Failing: t.failing > 0, LastError: t.lastError,
			Pending: t.pending, Delivered: t.delivered, Failed: t.failed, Dead: t.dead,
		})
	}
	return infos
}

// A Summary is what an outbox tells of itself at a cost that does not grow with what is pending.
type Summary struct {
	Totals  Totals
	Targets []TargetInfo // by name, without Oldest
	Oldest  time.Time    // when the oldest pending delivery was created; zero if none is pending
	Dead    int          // dead letters kept
}

// Summary returns what the outbox is like now.
func (o *Outbox) Summary() Summary {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := Summary{Totals: o.totals, Dead: len(o.dead.list), Targets: o.targetInfos()}
	for _, l := range []*list.List{&o.ends, &o.others} {
		if l.Len() == 0 {
			continue
		}
		e := l.Front().Value.(*entry) //nolint:errcheck // nothing else is in it
		if s.Oldest.IsZero() || e.Created.Before(s.Oldest) {
			s.Oldest = e.Created
		}
	}
	return s
}

// historySize is how many attempts are remembered.
const historySize = 1000

// A history is a ring of the last attempts.
type history struct {
	ring []Attempt
	next int
}

func (h *history) add(a Attempt) {
	if len(h.ring) < historySize {
		h.ring = append(h.ring, a)
		return
	}
	h.ring[h.next] = a
	h.next = (h.next + 1) % historySize
}

func (h *history) newest() []Attempt {
	all := append(slices.Clone(h.ring[h.next:]), h.ring[:h.next]...)
	slices.Reverse(all)
	return all
}

// warningEvery is how often one and the same warning is logged.
const warningEvery = time.Minute

// warnings log what could happen a thousand times a second.
type warnings struct {
	mu   sync.Mutex
	last map[string]time.Time
	kept map[string]int // back since then
}

func (w *warnings) log(l *slog.Logger, level slog.Level, what string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil {
		w.last, w.kept = make(map[string]time.Time), make(map[string]int)
	}
	if last, ok := w.last[what]; ok && time.Since(last) < warningEvery {
		w.kept[what]++
		return
	}
	if n := w.kept[what]; n > 0 {
		args = append(args, "since_the_last_such_line", n)
	}
	w.last[what], w.kept[what] = time.Now(), 0
	l.Log(context.Background(), level, what, args...)
}
