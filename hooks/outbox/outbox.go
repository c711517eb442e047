package outbox

import (
	"cmp"
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Errors of the outbox.
var (
	// ErrFailing is that of Drain if the target does not take the deliveries.
	ErrFailing = errors.New("the target does not take what is pending")
	// ErrClosed is that of an outbox after Close.
	ErrClosed = errors.New("the outbox is closed")
	// ErrSlow is that of Put, Begin and End if the operating system has not taken what is to be stored within 100 ms, as
	// when the disk cannot keep up. It is about to.
	ErrSlow = errors.New("the disk cannot keep up")
	// ErrUnknown is that of Replay and Discard for an id that is neither pending nor dead.
	ErrUnknown = errors.New("no pending or dead delivery has this id")
)

// The bounds of an outbox that Options do not set, and those of one in memory.
const (
	DefaultMaxDeliveries = 100_000
	DefaultMaxBytes      = 64 << 20

	bestEffortLife     = 30 * time.Second
	bestEffortAttempts = 3
)

// overhead is what a delivery counts besides its body.
const overhead = 512

// Options are what Open needs to know. The zero Options are an outbox in memory.
type Options struct {
	// Path is the file of the database; two logs stand beside it. Empty: best effort: everything is lost with the process,
	// and there are at most three attempts in half a minute.
	Path string
	// MaxDeliveries and MaxBytes bound what is pending; bytes are those of bodies and 512 for each delivery. Beyond, the
	// oldest are dropped, ends of sessions last. 0 means DefaultMaxDeliveries, DefaultMaxBytes.
	MaxDeliveries, MaxBytes int
	// Logger returns the logger in force. Nil logs nothing.
	Logger func() *slog.Logger
}

// An Outbox holds deliveries until they are delivered. Its methods may be used by several goroutines; none but Drain and
// Close waits for an attempt.
type Outbox struct {
	options  Options
	store    *store // nil: best effort
	warnings warnings

	ctx      context.Context // of all attempts, done when Close wants no more of them
	cancel   context.CancelFunc
	attempts sync.WaitGroup

	mu       sync.Mutex
	seq      uint64 // of the newest delivery
	pending  map[string]*entry
	ends     list.List // of pending *entry, oldest first: the ends of sessions
	others   list.List // the same: the others
	bytes    int
	targets  map[string]*target
	sessions map[string]openSession
	dead     deadLetters
	history  history
	totals   Totals
	busy     int           // attempts under way
	idle     chan struct{} // closed when nothing can be tried now, if Close waits for that
	sweeper  *time.Timer
	closing  bool
}

// Open opens an outbox, and makes its file if there is none. Sessions that were open when the process died before get
// their ends queued: they are delivered when SetTargets names their targets. A file that is damaged is moved aside, which
// is logged, and a new one made; a file that another process has open is an error. The caller must Close the outbox.
func Open(options Options) (*Outbox, error) {
	options.MaxDeliveries = cmp.Or(options.MaxDeliveries, DefaultMaxDeliveries)
	options.MaxBytes = cmp.Or(options.MaxBytes, DefaultMaxBytes)
	o := &Outbox{
		options:  options,
		pending:  make(map[string]*entry),
		targets:  make(map[string]*target),
		sessions: make(map[string]openSession),
	}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	if options.Path == "" {
		return o, nil
	}
	s, aside, err := openStore(options.Path, o.storeAlert)
	if aside != "" {
		o.logger().Error("the outbox's database was damaged; what was pending in it is lost, and webhooks begin with a new one",
			"path", options.Path, "moved_to", aside)
	}
	if err != nil {
		return nil, err
	}
	o.store = s
	if err := o.load(); err != nil {
		_ = s.close()
		return nil, fmt.Errorf("reading the outbox %s: %w", options.Path, err)
	}
	return o, nil
}

func (o *Outbox) logger() *slog.Logger {
	if o.options.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.options.Logger()
}

// storeAlert logs what goes wrong with the disk, which goes wrong often then.
func (o *Outbox) storeAlert(what string, err error) {
	o.warnings.log(o.logger(), slog.LevelError, what, "path", o.options.Path, "error", err)
}

// SetTargets names the targets that there are now, in place of those before. What is pending for others waits for them
// to come back, until it expires. Attempts under way end with the Sender that they began with.
func (o *Outbox) SetTargets(senders map[string]Sender) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, t := range o.targets {
		if senders[name] == nil {
			t.sender = nil
			o.dropUnused(t)
		}
	}
	for name, sender := range senders {
		t := o.target(name)
		t.sender = sender
		o.dispatch(t)
	}
	o.checkIdle()
}

// target returns the target of a name. o.mu must be held.
func (o *Outbox) target(name string) *target {
	t := o.targets[name]
	if t == nil {
		t = &target{name: name, lanes: make(map[string]*lane)}
		o.targets[name] = t
	}
	return t
}

// dropUnused forgets a target that nothing is pending for and that is not configured. o.mu must be held.
func (o *Outbox) dropUnused(t *target) {
	if t.sender == nil && t.pending == 0 && t.busy == 0 {
		delete(o.targets, t.name)
	}
}

// Put queues deliveries, in their order, all or none. It does not wait for a disk, but what it has returned for survives
// the death of the process. An error means that this may not be so; they are delivered all the same, unless it is
// ErrClosed. A delivery whose ID is pending already is passed over.
func (o *Outbox) Put(ds ...Delivery) error {
	o.mu.Lock()
	w, err := o.put(nil, ds)
	o.mu.Unlock()
	return o.await(w, err)
}

// put queues deliveries and stores them together with other changes. o.mu must be held.
func (o *Outbox) put(changes []change, ds []Delivery) (*writing, error) {
	if o.closing {
		return nil, ErrClosed
	}
	for i := range ds {
		e := o.newEntry(ds[i])
		if o.pending[e.ID] != nil {
			continue
		}
		changes = append(changes, o.stored(e))
		o.totals.Put++
		o.enqueue(e)
	}
	changes = append(changes, o.makeRoom()...)
	if o.store == nil || len(changes) == 0 {
		return nil, nil
	}
	return o.store.put(changes...), nil
}

// await waits for what put has begun to be with the operating system.
func (o *Outbox) await(w *writing, err error) error {
	if w == nil || err != nil {
		return err
	}
	if err := w.await(); err != nil {
		return fmt.Errorf("storing webhooks in %s: %w", o.options.Path, err)
	}
	return nil
}

// newEntry makes an entry of a delivery, and fills in what it lacks. o.mu must be held.
func (o *Outbox) newEntry(d Delivery) *entry {
	o.seq++
	d.complete(time.Now())
	if limit := d.Created.Add(bestEffortLife); o.store == nil && d.Expires.After(limit) {
		d.Expires = limit
	}
	return &entry{Delivery: d, seq: o.seq}
}

// complete fills in what a delivery lacks.
func (d *Delivery) complete(now time.Time) {
	if d.ID == "" {
		d.ID = NewID()
	}
	if d.Created.IsZero() {
		d.Created = now
	}
	if d.Expires.IsZero() {
		d.Expires = d.Created.Add(DefaultLife)
	}
}

// enqueue adds an entry to what is pending. o.mu must be held.
func (o *Outbox) enqueue(e *entry) {
	o.pending[e.ID] = e
	o.bytes += e.size()
	if e.End {
		e.age = o.ends.PushBack(e)
	} else {
		e.age = o.others.PushBack(e)
	}
	if q := o.target(e.Target).push(e); q != nil {
		o.makeReady(q)
	}
	if o.sweeper == nil {
		o.sweeper = time.AfterFunc(sweepEvery, o.sweep)
	}
}

func (e *entry) size() int { return len(e.Body) + overhead }

// forget takes an entry out of what is pending, and returns the change that takes it out of the store. o.mu must be held.
func (o *Outbox) forget(e *entry) change {
	delete(o.pending, e.ID)
	o.bytes -= e.size()
	if e.End {
		o.ends.Remove(e.age)
	} else {
		o.others.Remove(e.age)
	}
	t := e.queue.target()
	o.makeReady(t.pull(e)...)
	o.dropUnused(t)
	return change{cell: seqCell(bucketPending, e.seq)}
}

// remove is forget and stores it, without waiting. o.mu must be held.
func (o *Outbox) remove(e *entry) {
	c := o.forget(e)
	if o.store != nil {
		o.store.put(c)
	}
}

// makeRoom drops the oldest entries beyond the bounds. o.mu must be held.
func (o *Outbox) makeRoom() (changes []change) {
	for len(o.pending) > o.options.MaxDeliveries || o.bytes > o.options.MaxBytes {
		oldest := oldestIdle(&o.others)
		if oldest == nil {
			oldest = oldestIdle(&o.ends)
		}
		if oldest == nil {
			break
		}
		o.totals.Dropped++
		o.warnings.log(o.logger(), slog.LevelWarn, "the outbox is full: the oldest webhooks are dropped",
			"target", oldest.Target, "event", oldest.Event, "pending", len(o.pending), "bytes", o.bytes)
		changes = append(changes, o.forget(oldest))
	}
	return changes
}

// oldestIdle returns the oldest entry of a list that is not being sent.
func oldestIdle(l *list.List) *entry {
	for at := l.Front(); at != nil; at = at.Next() {
		e := at.Value.(*entry) //nolint:errcheck // nothing else is in it
		if e.queue.state != stateBusy || e.queue.head() != e {
			return e
		}
	}
	return nil
}

// stored is the change that puts an entry into the store. o.mu must be held.
func (o *Outbox) stored(e *entry) change {
	if o.store == nil {
		return change{}
	}
	return change{cell: seqCell(bucketPending, e.seq), value: encode(&e.Delivery), fresh: true}
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // no type of ours can fail
	}
	return b
}
