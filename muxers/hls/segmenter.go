package hls

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A segmenter fills the window of one variant of one stream. It reads while somebody asks for the playlist; when the
// stream ends it keeps what it has, and goes on behind a discontinuity if the stream comes back in time.
type segmenter struct {
	window *window
	config func() Config
	ended  func(*live.Stream)                                                          // is called when a stream has ended and all of it is in the window
	listed func(publisher *live.SessionInfo, streamID string, s *segment, file string) // is called with each segment in the playlist; may be nil
	shelf  *shelf                                                                      // where segments become files; nil if they stay in memory
	ready  chan struct{}                                                               // closed when there is a playlist, with all that the log had when the reading began

	mu     sync.Mutex
	cancel context.CancelFunc       // ends the reading; nil while nothing is read
	done   chan struct{}            // closed when the reading has ended
	stream *live.Stream             // the one that is or was read
	since  time.Time                // when the first playlist was ready
	over   time.Time                // when the reading ended
	asked  time.Time                // when a playlist was asked for last
	others map[rendition]*segmenter // of the stream's further tracks, which go with this one

	// The following belong to the goroutine that reads.
	cut    cutter
	slice  slicer
	lock   locksmith
	packer packer
	making *segment          // the open segment, once it has a part; nil before
	frames []*live.Frame     // of the open segment, as far as they are in no part yet
	first  *resource         // the newest initialisation section
	seam   bool              // the open segment is behind a discontinuity
	origin time.Time         // the wall clock at stream time 0, if it was running all the time
	late   bool              // the log is being read
	source *live.Stream      // what is being read
	sender *live.SessionInfo // the newest publisher that was seen
	skips  int               // how often the reader has lost frames
	crew   crew              // those who make the further tracks
}

func newSegmenter(w *window, config func() Config, ended func(*live.Stream)) *segmenter {
	g := &segmenter{window: w, config: config, ended: ended, ready: make(chan struct{}), packer: w.variant.newPacker()}
	w.reports = func() []report { return g.report(w.variant.main()) }
	return g
}

// ask notes that somebody asks for the playlist.
func (g *segmenter) ask() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = time.Now()
}

// follow begins to read stream unless it is nil, is being read or has been.
func (g *segmenter) follow(server *Server, stream *live.Stream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if stream == nil || g.cancel != nil || g.stream == stream {
		return
	}
	ctx, cancel := context.WithCancel(server.ctx)
	g.cancel, g.stream, g.done = cancel, stream, make(chan struct{})
	if !server.run(func() { g.read(ctx, stream) }) {
		g.stop()
	}
}

// stop notes that nothing is read any more. g.mu must be held.
func (g *segmenter) stop() {
	g.cancel()
	g.cancel, g.over = nil, time.Now()
	close(g.done)
}

// wait returns the playlist as soon as there is one. It does not wait beyond limit, ctx or the end of the stream.
func (g *segmenter) wait(ctx context.Context, limit time.Duration) (*playlist, error) {
	select {
	case <-g.ready:
		return g.window.playlist(), nil
	default:
	}
	g.mu.Lock()
	done := g.done
	g.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-g.ready:
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if p := g.window.playlist(); p != nil {
		return p, nil
	}
	return nil, live.Refuse(live.ErrNotFound, "the stream has no finished segment")
}

// stale tells whether the segmenter has no use any more: nobody asks, or the stream has not come back while its playlist
// could still be played. It then reads no longer.
func (g *segmenter) stale(now time.Time) bool {
	var window, longest, patience time.Duration
	if p := g.window.playlist(); p != nil {
		window, longest, patience = length(p.segments), length(p.all), p.patience()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cancel == nil {
		return now.Sub(g.over) > max(10*time.Second, longest)+patience
	}
	if now.Sub(g.asked) <= max(30*time.Second, 3*window) {
		return false
	}
	g.cancel()
	return true
}

// conclude closes the playlist of a stream that has ended and has not come back while players still had something to play,
// and which is therefore taken to have ended for good.
func (g *segmenter) conclude(now time.Time) {
	p := g.window.playlist()
	g.mu.Lock()
	over := g.cancel == nil && p != nil && now.Sub(g.over) > p.patience()
	g.mu.Unlock()
	if !over {
		return
	}
	news := g.window.end()
	g.each(func(w *window) { w.end() })
	if news && g.shelf != nil {
		g.shelf.put(nil, nil)
	}
}

// read takes in a stream until it ends or ctx is done.
func (g *segmenter) read(ctx context.Context, s *live.Stream) {
	r := s.NewReaderFromOldest(live.Tracks{})
	g.source, g.sender = s, nil
	g.begin()
	err := g.catchUp(r)
	for g.skips = r.Skipped(); err == nil; {
		err = g.next(ctx, r)
	}
	if errors.Is(err, io.EOF) {
		g.finish(g.cut.end())
		g.finishAll()
	}
	if reason := s.Err(); ctx.Err() != nil || errors.Is(reason, live.ErrClosing) {
		g.each(func(w *window) { w.close(live.Refuse(live.ErrClosing, "the server is shutting down")) })
	}
	g.mu.Lock()
	g.stop()
	g.mu.Unlock()
	if errors.Is(err, io.EOF) {
		g.ended(s)
	}
}

func (g *segmenter) begin() {
	g.cut.open = false
	g.frames, g.making = nil, nil
	g.seam = true
	g.origin = time.Time{}
	g.crew = crew{}
}

// catchUp takes in what the log holds already. The newest frame of it has just come, which dates all of them.
func (g *segmenter) catchUp(r *live.Reader) error {
	g.late = true
	defer func() {
		g.muster(r.Stream())
		g.advance(g.crew.plan.newest)
		g.late = false
		g.announce()
	}()
	var backlog []*live.Frame
	f, err := r.TryReadFrame()
	for ; f != nil && err == nil; f, err = r.TryReadFrame() {
		backlog = append(backlog, f)
	}
	if len(backlog) == 0 {
		return err
	}
	newest := backlog[len(backlog)-1].Time
	origin := time.Now().Add(-time.Duration(newest) * time.Millisecond)
	for _, f := range backlog {
		g.take(f, false, at(origin, f.Time))
	}
	return err
}

// take takes in one frame, which came at the given moment. It is false only where a plan decides: the frame could not be
// taken, since there is no discontinuity before it.
func (g *segmenter) take(f *live.Frame, broken bool, came time.Time) bool {
	if !f.Media() {
		return true
	}
	c := g.config()
	g.cut.wanted, g.cut.longest = c.Segment.Milliseconds(), c.longest().Milliseconds()
	begun := g.cut.begun
	d := g.cut.next(f, broken)
	if d.stuck || d.lost {
		return !d.stuck
	}
	g.finish(d)
	g.seam = g.seam || d.seam
	if g.cut.begun != begun && !g.open(f, d.seam, came) {
		return true
	}
	g.pack(f)
	g.crew.plan.newest, g.crew.plan.target = g.cut.newest, g.cut.target
	return true
}

// open opens a segment that begins with f. It is false if that must not be, since there was one of its number already.
func (g *segmenter) open(f *live.Frame, seam bool, came time.Time) bool {
	if g.cut.led != nil {
		g.origin = g.cut.at.origin
		g.cut.open = g.window.align(g.cut.at, g.seam)
		return g.cut.open
	}
	if seam || g.origin.IsZero() {
		g.date(came, f.Time)
	}
	g.note()
	return true
}

// date fixes the wall clock of all that follows up to the next discontinuity. It does not go back.
func (g *segmenter) date(came time.Time, time int64) {
	if end := g.window.lastEnd(); came.Before(end) {
		came = end
	}
	g.origin = at(came, -time)
}

// finish completes the open segment and lists it. A segment of frames that the variant cannot carry is left out.
func (g *segmenter) finish(d cut) {
	if !d.ends {
		return
	}
	s := g.making
	g.making = nil
	if s == nil {
		s = g.whole(d)
	} else {
		g.endLast(d, s)
	}
	g.slice.begin(g.cut.start)
	if s.body.size == 0 {
		return
	}
	g.slice.fix(g.config().Part, g.cut.frame())
	s.length = d.length
	g.encrypt(s)
	s.size = s.body.size
	g.seam = false
	g.window.add(s, g.listing())
	g.announce()
	if g.shelf != nil {
		g.shelf.put(s, g.teller(s))
		return
	}
	g.teller(s)("")
}

// encrypt encrypts a segment that was made in one go, if that is wanted.
func (g *segmenter) encrypt(s *segment) {
	each := g.config().KeyEvery
	if each == 0 || len(s.parts) > 0 {
		g.lock = locksmith{}
		return
	}
	g.window.begin(s)
	g.lock.encrypt(s, g.window.keyName, each)
}

// whole makes a segment in one go at its end, so that its tables know all its tracks and its memory is taken once.
func (g *segmenter) whole(d cut) *segment {
	g.packer.Begin(d.setup, g.frames, !g.seam)
	s := g.newSegment(d.began)
	s.body = inMemory(g.packer.Pack(g.frames, d.began+d.length))
	g.drop(len(g.frames))
	return s
}

// newSegment returns a segment that begins at a stream time, for which the packer was told to begin.
func (g *segmenter) newSegment(began int64) *segment {
	s := &segment{seam: g.seam, began: at(g.origin, began)}
	init := g.packer.Init()
	if init == nil {
		return s
	}
	if g.first == nil || !bytes.Equal(g.first.body.pieces[0], init) {
		g.first = &resource{name: g.window.initName(), body: inMemory(init)}
	}
	s.init = g.first
	return s
}

// listing says what the playlist is to hold now.
func (g *segmenter) listing() listing {
	c := g.config()
	l := listing{count: c.Window, time: c.WindowTime, dvr: c.DVR, target: g.cut.target, media: g.packer.Media(), files: g.shelf != nil}
	if c.Storage.Folder != "" && g.shelf == nil {
		l.dvr = 0 // a further rendition, which is not kept in files, does not reach back
	}
	l.still = g.cut.newest > g.cut.picture+stall
	if frame := g.cut.frame(); frame > 0 && l.media.picture != nil {
		l.media.rate = 1000 / frame
	}
	if c.LowLatency && c.KeyEvery == 0 && g.window.variant.cutsParts {
		l.partTarget = g.slice.target
	}
	return l
}

// teller returns what tells of a segment that was listed, and of its file, once that is there; it may have none. When the
// last one is listed, its publisher has left already.
func (g *segmenter) teller(s *segment) func(file string) {
	if g.listed == nil {
		return func(string) {}
	}
	info := g.source.Info()
	if info.Publisher != nil {
		g.sender = info.Publisher
	}
	sender := g.sender
	return func(file string) { g.listed(sender, info.ID, s, file) }
}

// announce lets those go on who wait for a playlist, once there is one and it is worth having.
func (g *segmenter) announce() {
	select {
	case <-g.ready:
	default:
		if p := g.window.playlist(); !g.late && p != nil && !p.old {
			g.mu.Lock()
			g.since = time.Now()
			g.mu.Unlock()
			close(g.ready)
		}
	}
}

// at returns the moment of a stream time when 0 was at origin.
func at(origin time.Time, ms int64) time.Time {
	return origin.Add(time.Duration(ms) * time.Millisecond)
}
