package live

import "time"

// delaySpan is what a Delay tells of.
const delaySpan = 10 * time.Second

// A Delay is what a feed has added to the latency of its viewers: how long frames waited for the beat at which viewers were
// given them, on average over all viewers and at most, within the last whole span of 10 s or, before there is one, so far.
// What sockets and networks add is not in it.
type Delay struct{ Mean, Max time.Duration }

// A FeedInfo is a feed at one moment.
type FeedInfo struct {
	Format  string // as it was asked for with Stream.Feed
	Tracks  Tracks
	Viewers int
	Delay   Delay
}

func (f *Feed) info() FeedInfo {
	f.mu.Lock()
	defer f.mu.Unlock()
	return FeedInfo{f.id.format, f.id.tracks, len(f.viewers), f.delays.delay()}
}

// delays measures the delay of a feed. Times are since the stream began.
type delays struct {
	fresh []arrival // frames that not all viewers have been given
	since time.Duration
	now   delaySum
	last  *delaySum // of the span before
}

// An arrival is when a frame came, and where its bytes end.
type arrival struct {
	end  int64
	came time.Duration
}

type delaySum struct {
	sum, max time.Duration
	n        int64
}

func (s *delaySum) delay() Delay {
	if s.n == 0 {
		return Delay{}
	}
	return Delay{s.sum / time.Duration(s.n), s.max}
}

func (d *delays) delay() Delay {
	if d.last != nil {
		return d.last.delay()
	}
	return d.now.delay()
}

// came notes that a frame whose bytes end at end has been muxed.
func (d *delays) came(end int64, at time.Duration) { d.fresh = append(d.fresh, arrival{end, at}) }

// given notes that so many viewers are given now what lies between two places.
func (d *delays) given(from, to int64, now time.Duration, viewers int) {
	if now-d.since >= delaySpan {
		done := d.now
		d.last, d.now, d.since = &done, delaySum{}, now
	}
	for _, a := range d.fresh {
		if a.end <= from || a.end > to {
			continue
		}
		waited := now - a.came
		d.now.sum += waited * time.Duration(viewers)
		d.now.n += int64(viewers)
		d.now.max = max(d.now.max, waited)
	}
}

// forget drops what all viewers have been given: up to a place.
func (d *delays) forget(upTo int64) {
	n := 0
	for n < len(d.fresh) && d.fresh[n].end <= upTo {
		n++
	}
	d.fresh = d.fresh[:copy(d.fresh, d.fresh[n:])]
}

// signal wakes a group of viewers, who are given all that there is. f.mu must be held.
func (f *Feed) signal(sh *shard, now time.Time) {
	f.delays.given(sh.end, f.end, now.Sub(f.stream.began), sh.n)
	sh.signal(f.end)
	oldest := f.end
	for i := range f.shards {
		if f.shards[i].n > 0 {
			oldest = min(oldest, f.shards[i].end)
		}
	}
	f.delays.forget(oldest)
}
