package httplive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// keptBytes is what net/http keeps of a Write on HTTP/1 and 2, where a longer one goes straight on. A Flush is needed only
// if it was kept. HTTP/3 keeps the rest of long ones too.
const keptBytes = 4 << 10

// pieceBytes is the most that a Write on HTTP/2 may be.
const pieceBytes = 64 << 10

// deadlineStep is how old a write deadline may get on HTTP/1 before it is set anew; setting it at every write would cost
// more than it gives.
const deadlineStep = time.Second

// An output is the sink of a response. It writes shared bytes: one Write each, no copy, under a deadline that ends who cannot take it.
type output struct {
	w        http.ResponseWriter
	rc       *http.ResponseController
	ses      *live.Session
	head     func(w http.ResponseWriter)
	http1    bool
	http2    bool
	client   <-chan struct{} // closed when the response is lost
	bound    func(limit time.Duration) bool
	limit    time.Duration // what bound was asked for last
	bounded  bool          // and what it has said
	deadline time.Time     // the one in force, where there is none of bound's; HTTP/1 only
	stop     func() bool   // calls off the interruption
	over     chan struct{} // closed when the response is done with
	idle     chan struct{} // closed when the interruption, once begun, is over
}

func (h *Handler) newOutput(w http.ResponseWriter, r *http.Request, ses *live.Session) *output {
	o := &output{
		w:      w,
		rc:     http.NewResponseController(w),
		ses:    ses,
		head:   h.head,
		http1:  r.ProtoMajor == 1,
		http2:  r.ProtoMajor == 2,
		client: r.Context().Done(),
		over:   make(chan struct{}),
		idle:   make(chan struct{}),
	}
	if h.Bound != nil {
		o.bound = func(limit time.Duration) bool { return h.Bound(r, limit) }
	}
	o.stop = context.AfterFunc(ses.Context(), o.interrupt)
	return o
}

// When a session is ended from this side, a write under way has interruptAfter to end by itself, so that the response of
// a viewer who keeps up ends as it should. Then it is interrupted, and anew after each interruptEvery, since a wrapper may
// set its own deadline after ours.
const (
	interruptAfter = 250 * time.Millisecond
	interruptEvery = 100 * time.Millisecond
)

// interrupt ends the write under way, if there is one, of a session that was ended from this side: that must not wait for
// a socket that takes nothing. It runs beside the handler, so it goes past the wrappers, which are the handler's alone, to
// net/http's own writer.
func (o *output) interrupt() {
	defer close(o.idle)
	rc := http.NewResponseController(innermost(o.w))
	timer := time.NewTimer(interruptAfter)
	defer timer.Stop()
	for {
		select {
		case <-o.over:
			return
		case <-timer.C:
			_ = rc.SetWriteDeadline(time.Now()) // a writer without deadlines is ended by its client
			timer.Reset(interruptEvery)
		}
	}
}

// innermost returns the writer that all others wrap.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}

func (o *output) begin() error {
	o.head(o.w)
	if o.http1 {
		// Without it every batch would be framed as a chunk, in several writes. The end of the stream is then the end of
		// the connection.
		o.w.Header().Set("Transfer-Encoding", "identity")
	}
	o.w.WriteHeader(http.StatusOK)
	_ = o.rc.Flush() // what is wrong with the connection shows at the first write
	return nil
}

func (o *output) write(b []byte) error {
	limit := o.ses.Stream().WriteTimeout()
	begun := time.Now()
	o.arm(begun, limit)
	last, err := o.put(b)
	if err == nil && (last <= keptBytes || !o.http1 && !o.http2) {
		err = o.rc.Flush()
	}
	if err == nil {
		o.disarm()
		return nil
	}
	if o.slow(begun, limit) {
		return fmt.Errorf("%w: took no data for %s", live.ErrSlow, limit)
	}
	return fmt.Errorf("writing to the viewer: %w", err)
}

// put writes b, counts what the viewer may have of it, and returns how long the last Write was. net/http says of a Write on HTTP/2 that was cut that nothing was
// written, although the viewer may have most of it: there it goes out in pieces, and the one that is cut counts as sent,
// since it was on its way.
func (o *output) put(b []byte) (last int, err error) {
	if !o.http2 {
		last, err = o.w.Write(b)
		o.ses.Sent(last)
		return last, err
	}
	for len(b) > 0 {
		piece := b[:min(len(b), pieceBytes)]
		lost := o.lost()
		last, err = o.w.Write(piece)
		if err != nil && !lost {
			last = len(piece)
		}
		o.ses.Sent(last)
		if err != nil {
			return last, err
		}
		b = b[last:]
	}
	return last, nil
}

// lost tells whether nothing more can reach the viewer.
func (o *output) lost() bool {
	select {
	case <-o.client:
		return true
	default:
		return false
	}
}

// slow tells whether a write that has failed was ended by its deadline. net/http cancels the request then, as it does for
// a client that has left, so that says nothing.
func (o *output) slow(begun time.Time, limit time.Duration) bool {
	if limit <= 0 || time.Since(begun) < limit {
		return false
	}
	cause := o.ses.Err()
	return cause == nil || errors.Is(cause, context.Canceled)
}

// arm sets the write deadline, unless the server does. On HTTP/2 and 3 a deadline is a timer that ends the stream even when
// nothing is being written, so it is set for each write and lifted after it.
func (o *output) arm(now time.Time, limit time.Duration) {
	if o.bound != nil && limit != o.limit {
		o.limit, o.bounded = limit, o.bound(limit)
	}
	if limit <= 0 || o.bounded {
		return
	}
	if o.http1 && o.deadline.Sub(now) >= limit {
		return
	}
	o.deadline = now.Add(limit)
	if o.http1 {
		o.deadline = o.deadline.Add(deadlineStep)
	}
	_ = o.rc.SetWriteDeadline(o.deadline) // a writer without deadlines is ended by its context
}

func (o *output) disarm() {
	if !o.http1 && !o.bounded {
		_ = o.rc.SetWriteDeadline(time.Time{})
	}
}

// close has no way to say why: the end of a response is all that HTTP knows.
func (o *output) close(error) {
	close(o.over)
	if !o.stop() {
		<-o.idle
	}
}
