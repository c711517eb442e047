package hls

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A channel is what a server keeps for one stream name: its segmenters and its viewers. It exists only for names that
// have been on air, and only while somebody watches.
type channel struct {
	server *Server
	key    live.Key
	users  int // requests in progress; guarded by server.mu
	config atomic.Pointer[Config]
	signer *signer

	mu         sync.Mutex
	segmenters map[*variant]*segmenter
	viewers    map[string]*viewer // by token
}

func newChannel(s *Server, k live.Key, c Config) *channel {
	ch := &channel{server: s, key: k, segmenters: make(map[*variant]*segmenter), viewers: make(map[string]*viewer)}
	ch.config.Store(&c)
	ch.signer = newSigner(s.mint.Load(), k)
	return ch
}

// configure puts c in force.
func (ch *channel) configure(c Config) {
	if *ch.config.Load() != c {
		ch.config.Store(&c)
	}
}

// segmenter returns the segmenter of a variant, which reads what is on air now. It is nil if nothing is, and nothing was
// of late.
func (ch *channel) segmenter(v *variant) *segmenter {
	stream := ch.onAir()
	ch.mu.Lock()
	defer ch.mu.Unlock()
	g := ch.segmenters[v]
	if g == nil {
		if stream == nil {
			return nil
		}
		w := newWindow(ch.server.start, v, ch.server.seed(), &ch.server.seams)
		g = newSegmenter(w, func() Config { return *ch.config.Load() }, ch.drain)
		g.listed = func(p *live.SessionInfo, streamID string, s *segment, file string) {
			ch.listed(v, p, streamID, s, file)
		}
		ch.shelve(g)
		ch.segmenters[v] = g
	}
	g.ask()
	g.follow(ch.server, stream)
	return g
}

// onAir returns the stream that is on air, or nil.
func (ch *channel) onAir() *live.Stream {
	stream, ok := ch.server.hub.Stream(ch.key)
	if !ok || stream.Err() != nil {
		return nil
	}
	return stream
}

// resume lets segmenters go on whose stream has come back, for those who wait for what comes next.
func (ch *channel) resume() {
	stream := ch.onAir()
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for _, g := range ch.segmenters {
		g.follow(ch.server, stream)
	}
}

// stayOn lets the segments of what is on air be made, if the configuration says so.
func (ch *channel) stayOn() {
	c := ch.config.Load()
	for i, v := range c.chosen() {
		if c.AlwaysOn || c.Told && i == 0 {
			ch.segmenter(v)
		}
	}
}

// window returns the window of a rendition, or nil.
func (ch *channel) window(r rendition) *window {
	ch.mu.Lock()
	g := ch.segmenters[r.variant]
	ch.mu.Unlock()
	if g == nil {
		return nil
	}
	if g = g.companion(r); g == nil {
		return nil
	}
	return g.window
}

// viewer returns the viewer of a token, or nil.
func (ch *channel) viewer(token string) *viewer {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.viewers[token]
}

// add puts a viewer on the list, unless its token is there already. It returns the one that is on the list then.
func (ch *channel) add(v *viewer) *viewer {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if old := ch.viewers[v.token]; old != nil {
		return old
	}
	ch.viewers[v.token] = v
	return v
}

// revive returns the viewer of a token that was made here, with a session that is asked for unless there is one. A viewer
// that is refused is off the list.
func (ch *channel) revive(ctx context.Context, token string, req live.Request, wait time.Duration) (*viewer, error) {
	for {
		v := ch.add(newViewer(token))
		select {
		case v.asking <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		v.touch()
		if ch.viewer(token) != v { // it was refused while this one waited
			<-v.asking
			continue
		}
		err := ch.ask(ctx, v, req, wait)
		<-v.asking
		return v, err
	}
}

func (ch *channel) ask(ctx context.Context, v *viewer, req live.Request, wait time.Duration) error {
	switch v.look() {
	case present:
		return nil
	case kicked:
		return live.ErrKicked
	}
	if err := v.ask(ctx, ch.server.hub, req, wait); err != nil {
		ch.remove(v, err)
		return err
	}
	return ch.keep(v)
}

// keep undoes the admission of a viewer that came when the server had just been closed.
func (ch *channel) keep(v *viewer) error {
	if ch.server.ctx.Err() == nil {
		return nil
	}
	ch.remove(v, live.ErrClosing)
	return live.Refuse(live.ErrClosing, "the server is shutting down")
}

// remove ends a viewer and takes it off the list.
func (ch *channel) remove(v *viewer, reason error) {
	v.end(absent, reason)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.viewers[v.token] == v && v.look() != kicked {
		delete(ch.viewers, v.token)
	}
}

// drain ends the sessions of a stream that has ended. Their viewers may still fetch what is listed.
func (ch *channel) drain(s *live.Stream) {
	for _, v := range ch.list() {
		if v.watches(s) {
			v.end(drained, live.ErrEnded)
		}
	}
}

func (ch *channel) list() []*viewer {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return slices.Collect(maps.Values(ch.viewers))
}

// target returns the longest target duration of the channel's playlists.
func (ch *channel) target() time.Duration {
	target := ch.config.Load().Segment
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for _, g := range ch.segmenters {
		if p := g.window.playlist(); p != nil {
			target = max(target, time.Duration(p.target)*time.Second)
		}
	}
	return target
}

// sweep removes what is stale, and tells whether nothing is left.
func (ch *channel) sweep(now time.Time) (empty bool) {
	ch.stayOn()
	ch.resume()
	ch.mu.Lock()
	maps.DeleteFunc(ch.segmenters, func(_ *variant, g *segmenter) bool {
		g.conclude(now)
		stale := g.stale(now)
		if stale && g.shelf != nil {
			g.shelf.clear()
		}
		if stale {
			ch.server.raise(g.window.floor())
		}
		return stale
	})
	rest := len(ch.segmenters) > 0
	ch.mu.Unlock()
	ch.sweepViewers(now, rest)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	maps.DeleteFunc(ch.viewers, func(_ string, v *viewer) bool { return v.look() == kicked && v.idle(now) > kickedFor })
	return !rest && len(ch.viewers) == 0
}

// sweepViewers looks after who has fallen silent: a viewer that has missed a playlist, as one that has begun anew under
// another token, counts no more after a target duration and a half, and has gone after two and 5 s. rest says that there
// is something left to fetch.
func (ch *channel) sweepViewers(now time.Time, rest bool) {
	target := ch.target()
	patience := 2*target + 5*time.Second - sweepEvery
	for _, v := range ch.list() {
		if s := v.stream(); s != nil && s.Err() != nil {
			v.end(drained, live.ErrEnded)
		}
		if v.expired(now, patience, rest) {
			ch.remove(v, nil)
			continue
		}
		if away := v.idle(now) > target*3/2; away != v.away.Load() {
			v.setAway(away)
		}
	}
}

// expired tells whether a viewer is to be removed. rest says that there is something left to fetch.
func (v *viewer) expired(now time.Time, patience time.Duration, rest bool) bool {
	switch v.look() {
	case present:
		return v.idle(now) > patience
	case drained:
		return !rest || v.idle(now) > patience
	}
	return v.idle(now) > patience
}
