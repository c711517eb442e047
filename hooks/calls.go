package hooks

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
)

// Outcomes of a question. Those of news are the outbox's.
const (
	OutcomeAccepted  = "accepted"
	OutcomeRefused   = "refused"
	OutcomeUndecided = "undecided" // no answer that says anything, or the back end was not asked since it had not answered others
)

// CallBounds are the latencies up to which TargetCalls counts calls.
var CallBounds = [...]time.Duration{
	10 * time.Millisecond, 50 * time.Millisecond, 250 * time.Millisecond, time.Second, 5 * time.Second,
}

// TargetCalls is what was counted of one target since the process began.
type TargetCalls struct {
	Target   string
	Outcomes []OutcomeCount          // by event and outcome
	Calls    uint64                  // that were made, for questions and news; one to a target that is not called for a moment is none
	Duration time.Duration           // of all calls
	Within   [len(CallBounds)]uint64 // how many calls took no longer than each of CallBounds
}

// An OutcomeCount is how often a question had an outcome, or an attempt to deliver news.
type OutcomeCount struct {
	Event, Outcome string
	N              uint64
}

// calls counts those of one target, whichever configuration they belong to.
type calls struct {
	mu       sync.Mutex
	made     TargetCalls
	outcomes map[OutcomeCount]uint64 // by counts whose N is 0
}

// timed counts a call that was made.
func (c *calls) timed(took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made.Calls++
	c.made.Duration += took
	for i, bound := range CallBounds {
		if took <= bound {
			c.made.Within[i]++
		}
	}
}

// asked counts a question by what judge said of the answer.
func (c *calls) asked(event string, err error) {
	outcome := OutcomeAccepted
	if err != nil {
		outcome = OutcomeUndecided
	}
	if isRefusal(err) {
		outcome = OutcomeRefused
	}
	c.count(event, outcome)
}

// sent counts an attempt to deliver news.
func (c *calls) sent(event string, r outbox.Result) { c.count(event, r.Outcome()) }

func (c *calls) count(event, outcome string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outcomes == nil {
		c.outcomes = make(map[OutcomeCount]uint64)
	}
	c.outcomes[OutcomeCount{Event: event, Outcome: outcome}]++
}

// totals returns what was counted.
func (c *calls) totals(target string) TargetCalls {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.made
	t.Target = target
	for o, n := range c.outcomes {
		o.N = n
		t.Outcomes = append(t.Outcomes, o)
	}
	slices.SortFunc(t.Outcomes, func(a, b OutcomeCount) int {
		return cmp.Or(cmp.Compare(a.Event, b.Event), cmp.Compare(a.Outcome, b.Outcome))
	})
	return t
}

// calls returns those of a target.
func (b *Backends) calls(target string) *calls {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.called == nil {
		b.called = make(map[string]*calls)
	}
	if b.called[target] == nil {
		b.called[target] = new(calls)
	}
	return b.called[target]
}

// Calls returns what was counted of each target that a configuration has had, by name.
func (b *Backends) Calls() []TargetCalls {
	b.mu.Lock()
	called := maps.Clone(b.called)
	b.mu.Unlock()
	var list []TargetCalls
	for _, name := range slices.Sorted(maps.Keys(called)) {
		list = append(list, called[name].totals(name))
	}
	return list
}
