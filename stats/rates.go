package stats

import (
	"sync"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

const (
	rateWindow = 30 * time.Second
	rateStep   = 5 * time.Second
)

// Kbps tells how fast bytes flow, in kilobits (1000 bits) per second over the last 30 s.
type Kbps struct {
	Recv int64 `json:"recv_30s"` // from peers
	Send int64 `json:"send_30s"` // to peers
}

// Rates knows how fast bytes flow in a hub. It looks at the hub every 5 s: a rate is the mean over the newest looks of
// the last 30 s, or over the life of what is younger. So there is an estimate after 5 s at the latest, which errs low for
// 5 s more: a viewer's first burst is not taken for its rate.
//
// Its methods may be used by several goroutines, and of a nil Rates all rates are 0.
type Rates struct {
	hub  *live.Hub
	stop chan struct{}
	once sync.Once
	done chan struct{}

	mu     sync.RWMutex
	series map[string]*series // by id; the server's is ""
	last   time.Time          // of the last look
}

// NewRates returns the rates of a hub. Close must be called.
func NewRates(hub *live.Hub) *Rates {
	r := &Rates{hub: hub, stop: make(chan struct{}), done: make(chan struct{})}
	r.look()
	go r.run()
	return r
}

// Close stops looking at the hub. The rates stay as they were last.
func (r *Rates) Close() {
	r.once.Do(func() { close(r.stop) })
	<-r.done
}

// Of returns the rates of the session, stream or vhost of an id: 0 if it is unknown, or too young.
func (r *Rates) Of(id string) Kbps {
	if r == nil {
		return Kbps{}
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if s := r.series[id]; s != nil {
		return s.rate()
	}
	return Kbps{}
}

// Server returns the rates of the whole hub.
func (r *Rates) Server() Kbps { return r.Of("") }

func (r *Rates) run() {
	defer close(r.done)
	tick := time.NewTicker(rateStep)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.look()
		case <-r.stop:
			return
		}
	}
}

// look samples everything that the hub knows and forgets all else.
func (r *Rates) look() {
	snap, now := r.hub.Snapshot(), time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.series
	r.series = make(map[string]*series, len(old))
	add := func(id string, began time.Time, t live.Totals) {
		s := old[id]
		if s == nil {
			s = r.newSeries(began)
		}
		s.add(sample{now, t.Received, t.Sent})
		r.series[id] = s
	}
	add("", time.Time{}, snap.Totals)
	for i := range snap.Vhosts {
		add(snap.Vhosts[i].ID, time.Time{}, snap.Vhosts[i].Totals)
	}
	for i := range snap.Streams {
		add(snap.Streams[i].ID, snap.Streams[i].Began, snap.Streams[i].Totals)
	}
	for i := range snap.Sessions {
		add(snap.Sessions[i].ID, snap.Sessions[i].Began, snap.Sessions[i].Totals)
	}
	r.last = now
}

// newSeries returns a series for something that began at a time, if that is known, but after the last look. Its first
// sample is that beginning. What the very first look finds may be old, so that look itself is the beginning.
func (r *Rates) newSeries(began time.Time) *series {
	s := new(series)
	if r.last.IsZero() {
		return s
	}
	if began.Before(r.last) {
		began = r.last
	}
	s.add(sample{at: began})
	return s
}

// A sample is what had been counted at a time.
type sample struct {
	at             time.Time
	received, sent int64
}

// A series is the newest samples of one thing, the oldest first.
type series struct {
	n       int
	samples [rateWindow/rateStep + 1]sample
}

func (s *series) add(x sample) {
	if s.n == len(s.samples) {
		copy(s.samples[:], s.samples[1:])
		s.n--
	}
	s.samples[s.n] = x
	s.n++
}

func (s *series) rate() Kbps {
	first, last := s.samples[0], s.samples[s.n-1]
	// Both rates would be 0 or absurd over next to no time.
	span := max(last.at.Sub(first.at), rateStep)
	kbps := func(bytes int64) int64 { return int64(float64(bytes) * 8 / 1000 / span.Seconds()) }
	return Kbps{Recv: kbps(last.received - first.received), Send: kbps(last.sent - first.sent)}
}
