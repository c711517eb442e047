package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/stats"
)

// Metrics says what Caddy's metrics, at `/metrics` of the admin endpoint and wherever a site has the metrics handler, tell
// of live streams.
type Metrics struct {
	// PerStream bounds the streams that have series of their own, the longest on air; the others are added up in one whose
	// stream is "other". 0 gives streams no series at all. Default: 1000.
	PerStream *int `json:"per_stream,omitempty"`
}

func (m *Metrics) perStream() int {
	if m == nil || m.PerStream == nil {
		return stats.DefaultStreamSeries
	}
	return *m.PerStream
}

// provisionMetrics registers the metrics with the registry of this configuration, which goes with it.
func (a *App) provisionMetrics(ctx caddy.Context) error {
	limit := a.Metrics.perStream()
	if limit < 0 {
		return fmt.Errorf("metrics: per_stream %d is negative", limit)
	}
	registry := ctx.GetMetricsRegistry()
	if registry == nil {
		return errors.New("metrics: Caddy has no registry for them")
	}
	e := a.engine
	err := registry.Register(&stats.Metrics{
		Hub:         e.hub,
		Streams:     limit,
		Others:      &e.others,
		Connections: e.rtmp.Connections,
		Callbacks:   e.callbacks,
	})
	if err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	return nil
}

// callbacks returns what metrics tell of calls to back ends: what was counted of each target as it was called, and of what
// waits for it in either outbox.
func (e *engine) callbacks() (c stats.Callbacks) {
	for _, t := range e.backends.Calls() {
		c.Targets = append(c.Targets, callbackTarget(&t))
	}
	for _, o := range e.outboxes() {
		s := o.Summary()
		c.Dropped += s.Totals.Dropped
		c.Dead += s.Dead
		if c.Oldest.IsZero() || !s.Oldest.IsZero() && s.Oldest.Before(c.Oldest) {
			c.Oldest = s.Oldest
		}
		for _, t := range s.Targets {
			// One that is no longer configured may have something pending from the time before this process.
			i, ok := slices.BinarySearchFunc(c.Targets, t.Target, func(t stats.CallbackTarget, name string) int {
				return cmp.Compare(t.Target, name)
			})
			if !ok {
				c.Targets = slices.Insert(c.Targets, i, stats.CallbackTarget{Target: t.Target})
			}
			of := &c.Targets[i]
			of.Pending += t.Pending
			of.Failing = of.Failing || t.Failing
			of.GivenUp += t.Dead
		}
	}
	return c
}

func callbackTarget(t *hooks.TargetCalls) stats.CallbackTarget {
	of := stats.CallbackTarget{Target: t.Target, Calls: t.Calls, Duration: t.Duration, Within: make(map[float64]uint64)}
	for i, bound := range hooks.CallBounds {
		of.Within[bound.Seconds()] = t.Within[i]
	}
	for _, o := range t.Outcomes {
		of.Outcomes = append(of.Outcomes, stats.CallbackOutcome(o))
	}
	return of
}

// parseMetrics parses
//
//	metrics {
//		per_stream <count>
//	}
func (a *App) parseMetrics(d *caddyfile.Dispenser) error {
	if a.Metrics != nil {
		return d.Err("metrics stands twice")
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	a.Metrics = new(Metrics)
	return parseBlock(d, "metrics", map[string]option{"per_stream": a.Metrics.parsePerStream})
}

func (m *Metrics) parsePerStream(d *caddyfile.Dispenser) error {
	var text string
	if !d.AllArgs(&text) {
		return d.ArgErr()
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return d.Errf("%q is no number of streams", text)
	}
	m.PerStream = &n
	return nil
}
