package hls

import (
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
	ended  func(*live.Stream)                                             // is called when a stream has ended and all of it is in the window
	listed func(publisher *live.SessionInfo, streamID string, s *segment) // is called with each segment in the playlist; may be nil
	ready  chan struct{}                                                  // closed when there is a playlist, with all that the log had when the reading began

	mu     sync.Mutex
	cancel context.CancelFunc // ends the reading; nil while nothing is read
	done   chan struct{}      // closed when the reading has ended
	stream *live.Stream       // the one that is or was read
	over   time.Time          // when the reading ended
	asked  time.Time          // when a playlist was asked for last

	// The following belong to the goroutine that reads.
	cut    cutter
	packer packer
	frames []*live.Frame     // of the open segment
	seam   bool              // the open segment is behind a discontinuity
	origin time.Time         // the wall clock at stream time 0, if it was running all the time
	late   bool              // the log is being read
	source *live.Stream      // what is being read
	sender *live.SessionInfo // the newest publisher that was seen
}

func newSegmenter(w *window, config func() Config, ended func(*live.Stream)) *segmenter {
	return &segmenter{window: w, config: config, ended: ended, ready: make(chan struct{}), packer: w.variant.newPacker()}
}

// follow notes that somebody asks, and begins to read stream unless it is nil, is being read or has been.
func (g *segmenter) follow(server *Server, stream *live.Stream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = time.Now()
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
	window := time.Duration(0)
	if p := g.window.playlist(); p != nil {
		window = p.window()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cancel == nil {
		return now.Sub(g.over) > max(10*time.Second, window)
	}
	if now.Sub(g.asked) <= max(30*time.Second, 3*window) {
		return false
	}
	g.cancel()
	return true
}

// read takes in a stream until it ends or ctx is done.
func (g *segmenter) read(ctx context.Context, s *live.Stream) {
	r := s.NewReaderFromOldest(live.Tracks{})
	g.source, g.sender = s, nil
	g.begin()
	err := g.catchUp(r)
	for skips := r.Skipped(); err == nil; {
		var f *live.Frame
		if f, err = r.ReadFrame(ctx); err != nil {
			break
		}
		g.take(f, r.Skipped() != skips, time.Now())
		skips = r.Skipped()
	}
	if errors.Is(err, io.EOF) {
		g.finish(g.cut.end())
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
	g.frames = nil
	g.seam = true
	g.origin = time.Time{}
}

// catchUp takes in what the log holds already. The newest frame of it has just come, which dates all of them.
func (g *segmenter) catchUp(r *live.Reader) error {
	g.late = true
	defer func() {
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

// take takes in one frame, which came at the given moment.
func (g *segmenter) take(f *live.Frame, broken bool, came time.Time) {
	if !f.Media() {
		return
	}
	c := g.config()
	g.cut.wanted, g.cut.longest = c.Segment.Milliseconds(), c.longest().Milliseconds()
	d := g.cut.next(f, broken)
	g.finish(d)
	g.seam = g.seam || d.seam
	if d.seam || g.origin.IsZero() {
		g.date(came, f.Time)
	}
	g.frames = append(g.frames, f)
}

// date fixes the wall clock of all that follows up to the next discontinuity. It does not go back.
func (g *segmenter) date(came time.Time, time int64) {
	if end := g.window.lastEnd(); came.Before(end) {
		came = end
	}
	g.origin = at(came, -time)
}

// finish packs the open segment and lists it. A segment of frames that the variant cannot carry is left out.
func (g *segmenter) finish(d cut) {
	if !d.ends {
		return
	}
	body := g.pack(d.setup)
	clear(g.frames)
	g.frames = g.frames[:0]
	if len(body) == 0 {
		return
	}
	s := &segment{seam: g.seam, length: d.length, began: at(g.origin, d.began), body: body}
	g.seam = false
	g.window.add(s, g.config().Window, g.cut.target, d.setup)
	g.announce()
	g.tell(s)
}

// tell tells of a segment that was listed. When the last one is, its publisher has left already.
func (g *segmenter) tell(s *segment) {
	if g.listed == nil {
		return
	}
	info := g.source.Info()
	if info.Publisher != nil {
		g.sender = info.Publisher
	}
	g.listed(g.sender, info.ID, s)
}

// announce lets those go on who wait for a playlist, once there is one and it is worth having.
func (g *segmenter) announce() {
	select {
	case <-g.ready:
	default:
		if !g.late && g.window.playlist() != nil {
			close(g.ready)
		}
	}
}

// pack returns the bytes of the open segment. That is done in one go at its end, so that its tables know all its tracks
// and its memory is taken once.
func (g *segmenter) pack(setup *live.Setup) []byte {
	g.packer.Begin(setup)
	size := 0
	for _, f := range g.frames {
		size += len(f.Body) + len(f.Body)/32 + packerOverhead
	}
	body := make([]byte, 0, size)
	for _, f := range g.frames {
		body = g.packer.Append(body, f)
	}
	return body
}

// packerOverhead is about what a packer adds to a frame, in bytes.
const packerOverhead = 256

// at returns the moment of a stream time when 0 was at origin.
func at(origin time.Time, ms int64) time.Time {
	return origin.Add(time.Duration(ms) * time.Millisecond)
}
