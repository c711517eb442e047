package rtmpapp

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// errFull is wrapped by the refusals of connections that are too many.
var errFull = errors.New("too many connections")

// A quota counts the connections of each origin. It is asked once per connection and when one is admitted, so that one
// lock costs nothing beside the connection itself.
type quota struct {
	mu      sync.Mutex
	origins map[netip.Prefix]*origin // those that have connections
}

type origin struct{ connections, unauthenticated int }

// A seat is a connection's part of a quota. It belongs to the connection's goroutine. The zero seat counts nowhere.
type seat struct {
	quota    *quota
	prefix   netip.Prefix
	admitted bool
}

// take counts a connection, or returns an error that wraps errFull and names the bound.
func (q *quota) take(prefix netip.Prefix, limits Limits) (seat, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := q.origins[prefix]
	if o == nil {
		o = new(origin)
	}
	if exceeded(o.connections, limits.PerAddress) {
		return seat{}, fmt.Errorf("%w from one address: %d", errFull, o.connections)
	}
	if exceeded(o.unauthenticated, limits.UnauthenticatedPerAddress) {
		return seat{}, fmt.Errorf("%w from one address that neither publish nor play: %d", errFull, o.unauthenticated)
	}
	o.connections++
	o.unauthenticated++
	if q.origins == nil {
		q.origins = make(map[netip.Prefix]*origin)
	}
	q.origins[prefix] = o
	return seat{quota: q, prefix: prefix}, nil
}

// exceeded tells whether one more than n is beyond a bound, which is none if it is negative.
func exceeded(n, bound int) bool { return bound >= 0 && n >= bound }

// admit counts the connection as authenticated, for good.
func (s *seat) admit() {
	if s.quota == nil || s.admitted {
		return
	}
	s.admitted = true
	s.quota.mu.Lock()
	defer s.quota.mu.Unlock()
	s.quota.origins[s.prefix].unauthenticated--
}

// leave counts the connection no more. It is called once.
func (s *seat) leave() {
	if s.quota == nil {
		return
	}
	s.admit()
	s.quota.mu.Lock()
	defer s.quota.mu.Unlock()
	o := s.quota.origins[s.prefix]
	if o.connections--; o.connections == 0 {
		delete(s.quota.origins, s.prefix)
	}
}

// noticeInterval is how often at most a server tells of what a flood makes happen over and over.
const noticeInterval = 10 * time.Second

// A notice lets through the first of many occurrences, and then one per interval with the number of those before it.
type notice struct {
	mu   sync.Mutex
	last time.Time
	held int
}

// due tells whether this occurrence is to be told, and how many were held back since the last that was.
func (n *notice) due() (held int, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if !n.last.IsZero() && now.Sub(n.last) < noticeInterval {
		n.held++
		return 0, false
	}
	held, n.held, n.last = n.held, 0, now
	return held, true
}
