package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/hls"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
	"github.com/caddy-rtmp/caddy-rtmp/stats"
)

// engines holds the process's only engine, for as long as a generation refers to it.
var engines = caddy.NewUsagePool()

const engineKey = "rtmp"

// An engine is what lives on when the configuration changes. It holds no context, logger or configuration of its own.
type engine struct {
	hub     *live.Hub
	rtmp    *rtmpapp.Server
	hls     *hls.Server
	rates   *stats.Rates
	system  *stats.System
	events  *stats.Events
	others  stats.Others // of the streams without series of their own in the metrics
	server  string       // names this server in the API, the same after a restart
	service string       // names this start of the engine in the API

	// backends are what webhooks share, opening is held while their outbox is being opened.
	backends *hooks.Backends
	opening  sync.Mutex
	outbox   *outbox.Outbox

	viewerKey sync.Once // done when hls has the key that it had before a restart
	seams     sync.Once // done when hls knows where it was with its discontinuities

	banning sync.Mutex // held while the bans are written down

	ended sync.Once

	mu      sync.Mutex
	apps    []*App // the generations that have started and not stopped, oldest first
	current atomic.Pointer[App]
}

// loadEngine returns the process's engine. The caller must release it once.
func loadEngine() (*engine, error) {
	e, _, err := engines.LoadOrNew(engineKey, func() (caddy.Destructor, error) { return newEngine() })
	if err != nil {
		return nil, fmt.Errorf("setting up the live-streaming engine: %w", err)
	}
	return e.(*engine), nil //nolint:errcheck // nothing else is in the pool
}

func releaseEngine() error {
	_, err := engines.Delete(engineKey)
	return err
}

func newEngine() (*engine, error) {
	e := &engine{hub: new(live.Hub), server: serverID(), service: stats.NewID(8)}
	// Apps that serve our clients, such as http and layer4, may start before us. A new hub admits everybody; one that has
	// lost its policy admits nobody, until ours is in force.
	none := new(live.Policy)
	e.hub.Activate(none)
	e.hub.Deactivate(none)
	e.loadBans()
	e.rtmp = &rtmpapp.Server{Hub: e.hub, Limits: e.limits, Logger: e.logger}
	e.hls = hls.NewServer(e.hub)
	e.hls.Listed = e.listed
	e.hls.Logger = e.logger
	e.rates = stats.NewRates(e.hub)
	e.system = new(stats.System)
	e.events = stats.NewEvents(e.service)
	var err error
	e.backends, err = e.newBackends()
	return e, err
}

// serverID makes an id in SRS's form of the one that Caddy keeps in its data folder. Where that folder cannot be written
// the id is another one after a restart, which is no reason not to serve.
func serverID() string {
	id, err := caddy.InstanceID()
	if err != nil {
		return "vid-" + stats.NewID(7)
	}
	sum := sha256.Sum256([]byte(id.String()))
	return "vid-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:7])
}

// activate makes a the generation in force.
func (e *engine) activate(a *App) {
	e.mu.Lock()
	e.apps = append(e.apps, a)
	e.current.Store(a)
	e.mu.Unlock()
	e.backends.Serve(a.webhooks)
	e.hub.Activate(a.policy)
	e.keepSegments()
	a.activated = time.Now() // no session that begins from now on is admitted by another
}

// deactivate withdraws a. If it was in force, as after a reload that failed in another app, the one before it is again.
// Else the reload has succeeded, and it is for the newest to say what becomes of the sessions.
func (e *engine) deactivate(a *App) {
	e.mu.Lock()
	succeeded := len(e.apps) > 0 && e.apps[len(e.apps)-1] != a
	e.apps = slices.DeleteFunc(e.apps, func(b *App) bool { return a == b })
	var newest *App
	if n := len(e.apps); n > 0 {
		newest = e.apps[n-1]
		e.current.Store(newest)
	}
	e.mu.Unlock()
	e.hub.Deactivate(a.policy)
	if newest != nil {
		e.backends.Serve(newest.webhooks)
		e.hub.Activate(newest.policy) // once more: the streams of apps that only a had end now
		e.keepSegments()
	}
	if succeeded {
		newest.succeed()
	}
}

// application returns the application of a stream in the newest active generation that has it, nil if none has.
func (e *engine) application(k live.Key) *Application {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range slices.Backward(e.apps) {
		if app := a.application(k); app != nil {
			return app
		}
	}
	return nil
}

// end tells all publishers and viewers that the server ends, and waits for them for at most limit. It does so once: who
// has not gone by then is cut off by Destruct, rather than waited for again.
func (e *engine) end(limit time.Duration) (err error) {
	e.ended.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		err = e.hub.Close(ctx)
		e.events.Close() // who follows them has been told of the last ends
	})
	return err
}

// Destruct ends everything. It is called when no generation refers to the engine: when the app was removed from the
// configuration, or the process ends.
func (e *engine) Destruct() error {
	err := e.end(cutOffTime) // for nothing if the last generation has done so
	e.hls.Close()
	e.rates.Close()
	// A peer that was told to go and does not is cut off.
	ctx, cancel := context.WithTimeout(context.Background(), cutOffTime)
	defer cancel()
	if closeErr := e.rtmp.Close(ctx); err == nil {
		err = closeErr
	}
	// The last events go out now if they can, or after the next start.
	ctx, cancel = context.WithTimeout(context.Background(), lastEventsTime)
	defer cancel()
	if closeErr := e.backends.Close(ctx); err == nil {
		err = closeErr
	}
	return err
}

// lastEventsTime is how long the end of the engine waits for back ends to take what is pending.
const lastEventsTime = 2 * time.Second

// cutOffTime is how long a connection may take to end once it was closed.
const cutOffTime = time.Second

func (e *engine) limits() rtmpapp.Limits {
	if a := e.current.Load(); a != nil {
		return a.limits()
	}
	return rtmpapp.Limits{}
}

func (e *engine) logger() *slog.Logger {
	if a := e.current.Load(); a != nil {
		return a.slogger
	}
	return slog.New(slog.DiscardHandler)
}
