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
	tracks map[trackID]*series
	last   time.Time // of the last look
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
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	l := look{rates: r, now: now, series: make(map[string]*series, len(r.series)), tracks: make(map[trackID]*series, len(r.tracks))}
	l.add("", time.Time{}, r.hub.Totals())
	for _, v := range r.hub.Vhosts() {
		l.add(v.ID, time.Time{}, v.Totals)
	}
	for _, s := range r.hub.Streams() {
		info := s.Info()
		l.add(info.ID, info.Began, info.Totals)
		l.addTracks(&info)
	}
	for _, s := range r.hub.Sessions() {
		l.add(s.ID, s.Began(), s.Totals())
	}
	r.series, r.tracks, r.last = l.series, l.tracks, now
}

// A look is what one look at the hub finds.
type look struct {
	rates  *Rates
	now    time.Time
	series map[string]*series
	tracks map[trackID]*series
}

func (l *look) add(id string, began time.Time, t live.Totals) {
	s := l.rates.series[id]
	if s == nil {
		s = l.rates.newSeries(began)
	}
	s.add(sample{at: l.now, received: t.Received, sent: t.Sent})
	l.series[id] = s
}

func (l *look) addTracks(info *live.StreamInfo) {
	if info.Publisher == nil {
		return
	}
	for i := range info.Tracks {
		t := &info.Tracks[i]
		id := trackID{info.Publisher.ID, t.Kind, t.Number}
		s := l.rates.tracks[id]
		if s == nil {
			s = l.rates.newSeries(info.Publisher.Began)
		}
		s.add(sample{at: l.now, received: t.Bytes, frames: t.Frames})
		l.tracks[id] = s
	}
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
	frames         int64
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
	d, seconds := s.span()
	return Kbps{Recv: kbps(d.received, seconds), Send: kbps(d.sent, seconds)}
}

// span returns what was counted between the first and the last sample, and over how many seconds. Rates would be 0 or absurd
// over next to no time, so there is a least.
func (s *series) span() (d sample, seconds float64) {
	first, last := s.samples[0], s.samples[s.n-1]
	d = sample{received: last.received - first.received, sent: last.sent - first.sent, frames: last.frames - first.frames}
	return d, max(last.at.Sub(first.at), rateStep).Seconds()
}

func kbps(bytes int64, seconds float64) int64 { return int64(float64(bytes) * 8 / 1000 / seconds) }

// A trackID names a track of a publisher.
type trackID struct {
	publisher string // its session
	kind      live.Kind
	number    uint8
}

// A trackRate tells how fast a track comes in.
type trackRate struct {
	kbps int64
	fps  decimal
}

// track returns the rate of a track: 0 if it is unknown, or too young.
func (r *Rates) track(id trackID) trackRate {
	if r == nil {
		return trackRate{}
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.tracks[id]
	if s == nil {
		return trackRate{}
	}
	d, seconds := s.span()
	return trackRate{kbps: kbps(d.received, seconds), fps: decimal(float64(d.frames) / seconds)}
}
