package caddymodule

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/hls"
)

// A caller is a hook that calls back ends.
type caller interface {
	// connect makes the webhook, which shares b with those of other generations.
	connect(b *hooks.Backends) (*hooks.Webhook, error)
	// durable tells whether its events are to survive the process.
	durable() bool
}

// A worker is a hook that does something by itself while its configuration is in force. Start returns at once; Stop waits
// for what was begun, but not for long.
type worker interface {
	Start()
	Stop()
}

// provisionHooks loads the hooks. The engine must be there.
func (a *App) provisionHooks(ctx caddy.Context) error {
	mods, err := ctx.LoadModule(a, "HooksRaw")
	if err != nil {
		return fmt.Errorf("loading hooks: %w", err)
	}
	a.hooks, _ = mods.([]any)
	for _, m := range a.hooks {
		_, asks := m.(live.Guard)
		_, told := m.(live.Observer)
		if !asks && !told {
			return fmt.Errorf("%T is no hook: it is neither asked nor told", m)
		}
		c, ok := m.(caller)
		if !ok {
			continue
		}
		w, err := c.connect(a.engine.backends)
		if err != nil {
			return fmt.Errorf("hook: %w", err)
		}
		a.webhooks = append(a.webhooks, w)
	}
	hooks.Distinguish(a.webhooks)
	a.warnOfOpenHLS()
	if a.Heartbeat == nil {
		return nil
	}
	if err := a.Heartbeat.provision(ctx, a.engine); err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	return nil
}

// warnOfOpenHLS warns of apps whose viewers by HLS no hook is asked about.
func (a *App) warnOfOpenHLS() {
	if !slices.ContainsFunc(a.webhooks, func(w *hooks.Webhook) bool { return w.Wants(hooks.OnPlay) }) {
		return
	}
	all := []map[string]*Application{a.Applications}
	for _, v := range a.Vhosts {
		all = append(all, v.Applications)
	}
	for _, applications := range all {
		for name, app := range applications {
			if app.HLS.open() {
				a.logger.Warn("hls sessions off: viewers by HLS are files to anybody, and no hook is asked or told of them",
					zap.String("app", name))
			}
		}
	}
}

// workers returns all that work by themselves.
func (a *App) workers() (list []worker) {
	for _, m := range a.hooks {
		if w, ok := m.(worker); ok {
			list = append(list, w)
		}
	}
	if a.Heartbeat != nil {
		list = append(list, a.Heartbeat)
	}
	return list
}

// startHooks opens what hooks need, before this generation is in force.
func (a *App) startHooks() error {
	for _, m := range a.hooks {
		if c, ok := m.(caller); ok && c.durable() {
			if err := a.engine.openOutbox(); err != nil {
				return fmt.Errorf("hook: %w", err)
			}
		}
	}
	for _, w := range a.workers() {
		w.Start()
	}
	return nil
}

// stopHooks ends what startHooks has begun.
func (a *App) stopHooks() {
	for _, w := range a.workers() {
		w.Stop()
	}
}

// ask implements live.Policy: first the rules are asked, then the hooks, in the order of the configuration.
func (a *App) ask(ctx context.Context, r *live.Request) (live.Grant, error) {
	grant, err := a.admit(ctx, r)
	for _, m := range a.hooks {
		guard, ok := m.(live.Guard)
		if !ok || err != nil {
			continue
		}
		var more live.Grant
		more, err = guard.Admit(ctx, r)
		grant = grant.And(more)
	}
	if err != nil {
		a.forget(r.ID)
		return live.Grant{}, err
	}
	return grant, nil
}

// tell implements live.Policy: it writes the log and tells the hooks.
func (a *App) tell(e live.Event) {
	a.observe(e)
	a.engine.events.Observe(e)
	for _, m := range a.hooks {
		if observer, ok := m.(live.Observer); ok {
			observer.Observe(e)
		}
	}
	if c := a.engine.hlsConfig(e.Session.Key); e.Type == live.EventPublish && (c.AlwaysOn || c.Told) {
		a.engine.hls.Keep(e.Session.Key, c)
	}
	if slices.Contains(lastEvents, e.Type) {
		a.forget(e.Session.ID)
	}
}

// lastEvents are those after which no hook is told of a session any more.
var lastEvents = []live.EventType{live.EventUnpublish, live.EventStop, live.EventRefuse}

func (a *App) forget(id string) {
	if err := a.engine.backends.Forget(id); err != nil {
		a.logger.Error("what a back end was owed is not forgotten", zap.String("session", id), zap.Error(err))
	}
}

// A listener is a hook that is told of segments of HLS.
type listener interface {
	// wantsSegments tells whether segments are to be made for it although nobody watches.
	wantsSegments() bool
	// listed tells of a segment that is in the playlist. It does not block.
	listed(s *hooks.Segment)
}

// wantsSegments tells whether a hook wants segments of every stream.
func (a *App) wantsSegments() bool {
	return slices.ContainsFunc(a.hooks, func(m any) bool {
		l, ok := m.(listener)
		return ok && l.wantsSegments()
	})
}

// keepSegments lets the streams on air be segmented, or not, as the configuration in force says.
func (e *engine) keepSegments() {
	for _, s := range e.hub.Snapshot().Streams {
		if s.Publisher != nil {
			e.hls.Keep(s.Key, e.hlsConfig(s.Key))
		}
	}
}

// listed tells the hooks in force of a segment.
func (e *engine) listed(s hls.Segment) {
	a := e.current.Load()
	if a == nil || s.Publisher == nil || !s.First {
		return
	}
	segment := &hooks.Segment{
		Publisher: *s.Publisher,
		StreamID:  s.StreamID,
		Number:    s.Number,
		Length:    s.Length,
		URL:       s.URL,
		Playlist:  s.Playlist,
	}
	if s.File != "" {
		segment.CWD, _ = os.Getwd()
		segment.File, segment.PlaylistFile = s.File, s.PlaylistFile
	}
	for _, m := range a.hooks {
		if l, ok := m.(listener); ok {
			l.listed(segment)
		}
	}
}

// newBackends makes what webhooks share.
func (e *engine) newBackends() (*hooks.Backends, error) {
	fleeting, err := outbox.Open(outbox.Options{Logger: e.logger})
	if err != nil {
		return nil, fmt.Errorf("setting up the outbox: %w", err)
	}
	return &hooks.Backends{
		Identity: hooks.Identity{ID: e.server, Service: e.service},
		Hub:      e.hub,
		Fleeting: fleeting,
	}, nil
}

// openOutbox opens the database in which events wait until they are delivered, if it is not open.
func (e *engine) openOutbox() error {
	e.opening.Lock()
	defer e.opening.Unlock()
	if e.outbox != nil {
		return nil
	}
	o, err := outbox.Open(outbox.Options{Path: outboxPath(), Logger: e.logger})
	if err != nil {
		return fmt.Errorf("opening the outbox, where events wait until they are delivered "+
			"(another Caddy may use it; \"delivery best_effort\" does without): %w", err)
	}
	e.outbox = o
	e.backends.SetDurable(o)
	return nil
}

// outboxPath is the file of the outbox, below Caddy's data folder.
func outboxPath() string { return filepath.Join(caddy.AppDataDir(), "rtmp", "outbox.db") }
