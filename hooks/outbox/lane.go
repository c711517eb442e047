package outbox

import (
	"container/list"
	"time"
)

// An entry is a delivery that is pending.
type entry struct {
	Delivery
	seq      uint64
	attempts int
	last     *Attempt // the newest, nil if there was none

	queue *queue        // nil when it is no longer pending
	place *list.Element // in the queue
	age   *list.Element // in Outbox.ends or Outbox.others
}

// A target is one that deliveries name, whether it is configured or not.
type target struct {
	name   string
	sender Sender // nil if it is not configured
	lanes  map[string]*lane
	ready  []*queue // whose first entry may be tried, in the order in which they came to be
	busy   int      // attempts under way

	pending   int
	delivered uint64
	failed    uint64 // attempts
	dead      uint64
	failing   int  // attempts that have failed since one was answered
	silent    int  // attempts that had no answer at all since one had
	working   bool // dispatch is at work
	lastError string
	lastKick  time.Time
}

// A lane is what is pending for one stream at one target. Its stages follow each other; there is always one that is not
// empty, the first of them is worked on.
type lane struct {
	target  *target
	stream  string
	stages  []*stage
	changed chan struct{} // closed when something was delivered or has failed, if somebody waits for that
}

// A stage is a run of deliveries that are all of clients, with a queue for each, or all of the stream, with one queue.
type stage struct {
	lane   *lane
	shared bool
	queues map[string]*queue
}

type queueState uint8

const (
	stateIdle    queueState = iota // its stage's turn has not come
	stateReady                     // in target.ready
	stateBusy                      // an attempt is under way
	stateWaiting                   // for its timer, after a failure
)

// A queue holds deliveries that go out one after the other.
type queue struct {
	stage    *stage
	client   string
	entries  list.List // of *entry, never empty
	state    queueState
	failures int // of the first entry, since the process began
	failedAt time.Time
	next     time.Time // when it is tried again, in stateWaiting
	timer    *time.Timer
}

func (q *queue) head() *entry {
	return q.entries.Front().Value.(*entry) //nolint:errcheck // nothing else is in it
}

func (q *queue) target() *target { return q.stage.lane.target }

// push puts an entry at the end of its lane, and returns its queue if that is to be made ready.
func (t *target) push(e *entry) *queue {
	l := t.lanes[e.Stream]
	if l == nil {
		l = &lane{target: t, stream: e.Stream}
		t.lanes[e.Stream] = l
	}
	shared := e.Client != ""
	if n := len(l.stages); n == 0 || l.stages[n-1].shared != shared {
		l.stages = append(l.stages, &stage{lane: l, shared: shared, queues: make(map[string]*queue)})
	}
	s := l.stages[len(l.stages)-1]
	q := s.queues[e.Client]
	if q == nil {
		q = &queue{stage: s, client: e.Client}
		s.queues[e.Client] = q
	}
	e.queue = q
	e.place = q.entries.PushBack(e)
	t.pending++
	if q.state == stateIdle && s == l.stages[0] {
		return q
	}
	return nil
}

// pull takes an entry out of its queue, and returns the queues that are to be made ready by that.
func (t *target) pull(e *entry) []*queue {
	q, s, l := e.queue, e.queue.stage, e.queue.stage.lane
	first := q.entries.Front() == e.place
	q.entries.Remove(e.place)
	e.queue = nil
	t.pending--
	l.tell()
	if q.entries.Len() > 0 {
		if !first {
			return nil
		}
		q.failures = 0
		q.stop()
		if s == l.stages[0] && q.state != stateReady && q.state != stateBusy {
			return []*queue{q}
		}
		return nil
	}
	q.stop()
	q.state = stateIdle
	delete(s.queues, q.client)
	if len(s.queues) > 0 {
		return nil
	}
	return l.drop(s)
}

// drop takes an empty stage out, and returns the queues of the one whose turn has come by that.
func (l *lane) drop(s *stage) (ready []*queue) {
	for i, other := range l.stages {
		if other != s {
			continue
		}
		l.stages = append(l.stages[:i], l.stages[i+1:]...)
		if i > 0 || len(l.stages) == 0 {
			break
		}
		for _, q := range l.stages[0].queues {
			ready = append(ready, q)
		}
	}
	if len(l.stages) == 0 {
		delete(l.target.lanes, l.stream)
	}
	return ready
}

// stop ends the wait for another attempt.
func (q *queue) stop() {
	if q.timer != nil {
		q.timer.Stop()
		q.timer = nil
	}
}

// tell wakes who waits for the lane.
func (l *lane) tell() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// wait returns a channel that is closed when something was delivered or has failed.
func (l *lane) wait() <-chan struct{} {
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// holds tells whether an entry not newer than seq is pending that a Drain waits for: any, or those of the stream and of
// one client.
func (l *lane) holds(client string, seq uint64) bool {
	for _, s := range l.stages {
		for _, q := range s.queues {
			if (client == "" || !s.shared || q.client == client) && q.head().seq <= seq {
				return true
			}
		}
	}
	return false
}

// blocked returns the queues in front that a Drain waits for and that wait for another attempt.
func (l *lane) blocked(client string) (waiting []*queue) {
	s := l.stages[0]
	for _, q := range s.queues {
		alone := client != "" && s.shared && q.client != client && len(l.stages) == 1
		if q.state == stateWaiting && !alone {
			waiting = append(waiting, q)
		}
	}
	return waiting
}
