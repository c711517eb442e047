package stats

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// keptEvents is how many of the newest events are kept, for readers that are late or come back.
const keptEvents = 4096

// Events keep what has lately happened to sessions, for readers that follow it as server-sent events: see Handler. It is a
// live.Observer, to be told by whatever policy is in force; keep it where the Hub is kept. Its methods may be used by
// several goroutines, and none waits for a reader.
type Events struct {
	start string // names this start of the process

	mu      sync.Mutex
	kept    [keptEvents][]byte // event n, as it is sent, at n modulo its length
	next    uint64             // number of the next event
	wake    chan struct{}      // closed and made anew with each event
	readers int
	closed  bool
}

// NewEvents returns Events with none. service is another text for each start of the process, so that nobody takes the
// number of an event for one of another start.
func NewEvents(service string) *Events {
	return &Events{start: service, next: 1, wake: make(chan struct{})}
}

// Close lets the readers go once they have been given the last event.
func (e *Events) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.signal()
}

// signal wakes all readers. e.mu must be held.
func (e *Events) signal() {
	close(e.wake)
	e.wake = make(chan struct{})
}

// The names of events that are none of live's.
const (
	eventKick   = "kick"   // somebody ends a session; its end follows
	eventMissed = "missed" // what has happened since the event that a reader knows is not all kept
)

// Observe implements live.Observer.
func (e *Events) Observe(event live.Event) {
	switch event.Type {
	case live.EventPublish, live.EventPlay, live.EventRefuse:
		e.add(newEventRow(&event, string(event.Type)))
	case live.EventUnpublish, live.EventStop:
		row := newEventRow(&event, string(event.Type))
		if errors.Is(event.Err, live.ErrKicked) {
			kick := row
			kick.Type = eventKick
			e.add(kick)
		}
		e.add(row)
	}
}

// An eventRow is what is told of an event.
type eventRow struct {
	Time     time.Time `json:"time"`
	Type     string    `json:"type"`   // the event's name once more
	Action   string    `json:"action"` // publish or play
	Client   string    `json:"client_id"`
	Protocol string    `json:"protocol"`
	IP       string    `json:"ip"`
	Vhost    string    `json:"vhost"`
	App      string    `json:"app"`
	Stream   string    `json:"stream"`
	URL      string    `json:"stream_url"`
	StreamID string    `json:"stream_id,omitempty"`
	User     string    `json:"user,omitempty"`
	Clients  int       `json:"clients,omitempty"` // of the stream, this one among them

	Reason  string `json:"reason,omitempty"`  // of an end or a refusal: a word that does not change
	Message string `json:"message,omitempty"` // the same for people

	Duration  *decimal `json:"duration,omitempty"` // seconds, of what has ended
	SendBytes *int64   `json:"send_bytes,omitempty"`
	RecvBytes *int64   `json:"recv_bytes,omitempty"`
}

func newEventRow(e *live.Event, name string) eventRow {
	s := &e.Session
	row := eventRow{
		Time:     e.Time.UTC().Truncate(time.Millisecond),
		Type:     name,
		Action:   s.Action.String(),
		Client:   s.ID,
		Protocol: s.Protocol,
		Vhost:    s.Key.Vhost,
		App:      s.Key.App,
		Stream:   s.Key.Name,
		URL:      s.Key.URL(),
		StreamID: s.StreamID,
		User:     s.Grant.User,
		Clients:  e.Clients,
	}
	if addr := s.Remote.Addr(); addr.IsValid() {
		row.IP = addr.Unmap().String()
	}
	if e.Type == live.EventPublish || e.Type == live.EventPlay {
		return row
	}
	row.Reason = live.Reason(e.Err)
	if row.Reason != "left" {
		row.Message = e.Err.Error()
	}
	if e.Type != live.EventRefuse {
		seconds := decimal(e.Time.Sub(s.Began).Seconds())
		row.Duration, row.SendBytes, row.RecvBytes = &seconds, &s.Totals.Sent, &s.Totals.Received
	}
	return row
}

// add keeps an event and wakes the readers.
func (e *Events) add(row eventRow) {
	data, err := json.Marshal(row)
	if err != nil {
		return // no type of a row can fail
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept[e.next%keptEvents] = fmt.Appendf(nil, "event: %s\nid: %s-%d\ndata: %s\n\n", row.Type, e.start, e.next, data)
	e.next++
	e.signal()
}

// A cursor is a reader's place.
type cursor struct {
	events *Events
	next   uint64
}

// errFell is the error of a reader that has fallen out of what is kept.
var errFell = errors.New("too slow for what happens")

// maxEventsAtOnce bounds what a reader takes for one write.
const maxEventsAtOnce = 256

// take appends the next events to b. wake is closed when there are more. closed tells that none will come.
func (c *cursor) take(b []byte) (events []byte, wake <-chan struct{}, closed bool, err error) {
	e := c.events
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.next < e.oldest() {
		return nil, nil, false, errFell
	}
	for n := 0; c.next < e.next && n < maxEventsAtOnce; n++ {
		b = append(b, e.kept[c.next%keptEvents]...)
		c.next++
	}
	return b, e.wake, e.closed && len(b) == 0, nil
}

// oldest returns the number of the oldest event that is kept, or the next. e.mu must be held.
func (e *Events) oldest() uint64 {
	if e.next <= keptEvents {
		return 1
	}
	return e.next - keptEvents
}

// join returns the place of a reader that knows the events up to one, or begins with the next that happens. missed tells
// that some after the one it knows are not kept. ok is false if there are too many readers, or no events any more.
func (e *Events) join(known string) (c *cursor, missed, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.readers >= maxEventReaders {
		return nil, false, false
	}
	e.readers++
	c = &cursor{events: e, next: e.next}
	if known == "" {
		return c, false, true
	}
	start, number, _ := strings.Cut(known, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || start != e.start || n >= e.next {
		return c, true, true
	}
	c.next = max(n+1, e.oldest())
	return c, c.next > n+1, true
}

func (c *cursor) leave() {
	c.events.mu.Lock()
	defer c.events.mu.Unlock()
	c.events.readers--
}
