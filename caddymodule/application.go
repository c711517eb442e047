package caddymodule

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// anyApplication is the entry for apps that have none of their own.
const anyApplication = "*"

// Application holds the rules of one RTMP app, for all protocols.
type Application struct {
	// Publish says who may publish. Default: clients on loopback and private addresses, and those of a Unix socket.
	Publish *Access `json:"publish,omitempty"`

	// Play says who may play. Default: everybody.
	Play *Access `json:"play,omitempty"`

	// OnConflict says what happens to a second publisher of a stream: `reject` refuses it, `replace` lets it replace the
	// first once it was admitted, `auto` does so if the first has sent nothing for 2 s. Default: `auto`.
	OnConflict string `json:"on_conflict,omitempty"`

	// Latency is how long frames are gathered before they are written to viewers: `low` (20ms), `normal` (100ms),
	// `dense` (350ms) or a duration from 1ms to 5s. More costs less. Default: `normal`.
	Latency string `json:"latency,omitempty"`

	// GOPCache bounds how far back a new viewer may start, at a key frame. Default: 10s, 32 MiB.
	GOPCache *GOPCache `json:"gop_cache,omitempty"`

	// Lag bounds how far a slow viewer may fall behind before it jumps to the newest key frame. Default: 10s, 16 MiB.
	Lag *Bound `json:"lag,omitempty"`

	// WriteTimeout ends a viewer whose connection has not taken one batch of data for so long. Default: 10s.
	WriteTimeout caddy.Duration `json:"write_timeout,omitempty"`

	// TimeJitter says how a publisher's time stamps are mended, by SRS's names: `full` lets them begin at 0 and closes leaps
	// of more than 30 s, `zero` only lets them begin at 0, `off` leaves them as they are. They never fall within a track. A
	// change holds from the next publisher on. Default: `full`.
	TimeJitter string `json:"time_jitter,omitempty"`

	// Wait is how long a viewer waits for a publisher before it is told that there is none, over HTTP by 404; 0 is not at
	// all. Default: 5s.
	Wait *caddy.Duration `json:"wait,omitempty"`

	// FirstPacketTimeout ends a publisher that has sent no media for so long after its start. Default: 20s.
	FirstPacketTimeout caddy.Duration `json:"first_packet_timeout,omitempty"`

	// IdleTimeout ends a publisher that has sent no media for so long. Default: 10s.
	IdleTimeout caddy.Duration `json:"idle_timeout,omitempty"`

	// KickoffForIdle ends a publisher whose stream nobody has watched for so long. Viewers of HLS without sessions do not
	// count. Default: 0, which lets it publish on.
	KickoffForIdle caddy.Duration `json:"kickoff_for_idle,omitempty"`

	// ReconnectWindow keeps viewers attached for so long after the publisher has gone, so that they go on when it comes
	// back. Default: 0, which ends them with the publisher.
	ReconnectWindow caddy.Duration `json:"reconnect_window,omitempty"`

	// HLS holds the rules of HLS. Default: those of its fields.
	HLS *HLS `json:"hls,omitempty"`

	rules live.Rules
}

// A Bound limits by duration and by size, whichever is reached first.
type Bound struct {
	// Duration is the limit in time. 0 means the default.
	Duration caddy.Duration `json:"duration,omitempty"`

	// Size is the limit in bytes. 0 means the default.
	Size int64 `json:"size,omitempty"`
}

// A GOPCache is a Bound that can be switched off.
type GOPCache struct {
	Bound

	// Off lets viewers start at the newest frame, and wait for the next key frame with a black picture. Default: false.
	Off bool `json:"off,omitempty"`
}

// latencies are the profiles by name.
var latencies = map[string]time.Duration{
	"":       100 * time.Millisecond,
	"low":    20 * time.Millisecond,
	"normal": 100 * time.Millisecond,
	"dense":  350 * time.Millisecond,
}

// conflictRules are the rules by name.
var conflictRules = map[string]live.ConflictRule{
	"":        live.ConflictAuto,
	"auto":    live.ConflictAuto,
	"reject":  live.ConflictReject,
	"replace": live.ConflictReplace,
}

// jitterRules are the rules by name.
var jitterRules = map[string]live.JitterRule{
	"":     live.JitterFull,
	"full": live.JitterFull,
	"zero": live.JitterZero,
	"off":  live.JitterOff,
}

// The bounds of a latency that is given as a duration.
const (
	minLatency = time.Millisecond
	maxLatency = 5 * time.Second
)

// parseLatency returns what a latency profile or duration stands for.
func parseLatency(s string) (time.Duration, error) {
	if d, ok := latencies[s]; ok {
		return d, nil
	}
	d, err := caddy.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("latency %q is neither low, normal, dense nor a duration", s)
	}
	if d < minLatency || d > maxLatency {
		return 0, fmt.Errorf("latency %s is not between %s and %s", d, minLatency, maxLatency)
	}
	return d, nil
}

func (a *Application) provision(ctx caddy.Context, logger *zap.Logger) error {
	if a.Publish == nil {
		a.Publish = new(Access)
	}
	if a.Play == nil {
		a.Play = new(Access)
	}
	if err := a.Publish.provision(ctx, live.ActionPublish, logger); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if err := a.Play.provision(ctx, live.ActionPlay, logger); err != nil {
		return fmt.Errorf("play: %w", err)
	}
	if a.HLS == nil {
		a.HLS = new(HLS)
	}
	if err := a.HLS.check(); err != nil {
		return err
	}
	if a.HLS.open() && a.Play.restricts() {
		return errors.New("hls sessions off serves everybody, so the play rule would not hold; remove one of the two")
	}
	return a.setRules()
}

// setRules makes the rules of the stream core.
func (a *Application) setRules() error {
	r := live.DefaultRules()
	var err error
	if r.Latency, err = parseLatency(a.Latency); err != nil {
		return err
	}
	conflict, ok := conflictRules[a.OnConflict]
	if !ok {
		return fmt.Errorf("on_conflict %q is neither auto, reject nor replace", a.OnConflict)
	}
	r.OnConflict = conflict
	if r.TimeJitter, ok = jitterRules[a.TimeJitter]; !ok {
		return fmt.Errorf("time_jitter %q is neither full, zero nor off", a.TimeJitter)
	}
	if a.GOPCache != nil {
		a.GOPCache.apply(&r.Join)
		if a.GOPCache.Off {
			r.Join.Bytes = -1
		}
	}
	if a.Lag != nil {
		a.Lag.apply(&r.Lag)
	}
	for _, d := range []struct {
		to   *time.Duration
		from caddy.Duration
	}{
		{&r.WriteTimeout, a.WriteTimeout},
		{&r.FirstPacketTimeout, a.FirstPacketTimeout},
		{&r.IdleTimeout, a.IdleTimeout},
		{&r.KickoffForIdle, a.KickoffForIdle},
		{&r.ReconnectWindow, a.ReconnectWindow},
	} {
		if d.from < 0 {
			return errNegative(d.from)
		}
		if d.from > 0 {
			*d.to = time.Duration(d.from)
		}
	}
	if a.Wait != nil {
		if *a.Wait < 0 {
			return errNegative(*a.Wait)
		}
		r.Wait = time.Duration(*a.Wait)
	}
	a.rules = r
	return nil
}

func (b *Bound) apply(to *live.Bound) {
	if b.Duration > 0 {
		to.Time = time.Duration(b.Duration)
	}
	if b.Size > 0 {
		to.Bytes = b.Size
	}
}

// rules implements live.Policy. While a reload is under way the streams of an app that a lacks keep the rules of the
// generation before, since the reload may yet fail; the guard admits nobody to them any more.
func (a *App) rules(k live.Key) (live.Rules, error) {
	app := a.application(k)
	if app == nil {
		app = a.engine.application(k)
	}
	if app == nil {
		return live.Rules{}, errNoApplication(k)
	}
	return app.rules, nil
}
