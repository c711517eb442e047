package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
)

func init() {
	caddy.RegisterModule(new(App))
}

// appName is the app's module ID and the name of its global option.
const appName = "rtmp"

// The defaults of App.
const (
	defaultListen        = ":1935"
	defaultShutdownGrace = caddy.Duration(5 * time.Second)
)

// App takes live streams by RTMP and RTMPS and makes them available to the rtmp_flv, rtmp_ts, rtmp_audio, rtmp_hls and
// rtmp_api handlers. Publishers and viewers survive a reload of the configuration.
type App struct {
	// Servers are the listeners for RTMP, by a name of your choice. An empty object is none, for where the layer4 app
	// accepts the connections. Default: one on `:1935`.
	Servers map[string]*Server `json:"servers,omitzero"`

	// Applications are the RTMP apps of the default vhost, by name: the first part of a stream's path. `*` stands for every
	// app that has no entry of its own. Default: `*` with its defaults, so that every app exists; none if there are Vhosts,
	// so that only their names are served.
	Applications map[string]*Application `json:"applications,omitempty"`

	// Vhosts are name spaces of their own, by their host name. Clients whose host is none of their names meet on the default
	// vhost, `__defaultVhost__`, whichever name each of them uses. Default: none.
	Vhosts map[string]*Vhost `json:"vhosts,omitempty"`

	// HooksRaw are modules that are asked who may publish and play, after the rules, and told what has happened. They are
	// asked in this order; the first that refuses ends it. Default: none.
	HooksRaw []json.RawMessage `json:"hooks,omitempty" caddy:"namespace=rtmp.hooks inline_key=hook"`

	// OnReload says what becomes of publishers and viewers when the configuration changes. Default: they stay.
	OnReload OnReload `json:"on_reload,omitzero"`

	// Heartbeat tells a back end at intervals that this server is there. Default: none.
	Heartbeat *Heartbeat `json:"heartbeat,omitempty"`

	// Metrics says what Caddy's metrics tell of live streams. Default: those of Metrics.
	Metrics *Metrics `json:"metrics,omitempty"`

	// ShutdownGrace is how long publishers and viewers have to go when the server ends. Default: 5s.
	ShutdownGrace caddy.Duration `json:"shutdown_grace,omitempty"`

	// HandshakeTimeout bounds the beginning of a connection: PROXY header, TLS and RTMP's handshake. Default: 5s.
	HandshakeTimeout caddy.Duration `json:"handshake_timeout,omitempty"`

	// ConnectTimeout bounds the time from the handshake to the publish or play command. Default: 10s.
	ConnectTimeout caddy.Duration `json:"connect_timeout,omitempty"`

	// Limits bound the number of connections and the size of what clients send. Default: those of Limits.
	Limits *Limits `json:"limits,omitempty"`

	ctx        caddy.Context
	logger     *zap.Logger
	slogger    *slog.Logger
	engine     *engine
	policy     *live.Policy
	vhostNames map[string]string // all names of vhosts, to the first of each
	hooks      []any
	webhooks   []*hooks.Webhook // those among them that call back ends
	listeners  []net.Listener
	activated  time.Time   // since when this configuration is in force
	review     *time.Timer // of the sessions before it
	started    bool
	released   bool // the engine was given back
	implied    bool // the server is the default one
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: appName, New: func() caddy.Module { return new(App) }}
}

// Provision sets up the app: defaults, servers, applications, and its reference to the engine.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx = ctx
	a.logger = ctx.Logger()
	a.slogger = ctx.Slogger()
	a.setDefaults()
	if err := a.checkDurations(); err != nil {
		return err
	}
	if err := a.Limits.validate(); err != nil {
		return err
	}
	for name, s := range a.Servers {
		if err := s.provision(ctx); err != nil {
			return fmt.Errorf("server %q: %w", name, err)
		}
	}
	if err := provisionApplications(ctx, a.Applications, a.logger); err != nil {
		return err
	}
	if err := a.provisionVhosts(ctx); err != nil {
		return err
	}
	if err := a.awaitStopping(ctx); err != nil {
		return err
	}
	a.policy = &live.Policy{
		Guard:    live.GuardFunc(a.ask),
		Observer: live.ObserverFunc(a.tell),
		Vhosts:   a.vhostNames,
		Rules:    a.rules,
	}
	engine, err := loadEngine()
	if err != nil {
		return err
	}
	a.engine = engine
	if err := a.provisionMetrics(ctx); err != nil {
		return err
	}
	return a.provisionHooks(ctx)
}

func (a *App) setDefaults() {
	if a.Servers == nil {
		a.Servers = map[string]*Server{"srv0": {Listen: []string{defaultListen}}}
		a.implied = true
	}
	if len(a.Vhosts) == 0 {
		a.Applications = withDefaultApplication(a.Applications)
	}
	if a.Limits == nil {
		a.Limits = new(Limits)
	}
	for name, s := range a.Servers { // null in JSON
		if s == nil {
			a.Servers[name] = new(Server)
		}
	}
	setDefault(&a.ShutdownGrace, time.Duration(defaultShutdownGrace))
	setDefault(&a.HandshakeTimeout, rtmpapp.DefaultHandshakeTimeout)
	setDefault(&a.ConnectTimeout, rtmpapp.DefaultConnectTimeout)
}

func (a *App) checkDurations() error {
	if err := a.OnReload.check(); err != nil {
		return err
	}
	for _, d := range []caddy.Duration{a.ShutdownGrace, a.HandshakeTimeout, a.ConnectTimeout} {
		if d < 0 {
			return errNegative(d)
		}
	}
	return nil
}

func errNegative(d caddy.Duration) error {
	return fmt.Errorf("a duration of %s is negative", time.Duration(d))
}

func setDefault(d *caddy.Duration, value time.Duration) {
	if *d == 0 {
		*d = caddy.Duration(value)
	}
}

// awaitStopping lets the engine end its sessions when the process does. By the time of Stop it would be too late: the
// http app, which may be stopped before, waits for its responses.
func (a *App) awaitStopping(ctx caddy.Context) error {
	app, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("getting the events app: %w", err)
	}
	events, ok := app.(*caddyevents.App)
	if !ok {
		return fmt.Errorf("the events app is a %T", app)
	}
	return events.On("stopping", stoppingHandler{a})
}

// stoppingHandler is the events app's handler of "stopping".
type stoppingHandler struct{ app *App }

// Handle ends all sessions if the process is about to exit. A reload stops the old configuration too, and must end none.
func (h stoppingHandler) Handle(context.Context, caddy.Event) error {
	if !caddy.Exiting() {
		return nil
	}
	h.app.endSessions()
	return nil
}

// endSessions ends all sessions, of all generations, within the shutdown grace.
func (a *App) endSessions() {
	if err := a.engine.end(time.Duration(a.ShutdownGrace)); err != nil {
		a.logger.Warn("not all sessions ended within the shutdown grace", zap.Error(err))
	}
}

// Validate checks what the parts cannot see alone.
func (a *App) Validate() error {
	seen := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(a.Servers)) {
		for _, address := range a.Servers[name].each() {
			if other, ok := seen[address]; ok {
				return fmt.Errorf("servers %q and %q both listen on %s", other, name, address)
			}
			seen[address] = name
		}
	}
	return nil
}

// Start opens all listeners, puts this configuration in force and begins to accept connections. If anything fails no
// listener stays open, and the configuration before stays in force untouched.
func (a *App) Start() error {
	for name, s := range a.Servers {
		listeners, err := s.listen(a.ctx)
		if err != nil {
			a.closeListeners()
			return fmt.Errorf("server %q: %w", name, err)
		}
		a.listeners = append(a.listeners, listeners...)
	}
	for name, s := range a.Servers {
		if err := s.manageCertificates(); err != nil {
			a.closeListeners()
			return fmt.Errorf("server %q: %w", name, err)
		}
	}
	if err := a.startHooks(); err != nil {
		a.closeListeners()
		return err
	}
	a.setViewerKey()
	a.setSeams()
	a.started = true
	a.engine.activate(a)
	for _, ln := range a.listeners {
		go a.serve(ln)
	}
	return nil
}

// serve ends when its listener is closed, by Stop.
func (a *App) serve(ln net.Listener) {
	a.logger.Info("accepting RTMP connections", zap.Stringer("address", ln.Addr()))
	err := a.engine.rtmp.Serve(ln)
	a.logger.Debug("no longer accepting RTMP connections", zap.Stringer("address", ln.Addr()), zap.Error(err))
}

// Stop closes the listeners and withdraws this configuration. Sessions live on: with the configuration that follows, or
// until the engine ends.
func (a *App) Stop() error {
	if !a.started {
		return nil
	}
	a.started = false
	a.closeListeners()
	if a.review != nil {
		a.review.Stop()
	}
	// Without a configuration that follows, this is the last that can tell of the sessions' ends.
	if refs, _ := engines.References(engineKey); refs <= 1 {
		a.endSessions()
	}
	a.engine.deactivate(a)
	a.stopHooks()
	return nil
}

// Cleanup gives the reference to the engine back. After a failed Start it is all that Caddy calls.
func (a *App) Cleanup() error {
	if a.engine == nil || a.released {
		return nil
	}
	stopErr := a.Stop()
	a.released = true
	if err := releaseEngine(); err != nil {
		return fmt.Errorf("ending the live-streaming engine: %w", err)
	}
	return stopErr
}

func (a *App) closeListeners() {
	for _, ln := range a.listeners {
		if err := ln.Close(); err != nil {
			a.logger.Warn("closing a listener", zap.Stringer("address", ln.Addr()), zap.Error(err))
		}
	}
	a.listeners = nil
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.Validator    = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
