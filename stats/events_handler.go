package stats

import (
	"net/http"
	"time"
)

const (
	// maxEventReaders bounds who follows events at a time.
	maxEventReaders = 100
	// eventHeartbeat is how often a reader is sent something at least, so that no proxy takes the connection for dead.
	eventHeartbeat = 15 * time.Second
	// eventWriteLimit is how long a reader may take nothing.
	eventWriteLimit = 5 * time.Second
	// eventRetry is when a reader is to come back that was cut, in milliseconds.
	eventRetry = "retry: 2000\n\n"
)

// Handler returns a handler that answers GET with events as they happen, as server-sent events (WHATWG HTML, 9.2): publish,
// unpublish, play, stop, kick and refuse, each with a JSON object. It ends when done is closed, and with Close. A reader that
// comes back with Last-Event-ID is given what it has missed; if that is not all kept, it is told first, by the event
// "missed". Who does not keep up is cut. It does not authenticate.
func (e *Events) Handler(done <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if CORS(w, r) {
			return
		}
		if r.Method != http.MethodGet {
			writeError(w, "", notAllowed("GET, OPTIONS"))
			return
		}
		c, missed, ok := e.join(r.Header.Get("Last-Event-ID"))
		if !ok {
			w.Header().Set("Retry-After", "2")
			writeText(w, http.StatusServiceUnavailable)
			return
		}
		defer c.leave()
		first := []byte(eventRetry)
		if missed {
			first = append(first, "event: "+eventMissed+"\ndata: {}\n\n"...)
		}
		c.follow(newEventWriter(w), first, r.Context().Done(), done)
	})
}

// follow writes the events until there is a reason not to.
func (c *cursor) follow(w *eventWriter, first []byte, gone, done <-chan struct{}) {
	if w.write(first) != nil {
		return
	}
	heartbeat := time.NewTicker(eventHeartbeat)
	defer heartbeat.Stop()
	var buf []byte
	for {
		events, wake, closed, err := c.take(buf[:0])
		buf = events
		switch {
		case err != nil || closed:
			return
		case len(events) > 0:
			if w.write(events) != nil {
				return
			}
			continue
		}
		select {
		case <-wake:
		case <-heartbeat.C:
			if w.write([]byte(":\n\n")) != nil {
				return
			}
		case <-gone:
			return
		case <-done:
			return
		}
	}
}

// An eventWriter is a response of events.
type eventWriter struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// newEventWriter begins the response. no-transform and Incremental (RFC 10036) keep what stands between from collecting it.
func newEventWriter(w http.ResponseWriter) *eventWriter {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("Incremental", "?1")
	h.Set("X-Accel-Buffering", "no")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	return &eventWriter{w, http.NewResponseController(w)}
}

// write sends b at once. On HTTP/2 and 3 a deadline would end the response even while nothing is written, so it is lifted.
func (w *eventWriter) write(b []byte) error {
	_ = w.rc.SetWriteDeadline(time.Now().Add(eventWriteLimit)) // a writer without deadlines is ended by its client
	if _, err := w.w.Write(b); err != nil {
		return err
	}
	if err := w.rc.Flush(); err != nil {
		return err
	}
	_ = w.rc.SetWriteDeadline(time.Time{})
	return nil
}
