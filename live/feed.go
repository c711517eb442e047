package live

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A Muxer turns frames into the bytes of one continuous format. It is used by one goroutine at a time.
type Muxer interface {
	// Size returns an upper bound of what AppendFrame appends for f.
	Size(f *Frame) int
	// AppendFrame appends the bytes of f to b. f may be a configuration. At a frame where Feed lets viewers begin, the
	// bytes must be understood without any that came before, but for those of Header.
	AppendFrame(b []byte, f *Frame) []byte
	// Header returns what a viewer must get before the bytes from a place of entry at the given stream time, where setup is
	// in force: the file's head if given is nil, which is what a new viewer has been given, and the configurations that
	// given lacks. It must not depend on the muxer's state.
	Header(setup, given *Setup, time int64) []byte
}

// How a feed keeps its bytes and wakes its viewers.
const (
	minBlock     = 32 << 10
	maxBlock     = 2 << 20
	maxShards    = 8   // at most so many groups of viewers, woken at different moments of a beat
	shardViewers = 128 // a group is filled up to here before the next is used, if there is a next
)

// A Feed is a stream muxed once into one format for all viewers of that format and of the same tracks. At each beat it appends what is new to a
// log of bytes and wakes its viewers, in groups whose beats are spread over the interval; each viewer writes the same
// shared bytes to its socket. A feed works only while it has viewers.
type Feed struct {
	stream   *Stream
	id       feedID
	newMuxer func() Muxer

	mu      sync.Mutex
	mux     Muxer
	reader  *Reader
	blocks  []*block // oldest first; each ends with a whole frame
	base    int64    // viewers before here have fallen out
	end     int64    // where the next byte goes
	entry   entry    // the newest place to begin
	begun   bool     // a viewer has begun
	marks   []mark   // where the log ended at the last beats
	shards  [maxShards]shard
	delays  delays
	viewers map[*FeedReader]struct{}
	stop    context.CancelFunc // ends run; nil while there are no viewers
	ended   bool
}

// A block is a stretch of the byte log. Its bytes are never changed once they are written, so viewers share them
// without copying, and a block that has left the log lives on as long as somebody still writes from it.
type block struct {
	at    int64 // the place of its first byte
	buf   []byte
	since time.Time
}

// An entry is a place where a viewer may begin.
type entry struct {
	valid bool
	at    int64
	time  int64  // stream time, in milliseconds
	setup *Setup // what had been given out before
}

type mark struct {
	at   int64
	when time.Time
}

// A shard is a group of viewers that are woken together.
type shard struct {
	n    int
	wake chan struct{}
	end  int64 // where the log ended when the shard was woken last
}

// A feedID tells the feeds of a stream apart.
type feedID struct {
	format string
	tracks Tracks
	own    bool // of one viewer
}

func newFeed(s *Stream, id feedID, newMuxer func() Muxer) *Feed {
	f := &Feed{stream: s, id: id, newMuxer: newMuxer, viewers: make(map[*FeedReader]struct{})}
	for i := range f.shards {
		f.shards[i].wake = make(chan struct{})
	}
	return f
}

// start begins the work with the first viewer. f.mu must be held.
func (f *Feed) start() {
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = cancel
	f.mux = f.newMuxer()
	f.reader = f.stream.NewReader(f.id.tracks)
	f.fill(time.Now())
	f.delays = delays{since: time.Since(f.stream.began)} // what the first viewer begins with waited for nobody
	go f.run(ctx, f.reader)
}

// halt ends the work after the last viewer, and takes the feed out of the stream's list: viewers choose tracks as they
// like, so a list of all that were ever asked for would have no bound. f.mu must be held.
func (f *Feed) halt() {
	f.stream.forgetFeed(f)
	f.stop()
	f.stop = nil
	f.blocks, f.marks = nil, nil
	f.entry = entry{}
	f.base = f.end
}

// run beats until the feed is halted or the stream has ended. Beats lie on a grid; a feed with nothing to send sleeps
// until there is a frame, and then until the next point of the grid.
func (f *Feed) run(ctx context.Context, r *Reader) {
	origin := time.Now()
	from := origin
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		which, due := f.nextBeat(origin, from)
		timer.Reset(time.Until(due))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		idle, ended := f.beat(ctx, which)
		if ended {
			return
		}
		from = due
		if idle {
			if r.await(ctx) != nil {
				return
			}
			from = time.Now()
		}
	}
}

// nextBeat returns the shard that is due next after from, and when. from is the last beat rather than now, so that a late
// beat makes the next one late but passes over none.
func (f *Feed) nextBeat(origin, from time.Time) (which int, due time.Time) {
	interval := f.stream.rules.Load().Latency
	f.mu.Lock()
	defer f.mu.Unlock()
	used := 0
	for i := range f.shards {
		if f.shards[i].n > 0 {
			used++
		}
	}
	best := interval + 1
	phase := time.Duration(0)
	for i := range f.shards {
		if f.shards[i].n == 0 {
			continue
		}
		wait := interval - (from.Sub(origin)+interval-phase)%interval
		if wait < best {
			which, best = i, wait
		}
		phase += interval / time.Duration(used)
	}
	return which, from.Add(best)
}

// beat muxes what is new and wakes one shard, or all at the end. It is idle if no shard has anything to wait for.
func (f *Feed) beat(ctx context.Context, which int) (idle, ended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		return false, true
	}
	now := time.Now()
	f.fill(now)
	if f.ended {
		for i := range f.shards {
			f.signal(&f.shards[i], now)
		}
		return false, true
	}
	if sh := &f.shards[which]; sh.end != f.end {
		f.signal(sh, now)
		return false, false
	}
	for i := range f.shards {
		if f.shards[i].n > 0 && f.shards[i].end != f.end {
			return false, false
		}
	}
	return true, false
}

func (sh *shard) signal(end int64) {
	sh.end = end
	close(sh.wake)
	sh.wake = make(chan struct{})
}

// fill muxes all frames that are new. f.mu must be held.
func (f *Feed) fill(now time.Time) {
	before := f.end
	for {
		fr, err := f.reader.TryReadFrame()
		if err != nil {
			f.ended = true
			break
		}
		if fr == nil {
			break
		}
		if fr.entry && !f.holdsEntry() {
			f.entry = entry{valid: true, at: f.end, time: fr.Time, setup: fr.setup}
		}
		b := f.room(f.mux.Size(fr), now)
		n := len(b.buf)
		b.buf = f.mux.AppendFrame(b.buf, fr)
		f.end += int64(len(b.buf) - n)
		if fr.Media() {
			f.delays.came(f.end, time.Duration(f.reader.came))
		}
	}
	if f.end > before {
		f.trim(now)
	}
}

// room returns the block to append n bytes to. f.mu must be held.
func (f *Feed) room(n int, now time.Time) *block {
	size := minBlock
	if len(f.blocks) > 0 {
		last := f.blocks[len(f.blocks)-1]
		if cap(last.buf)-len(last.buf) >= n {
			return last
		}
		size = min(cap(last.buf), maxBlock) // a frame may have needed more
		if now.Sub(last.since) < 4*time.Second {
			size = min(2*size, maxBlock)
		}
	}
	b := &block{at: f.end, buf: make([]byte, 0, max(size, n)), since: now}
	f.blocks = append(f.blocks, b)
	return b
}

// trim moves the base up to what the bounds keep and forgets the blocks that no viewer needs. f.mu must be held.
func (f *Feed) trim(now time.Time) {
	rules := f.stream.rules.Load()
	f.marks = append(f.marks, mark{f.end, now})
	drop := 0
	for drop < len(f.marks)-1 && rules.Lag.exceeded(now.Sub(f.marks[drop].when).Milliseconds(), f.end-f.marks[drop].at) {
		f.base = f.marks[drop].at
		drop++
	}
	f.marks = slices.Delete(f.marks, 0, drop)

	if f.entry.valid && rules.gopCache() && rules.Join.exceeded(f.stream.newest()-f.entry.time, f.end-f.entry.at) {
		f.entry.valid = false
	}
	if f.id.own && f.passed(f.entry.at) {
		f.entry.valid = false // nobody else will begin there
	}
	for len(f.blocks) > 1 && !f.needs(f.blocks[1].at) {
		f.blocks = slices.Delete(f.blocks, 0, 1)
	}
}

// holdsEntry tells whether the place to begin is to stay: the one viewer of a feed of its own begins with the first bytes.
// f.mu must be held.
func (f *Feed) holdsEntry() bool { return f.id.own && f.entry.valid && !f.begun }

// passed tells whether all viewers have got what is at a place. f.mu must be held.
func (f *Feed) passed(at int64) bool {
	for r := range f.viewers {
		if !r.joined || r.pos <= at {
			return false
		}
	}
	return len(f.viewers) > 0
}

// tooMany tells whether a viewer at pos has passed the bound of the lag in bytes. f.mu must be held.
func (f *Feed) tooMany(pos int64) bool {
	return f.stream.rules.Load().Lag.exceeded(0, f.end-pos)
}

// needs tells whether a new or a present viewer may still ask for a byte before at. f.mu must be held.
func (f *Feed) needs(at int64) bool {
	if f.entry.valid && f.entry.at < at {
		return true
	}
	for r := range f.viewers {
		if r.joined && r.pos < at && !r.lost() {
			return true
		}
	}
	return false
}

// newest returns the time of the newest frame.
func (s *Stream) newest() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.time.newest
}

// Join adds a viewer to the feed. It begins at the newest place of entry, or at the next if there is none. The caller
// must call Leave.
func (f *Feed) Join(session *Session) *FeedReader {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop == nil {
		f.start()
	}
	r := &FeedReader{feed: f, session: session, shard: f.pickShard()}
	f.viewers[r] = struct{}{}
	sh := &f.shards[r.shard]
	if sh.n++; sh.n == 1 {
		sh.end = f.end // its viewer takes what there is without waiting
	}
	return r
}

// pickShard returns the first group with room, or the smallest. f.mu must be held.
func (f *Feed) pickShard() int {
	smallest := 0
	for i := range f.shards {
		if f.shards[i].n < shardViewers {
			return i
		}
		if f.shards[i].n < f.shards[smallest].n {
			smallest = i
		}
	}
	return smallest
}
