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
	server  string // names this server in the API, the same after a restart
	service string // names this start of the engine in the API

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
	return e.(*engine), nil
}

func releaseEngine() error {
	_, err := engines.Delete(engineKey)
	return err
}

func newEngine() (*engine, error) {
	server, err := serverID()
	if err != nil {
		return nil, err
	}
	e := &engine{hub: new(live.Hub), server: server, service: stats.NewID(8)}
	e.rtmp = &rtmpapp.Server{Hub: e.hub, Timeouts: e.timeouts, Logger: e.logger}
	e.hls = hls.NewServer(e.hub)
	e.rates = stats.NewRates(e.hub)
	e.system = new(stats.System)
	return e, nil
}

// serverID makes an id in SRS's form of the one that Caddy keeps in its data folder.
func serverID() (string, error) {
	id, err := caddy.InstanceID()
	if err != nil {
		return "", fmt.Errorf("reading Caddy's instance id: %w", err)
	}
	sum := sha256.Sum256([]byte(id.String()))
	return "vid-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:7]), nil
}

// activate makes a the generation in force.
func (e *engine) activate(a *App) {
	e.mu.Lock()
	e.apps = append(e.apps, a)
	e.current.Store(a)
	e.mu.Unlock()
	e.hub.Activate(a.policy)
}

// deactivate withdraws a. If it was in force, as after a reload that failed in another app, the one before it is again.
func (e *engine) deactivate(a *App) {
	e.mu.Lock()
	e.apps = slices.DeleteFunc(e.apps, func(b *App) bool { return a == b })
	if n := len(e.apps); n > 0 {
		e.current.Store(e.apps[n-1])
	}
	e.mu.Unlock()
	e.hub.Deactivate(a.policy)
}

// drain tells all publishers and viewers that the server ends, and waits for them for at most limit.
func (e *engine) drain(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return e.hub.Close(ctx)
}

// Destruct ends everything. It is called when no generation refers to the engine: when the app was removed from the
// configuration, or the process ends.
func (e *engine) Destruct() error {
	limit := time.Duration(defaultShutdownGrace)
	if a := e.current.Load(); a != nil {
		limit = time.Duration(a.ShutdownGrace)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := e.hub.Close(ctx)
	e.hls.Close()
	e.rates.Close()
	// A peer that was told to go and does not is cut off.
	now, cancelNow := context.WithTimeout(context.Background(), limit)
	defer cancelNow()
	if closeErr := e.rtmp.Close(now); err == nil {
		err = closeErr
	}
	return err
}

func (e *engine) timeouts() rtmpapp.Timeouts {
	if a := e.current.Load(); a != nil {
		return rtmpapp.Timeouts{Handshake: time.Duration(a.HandshakeTimeout), Connect: time.Duration(a.ConnectTimeout)}
	}
	return rtmpapp.DefaultTimeouts()
}

func (e *engine) logger() *slog.Logger {
	if a := e.current.Load(); a != nil {
		return a.slogger
	}
	return slog.New(slog.DiscardHandler)
}
