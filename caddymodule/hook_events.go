package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

func init() {
	caddy.RegisterModule(new(EventsHook))
}

// EventsHook gives what happens to Caddy's events app, so that its handlers can be bound to it.
//
// `rtmp_publish` and `rtmp_play` are emitted before a session begins: a handler that aborts one refuses the client, and one
// that takes long lets it wait. The others tell what has happened, in its order, and cannot change it: `rtmp_published`,
// `rtmp_unpublished`, `rtmp_playing`, `rtmp_stopped`, `rtmp_refused`, and `rtmp_closed`, which is the end of an RTMP
// connection; and `rtmp_hls` for each segment that is made.
//
// Their data are `session`, `action`, `protocol`, `vhost`, `app`, `stream`, `query` (which is not shown in logs),
// `remote_ip`, `host`, `tc_url`, `page_url`, `user_agent` and `tls`; later `user`, `note` and `clients` too, and at the end
// `reason`, `duration` (seconds), `bytes_sent` and `bytes_received`.
type EventsHook struct {
	ctx    caddy.Context
	events *caddyevents.App
	logger *zap.Logger

	queue   chan happening
	working sync.WaitGroup
	lost    sync.Once
}

// A happening is an event that is to be emitted.
type happening struct {
	name string
	data map[string]any
}

const (
	// eventQueue is how many events may wait for their handlers. Beyond, they are lost: handlers are too slow then.
	eventQueue = 4096
	// lastHandlersTime is how long the end of a configuration waits for handlers of what has happened under it.
	lastHandlersTime = 2 * time.Second
)

// eventNames are the names under which what has happened is emitted.
var eventNames = map[live.EventType]string{
	live.EventPublish:   "rtmp_published",
	live.EventUnpublish: "rtmp_unpublished",
	live.EventPlay:      "rtmp_playing",
	live.EventStop:      "rtmp_stopped",
	live.EventRefuse:    "rtmp_refused",
	live.EventClose:     "rtmp_closed",
}

// CaddyModule returns the Caddy module information.
func (*EventsHook) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "rtmp.hooks.caddy_events", New: func() caddy.Module { return new(EventsHook) }}
}

// Provision finds the events app.
func (h *EventsHook) Provision(ctx caddy.Context) error {
	app, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("getting the events app: %w", err)
	}
	events, ok := app.(*caddyevents.App)
	if !ok {
		return fmt.Errorf("the events app is a %T", app)
	}
	h.ctx, h.events, h.logger = ctx, events, ctx.Logger()
	h.queue = make(chan happening, eventQueue)
	return nil
}

// Start implements worker. Handlers run in a goroutine of their own, since they may take their time.
func (h *EventsHook) Start() {
	h.working.Go(func() {
		for e := range h.queue {
			if e.name == "" {
				return
			}
			h.events.Emit(h.ctx, e.name, e.data)
		}
	})
}

// Stop implements worker.
func (h *EventsHook) Stop() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.queue <- happening{} // behind all others
		h.working.Wait()
	}()
	select {
	case <-done:
	case <-time.After(lastHandlersTime): // the context of this configuration ends now, and with it the handlers
		h.logger.Warn("handlers of events were too slow, and have not seen the last ones")
	}
}

// Admit implements live.Guard.
func (h *EventsHook) Admit(_ context.Context, r *live.Request) (live.Grant, error) {
	name := "rtmp_" + r.Action.String()
	if !h.events.ShouldEmit(name) {
		return live.Grant{}, nil
	}
	if e := h.events.Emit(h.ctx, name, requestData(r)); e.Aborted != nil {
		refusal := live.Refuse(live.ErrDenied, "the operator's rules do not allow it")
		return live.Grant{}, fmt.Errorf("a handler has aborted %s: %w: %w", name, e.Aborted, refusal)
	}
	return live.Grant{}, nil
}

// Observe implements live.Observer.
func (h *EventsHook) Observe(e live.Event) {
	name := eventNames[e.Type]
	if name == "" || !h.events.ShouldEmit(name) {
		return
	}
	h.emit(name, eventData(&e))
}

// emit queues an event.
func (h *EventsHook) emit(name string, data map[string]any) {
	select {
	case h.queue <- happening{name, data}:
	default:
		h.lost.Do(func() {
			h.logger.Error("handlers of events are too slow, and some events are lost", zap.String("event", name))
		})
	}
}

// wantsSegments implements listener: who watches lets segments be made.
func (h *EventsHook) wantsSegments() bool { return false }

// listed implements listener.
func (h *EventsHook) listed(s *hooks.Segment) {
	if !h.events.ShouldEmit(segmentEvent) {
		return
	}
	data := requestData(&s.Publisher.Request)
	data["duration"], data["number"], data["url"], data["playlist"] = s.Length.Seconds(), s.Number, s.URL, s.Playlist
	h.emit(segmentEvent, data)
}

// segmentEvent is the name of the event of a segment of HLS.
const segmentEvent = "rtmp_hls"

// requestData returns what a client asks for.
func requestData(r *live.Request) map[string]any {
	return map[string]any{
		"session":    r.ID,
		"action":     r.Action.String(),
		"protocol":   r.Protocol,
		"vhost":      r.Key.Vhost,
		"app":        r.Key.App,
		"stream":     r.Key.Name,
		"query":      unlogged(r.Query),
		"remote_ip":  place(addressOf(r)),
		"host":       r.Host,
		"tc_url":     unlogged(r.TCURL),
		"page_url":   r.PageURL,
		"user_agent": r.UserAgent,
		"tls":        r.TLS != nil,
	}
}

func eventData(e *live.Event) map[string]any {
	s := &e.Session
	data := requestData(&s.Request)
	data["user"], data["note"], data["clients"] = s.Grant.User, s.Grant.Note, e.Clients
	switch e.Type {
	case live.EventUnpublish, live.EventStop:
		data["duration"] = e.Time.Sub(s.Began).Seconds()
		data["reason"] = reason(e.Err)
	case live.EventRefuse:
		data["reason"] = reason(e.Err)
		return data
	case live.EventPublish, live.EventPlay:
		return data
	case live.EventClose:
	}
	data["bytes_sent"], data["bytes_received"] = s.Totals.Sent, s.Totals.Received
	return data
}

// unlogged is a text that may hold a secret: placeholders give it, but the events app, which logs the data of each event,
// shows only that it is there.
type unlogged string

// String returns the text.
func (s unlogged) String() string { return string(s) }

// MarshalJSON hides it.
func (s unlogged) MarshalJSON() ([]byte, error) {
	if s == "" {
		return []byte(`""`), nil
	}
	return json.Marshal("REDACTED")
}

// UnmarshalCaddyfile sets up the hook from tokens.
//
//	caddy_events
func (h *EventsHook) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the module's name
	if d.NextArg() {
		return d.ArgErr()
	}
	return parseBlock(d, "hook caddy_events", nil)
}

// Interface guards
var (
	_ caddy.Provisioner     = (*EventsHook)(nil)
	_ caddyfile.Unmarshaler = (*EventsHook)(nil)
	_ live.Guard            = (*EventsHook)(nil)
	_ live.Observer         = (*EventsHook)(nil)
	_ worker                = (*EventsHook)(nil)
	_ listener              = (*EventsHook)(nil)
)
