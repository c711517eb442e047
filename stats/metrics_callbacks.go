package stats

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Callbacks are what is known of calls to back ends. Counters count since the start of the process.
type Callbacks struct {
	Targets []CallbackTarget
	Dropped uint64    // events that were dropped since too many were pending
	Dead    int       // events that were given up and may be replayed
	Oldest  time.Time // of the oldest pending event; zero if none is pending
}

// A CallbackTarget is what is known of one URL of a back end.
type CallbackTarget struct {
	Target   string // its name, without secrets
	Outcomes []CallbackOutcome
	Calls    uint64             // that were made
	Duration time.Duration      // of all of them
	Within   map[float64]uint64 // how many took no longer than so many seconds
	Pending  int                // events to be delivered
	Failing  bool               // the last attempt to deliver an event has failed
	GivenUp  uint64             // events that could not be delivered
}

// A CallbackOutcome is how often calls for an event had an outcome.
type CallbackOutcome struct {
	Event, Outcome string
	N              uint64
}

// The metrics of back ends.
var (
	callbacks = counter("callbacks_total",
		"Questions to back ends and attempts to deliver events to them, by what came of them.", "target", "event", "outcome")
	callbackDuration = describe("callback_duration_seconds", "How long calls to back ends took.", "target")
	outboxPending    = gauge("outbox_pending", "Events that are to be delivered.", "target")
	outboxFailing    = gauge("outbox_failing", "Whether the last attempt to deliver an event has failed.", "target")
	outboxGivenUp    = counter("outbox_given_up_total", "Events that were not delivered and are not tried again by themselves.", "target")
	outboxDropped    = counter("outbox_dropped_total", "Events that were dropped since too many were to be delivered.")
	outboxDead       = gauge("outbox_dead_letters", "Events that were given up and may be replayed.")
	outboxOldest     = gauge("outbox_oldest_age_seconds", "How old the oldest event is that is to be delivered; 0 if there is none.")
)

// callbacks tells of back ends.
func (s scrape) callbacks(c Callbacks, now time.Time) {
	for i := range c.Targets {
		t := &c.Targets[i]
		for _, o := range t.Outcomes {
			s.put(callbacks, float64(o.N), t.Target, o.Event, o.Outcome)
		}
		s.to <- prometheus.MustNewConstHistogram(callbackDuration, t.Calls, t.Duration.Seconds(), t.Within, t.Target)
		s.put(outboxPending, float64(t.Pending), t.Target)
		s.put(outboxGivenUp, float64(t.GivenUp), t.Target)
		failing := 0.
		if t.Failing {
			failing = 1
		}
		s.put(outboxFailing, failing, t.Target)
	}
	s.put(outboxDropped, float64(c.Dropped))
	s.put(outboxDead, float64(c.Dead))
	age := 0.
	if !c.Oldest.IsZero() {
		age = now.Sub(c.Oldest).Seconds()
	}
	s.put(outboxOldest, age)
}
