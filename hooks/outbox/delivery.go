package outbox

import (
	"context"
	"crypto/rand"
	"time"
)

// How long deliveries are worth delivering.
const (
	// DefaultLife is that of a delivery that does not say when it expires.
	DefaultLife = 24 * time.Hour
	// SegmentLife is that of news about a segment of HLS, which is gone soon after.
	SegmentLife = time.Hour
)

// A Delivery is one event for one target. It must not be changed after Put.
type Delivery struct {
	// ID names the delivery, the same at each attempt and after a restart, in the header webhook-id. Empty: Put makes one.
	ID string `json:"id"`
	// Target names where it goes: one URL of one hook. The name must be the same after a restart and hold no secret, since
	// logs and the API show it.
	Target string `json:"target"`
	// Stream is the key of the order: deliveries of one Target and Stream arrive in the order of Put.
	Stream string `json:"stream"`
	// Client is set for the events of a viewer, to its session's id. Those of different clients may overtake each other, but
	// nothing overtakes a delivery without Client, nor is overtaken by it.
	Client string `json:"client,omitempty"`
	// Event is what has happened, as "on_unpublish".
	Event string `json:"event"`
	// Body is what is sent.
	Body []byte `json:"body"`
	// Created is when it happened. Zero: Put takes the time.
	Created time.Time `json:"created"`
	// Expires is when it is no longer worth delivering. Zero is DefaultLife after Created.
	Expires time.Time `json:"expires"`
	// End tells that a session has ended by it: it is the last to be dropped from a full outbox.
	End bool `json:"end,omitempty"`
}

// NewID returns a new id for a delivery or a gate's question: "msg_" and 26 letters and digits.
func NewID() string { return "msg_" + rand.Text() }

// A Sender makes attempts. Send makes one, and returns when it was answered, has failed, or ctx is done. It is called by
// several goroutines at a time, and must not keep d.
type Sender interface {
	Send(ctx context.Context, d *Delivery) Result
}

// SenderFunc is a function that is a Sender.
type SenderFunc func(ctx context.Context, d *Delivery) Result

// Send calls f.
func (f SenderFunc) Send(ctx context.Context, d *Delivery) Result { return f(ctx, d) }

// A Result is how an attempt has ended. The outbox judges it: any status 2xx is delivered, whatever the body says, since
// nobody can refuse what has happened. The statuses 400, 410, 413, 415 and 422 refuse this delivery for good. All others,
// and errors, are tried again.
type Result struct {
	// Status is the status of the HTTP answer, 0 if there was none.
	Status int
	// Err is why there was no answer. A Result with neither Status nor Err is delivered.
	Err error
	// RetryAfter is how long the target asks to wait (Retry-After), 0 if it does not. The outbox waits an hour at most.
	RetryAfter time.Duration
	// Note is shown in the log of deliveries, say that a body of status 200 was no acceptance.
	Note string
}
