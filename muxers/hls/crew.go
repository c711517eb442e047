package hls

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A crew makes what a stream has besides its main rendition: a lane for each further track, cut where the main rendition is.
// It is read by the same goroutine, somewhat behind the main rendition, out of the stream's log.
type crew struct {
	plan  plan
	setup *live.Setup // of which the lanes are
	lanes map[rendition]*lane
	asks  bool  // somebody cannot go on but behind a discontinuity
	since int64 // the stream time at which that was
}

// ask asks for a discontinuity.
func (c *crew) ask() {
	if !c.asks {
		c.asks, c.since = true, c.plan.newest
	}
}

// cuts tells whether the discontinuity that was asked for is before f: the next key frame is the best place, if it comes soon.
func (c *crew) cuts(f *live.Frame) bool {
	return c.asks && (f.Kind == live.KindVideo && f.Key || f.Time >= c.since+grace)
}

// watch asks for a discontinuity if a track of a lane has another configuration in setup.
func (c *crew) watch(setup *live.Setup) {
	if setup == c.setup {
		return
	}
	for r := range c.lanes {
		a, _ := find(c.setup, live.Track{Kind: r.kind, Number: r.number})
		b, ok := find(setup, live.Track{Kind: r.kind, Number: r.number})
		if ok && a.Config != nil && (a.Codec != b.Codec || a.Config != b.Config) {
			c.ask()
		}
	}
}

// A lane makes one rendition.
type lane struct {
	segmenter *segmenter
	reader    *live.Reader
	held      *live.Frame // the next one; nil if it was not read yet
	skips     int
	broken    bool // frames before the next one are missing
}

// muster takes on a lane for each track that s has besides the main ones.
func (g *segmenter) muster(s *live.Stream) {
	setup := s.Setup()
	if setup == g.crew.setup || len(g.crew.plan.marks) == 0 {
		return
	}
	g.crew.setup = setup
	further := g.window.variant.further(setup)
	maps.DeleteFunc(g.crew.lanes, func(r rendition, _ *lane) bool { return !slices.Contains(further, r) })
	for _, r := range further {
		if g.crew.lanes[r] != nil {
			continue
		}
		if g.crew.lanes == nil {
			g.crew.lanes = make(map[rendition]*lane)
		}
		l := &lane{segmenter: g.hire(r), reader: s.NewReaderFromOldest(r.tracks())}
		l.segmenter.begin()
		l.segmenter.cut = cutter{led: &g.crew.plan}
		g.crew.lanes[r] = l
	}
}

// hire returns the segmenter of a further track, which goes on if there was one.
func (g *segmenter) hire(r rendition) *segmenter {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.others[r]
	if c == nil {
		w := newWindow(r.start(g.window.start), r.variant, g.crew.plan.first(), g.window.count)
		c = newSegmenter(w, g.config, func(*live.Stream) {})
		w.reports = func() []report { return g.report(r) }
		if g.others == nil {
			g.others = make(map[rendition]*segmenter)
		}
		g.others[r] = c
	}
	c.mu.Lock()
	c.done = g.done
	c.mu.Unlock()
	return c
}

// each calls f with the windows of all renditions.
func (g *segmenter) each(f func(*window)) {
	f(g.window)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.others {
		f(c.window)
	}
}

// next takes in the next frame of the main rendition, for which it waits, and what the lanes have up to there.
func (g *segmenter) next(ctx context.Context, r *live.Reader) error {
	f, err := r.ReadFrame(ctx)
	if err != nil {
		return err
	}
	g.lead(f, r)
	return nil
}

// lead takes in a frame of the main rendition, which r has just given, and what the lanes have up to there.
func (g *segmenter) lead(f *live.Frame, r *live.Reader) {
	skips := r.Skipped()
	g.crew.watch(r.Stream().Setup())
	g.take(f, skips != g.skips || g.crew.cuts(f), time.Now())
	g.skips = skips
	g.muster(r.Stream())
	g.advance(g.crew.plan.newest)
}

// advance lets the lanes go on up to a stream time.
func (g *segmenter) advance(until int64) {
	for _, l := range g.crew.lanes {
		if !l.advance(until) {
			g.crew.ask()
		}
	}
}

// advance tells whether the lane could go on; if not, it needs a discontinuity.
func (l *lane) advance(until int64) bool {
	for {
		if l.held == nil {
			f, err := l.reader.TryReadFrame()
			if f == nil || err != nil {
				return true
			}
			l.held = f
			l.broken = l.broken || l.reader.Skipped() != l.skips
			l.skips = l.reader.Skipped()
		}
		if l.held.Time > until {
			return true
		}
		if !l.segmenter.take(l.held, l.broken, time.Time{}) {
			return false
		}
		l.held, l.broken = nil, false
	}
}

// finishAll ends the segments of all lanes with the stream.
func (g *segmenter) finishAll() {
	g.advance(math.MaxInt64)
	for _, l := range g.crew.lanes {
		l.segmenter.finish(l.segmenter.cut.end())
	}
}

// note notes the beginning of a segment for the lanes.
func (g *segmenter) note() {
	number, seams := g.window.upcoming(g.seam)
	g.crew.plan.add(mark{time: g.cut.start, number: number, seams: seams, seam: g.seam, origin: g.origin})
	g.crew.asks = g.crew.asks && !g.seam
}

// upcoming returns the numbers of the next segment.
func (w *window) upcoming(seam bool) (number, seams int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if seam && len(w.segments) > 0 {
		return w.next, w.seams + 1
	}
	return w.next, w.seams
}

// align lets the next segment have the numbers of m. What is listed goes if they do not follow. It is false if they were
// given out already.
func (w *window) align(m mark, seam bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.number < w.next {
		return false
	}
	if m.number > w.next {
		w.segments, w.open = nil, nil
	}
	w.next, w.seams = m.number, m.seams
	if seam && len(w.segments) > 0 {
		w.seams--
	}
	return true
}

// companion returns the segmenter of a rendition; nil if there is none.
func (g *segmenter) companion(r rendition) *segmenter {
	if r.kind == 0 {
		return g
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.others[r]
}

// companions returns the further renditions that are up to date, pictures first, by number.
func (g *segmenter) companions() []rendition {
	g.mu.Lock()
	list := slices.Collect(maps.Keys(g.others))
	g.mu.Unlock()
	newest := g.window.last()
	list = slices.DeleteFunc(list, func(r rendition) bool {
		w := g.companion(r).window
		p := w.playlist()
		return p == nil || w.last() < newest-1 || p.still && r.kind == live.KindVideo
	})
	slices.SortFunc(list, func(a, b rendition) int {
		return (int(a.kind)-int(b.kind))<<8 + int(a.number) - int(b.number)
	})
	return list
}

// assembly is how long the further tracks may be behind the main rendition at first.
const assembly = time.Second

// assemble waits until there is a playlist of each further track, since a player reads the multivariant playlist but once.
// The main rendition is there a little before the others; but a track that was announced may never come, so nobody waits
// for long after the first.
func (g *segmenter) assemble(ctx context.Context) {
	g.mu.Lock()
	deadline, stream := g.since.Add(assembly), g.stream
	g.mu.Unlock()
	for stream != nil && time.Now().Before(deadline) {
		if len(g.companions()) >= len(g.window.variant.further(stream.Setup())) {
			return
		}
		select {
		case <-time.After(onAirEvery):
		case <-ctx.Done():
			return
		}
	}
}

// last returns the number of the newest segment, -1 if there is none.
func (w *window) last() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.segments) == 0 {
		return -1
	}
	return w.next - 1
}
