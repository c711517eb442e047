package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/stats"
)

// Heartbeat tells a back end at intervals that this server is there, as SRS's heartbeat does. Its `service` changes with
// each start.
type Heartbeat struct {
	// URL is where it goes, by POST. Placeholders are replaced. It must be given.
	URL string `json:"url,omitempty"`

	// Interval is the time between two heartbeats. Default: 10s.
	Interval caddy.Duration `json:"interval,omitempty"`

	// DeviceID is what you call this server. Placeholders are replaced. Default: empty.
	DeviceID string `json:"device_id,omitempty"`

	// Summaries adds what `/api/v1/summaries` shows. Default: false.
	Summaries bool `json:"summaries,omitempty"`

	// Token is sent as `Authorization: Bearer <token>`. Placeholders are replaced. Default: none.
	Token string `json:"token,omitempty"`

	// TLS says how to call an `https://` URL. Default: verified against the system's authorities.
	TLS *reverseproxy.TLSConfig `json:"tls,omitempty"`

	beat      hooks.Heartbeat
	transport *http.Transport
	cancel    context.CancelFunc
	working   sync.WaitGroup
}

func (h *Heartbeat) provision(ctx caddy.Context, e *engine) error {
	repl := caddy.NewReplacer()
	address := repl.ReplaceAll(h.URL, "")
	u, err := hooks.ParseURL(address)
	if err != nil {
		return err
	}
	setDefault(&h.Interval, hooks.DefaultHeartbeatInterval)
	if h.Interval < caddy.Duration(100*time.Millisecond) {
		return fmt.Errorf("an interval of %s is shorter than 100ms", time.Duration(h.Interval))
	}
	config, err := clientTLS(ctx, h.TLS)
	if err != nil {
		return err
	}
	h.transport = hooks.NewTransport(config, u)
	h.beat = hooks.Heartbeat{
		Identity:  e.backends.Identity,
		URL:       address,
		Interval:  time.Duration(h.Interval),
		DeviceID:  repl.ReplaceAll(h.DeviceID, ""),
		Token:     repl.ReplaceAll(h.Token, ""),
		Transport: h.transport,
		UserAgent: userAgent,
		Logger:    ctx.Slogger(),
	}
	if h.Summaries {
		api := &stats.API{Hub: e.hub, System: e.system, Version: Version}
		h.beat.Summaries = api.Summaries
	}
	return nil
}

// Start implements worker.
func (h *Heartbeat) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	h.working.Go(func() {
		defer h.transport.CloseIdleConnections()
		h.beat.Run(ctx)
	})
}

// Stop implements worker.
func (h *Heartbeat) Stop() {
	if h.cancel != nil {
		h.cancel()
	}
	h.working.Wait()
}

// parseHeartbeat parses
//
//	heartbeat <url> {
//		interval  <duration>
//		device_id <text>
//		summaries
//		token     <token>
//		tls {
//			...
//		}
//	}
func (a *App) parseHeartbeat(d *caddyfile.Dispenser) error {
	if a.Heartbeat != nil {
		return d.Err("heartbeat stands twice")
	}
	h := new(Heartbeat)
	a.Heartbeat = h
	if !d.AllArgs(&h.URL) {
		return d.ArgErr()
	}
	anything := func(string) error { return nil }
	return parseBlock(d, "heartbeat", map[string]option{
		"interval":  durationOption(&h.Interval),
		"device_id": textOption(&h.DeviceID, anything),
		"summaries": flagOption(&h.Summaries),
		"token":     textOption(&h.Token, anything),
		"tls":       clientTLSOption(&h.TLS),
	})
}

// Interface guard
var _ worker = (*Heartbeat)(nil)
