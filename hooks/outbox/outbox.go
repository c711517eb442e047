package outbox

import (
	"context"
	"errors"
	"log/slog"
)

// Errors of the outbox.
var (
	// ErrFailing is that of Drain if the target does not take the deliveries.
	ErrFailing = errors.New("the target does not take what is pending")
	// ErrClosed is that of an outbox after Close.
	ErrClosed = errors.New("the outbox is closed")
)

// Options are what Open needs to know. The zero Options are an outbox in memory.
type Options struct {
	// Path is the file of the database. Empty: best effort: everything is lost with the process, and an attempt that
	// fails is repeated for half a minute at most.
	Path string
	// Logger returns the logger in force. Nil logs nothing.
	Logger func() *slog.Logger
}

// An Outbox holds deliveries until they are delivered. Its methods may be used by several goroutines; none but Drain and
// Close waits for an attempt.
type Outbox struct{}

// Open opens an outbox, and makes its file if there is none. Sessions that were open when the process died before get
// their ends queued: they are delivered when SetTargets names their targets. The caller must Close it.
func Open(o Options) (*Outbox, error) { return &Outbox{}, nil }

// SetTargets names the targets that there are now, in place of those before. What is pending for others waits for them
// to come back, until it expires. Attempts under way end with the Sender that they began with.
func (o *Outbox) SetTargets(targets map[string]Sender) {}

// Put queues deliveries, in their order, all or none. It does not wait for a disk, but what it has returned for survives
// the death of the process. An error means that this may not be so; they are delivered all the same, unless it is
// ErrClosed. A delivery whose ID is pending already is passed over.
func (o *Outbox) Put(ds ...Delivery) error { return nil }

// Drain waits until what is pending for a stream at a target was delivered, so that a question to that target does not
// come before old news. With a client, a viewer's session, it waits only for that client and for what is the stream's
// own. It does not wait for what is put meanwhile. If the target is known to fail, Drain returns ErrFailing at once or
// after one more attempt; if ctx is done, its error.
func (o *Outbox) Drain(ctx context.Context, target, stream, client string) error { return nil }

// Begin notes that a session is open, or is about to be: if the process dies before End, the given deliveries are queued
// when the outbox is opened next, as if they were created then, with the life (Expires less Created) that they have here.
// A session that is open already gets other ends by it. Begin before a gate is asked, End when it has refused.
func (o *Outbox) Begin(session string, ends ...Delivery) error { return nil }

// End notes that a session is over and queues deliveries, in one step: what Begin was given is forgotten. Without
// deliveries nobody is told.
func (o *Outbox) End(session string, ds ...Delivery) error { return nil }

// Close lets deliveries go out until there is none left that can be tried now, or ctx is done. Then it ends attempts
// under way, and writes all to disk. What is left is delivered when the outbox is opened next.
func (o *Outbox) Close(ctx context.Context) error { return nil }
