package live

import (
	"maps"
	"sync"
)

// A Count is how often something has happened to sessions of one kind since the hub was made. A refusal of a viewer that
// waited in vain for a publisher is no EventRefuse: it was admitted, and ends with the reason "not_found".
type Count struct {
	Event    EventType // EventPublish, EventUnpublish, EventPlay, EventStop, EventRefuse or EventAway
	Action   Action    // what the session wants, or has wanted
	Protocol string
	Reason   string // as Reason has it, of an end or a refusal; else empty
	N        int64
}

// A tally counts events. It is asked once for each, so that a lock costs nothing beside the event itself. All its keys are
// words of ours, so it has a bound. The zero tally has counted nothing.
type tally struct {
	mu sync.Mutex
	n  map[Count]int64 // by counts whose N is 0
}

func (t *tally) add(e *Event) {
	c := Count{Event: e.Type, Action: e.Session.Action, Protocol: e.Session.Protocol}
	switch e.Type {
	case EventUnpublish, EventStop, EventRefuse:
		c.Reason = Reason(e.Err)
	}
	t.addTo(c, 1)
}

// addTo adds n to the count that is like c.
func (t *tally) addTo(c Count, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = make(map[Count]int64)
	}
	t.n[c] += n
}

// Tally returns what has been counted, in no order, all at one moment: so the sessions there are of a kind are those that
// have begun less those that have ended, and viewers are fewer by those that are away.
func (h *Hub) Tally() []Count {
	h.tally.mu.Lock()
	n := maps.Clone(h.tally.n)
	h.tally.mu.Unlock()
	counts := make([]Count, 0, len(n))
	for c, times := range n {
		c.N = times
		counts = append(counts, c)
	}
	return counts
}

// observe counts an event and gives it to the observer in force.
func (h *Hub) observe(e *Event) {
	h.tally.add(e)
	h.Policy().observe(*e)
}
