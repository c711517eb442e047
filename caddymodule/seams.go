package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"go.uber.org/zap"
)

const (
	// seamsPath is where Caddy's storage holds the number that HLS's discontinuities are counted from after a restart.
	seamsPath = "rtmp/hls/discontinuities"
	// seamsTime is how long one is waited for.
	seamsTime = 5 * time.Second
)

// setSeams lets HLS count discontinuities on from before the restart. Where Caddy's storage does not know, it counts from
// 0, which a player that has watched over the restart may misunderstand. It is set once, as a reload changes nothing of it.
func (a *App) setSeams() {
	a.engine.seams.Do(func() {
		first, err := a.loadSeams()
		if err != nil {
			a.logger.Warn("HLS counts discontinuities anew: Caddy's storage does not tell where it was", zap.Error(err))
		}
		a.engine.hls.SetSeams(first, func(limit int64) {
			force := a
			if current := a.engine.current.Load(); current != nil {
				force = current
			}
			if err := force.storeSeams(limit); err != nil {
				force.logger.Warn("HLS may count discontinuities anew after a restart: Caddy's storage does not keep where it is", zap.Error(err))
			}
		})
	})
}

// loadSeams returns the number that was stored last, 0 if there is none.
func (a *App) loadSeams() (int64, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), seamsTime)
	defer cancel()
	text, err := a.ctx.Storage().Load(ctx, seamsPath)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("loading %s: %w", seamsPath, err)
	}
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", seamsPath, err)
	}
	return int64(n), nil
}

// storeSeams stores a number, unless another server with the same storage has stored a higher one: its restart may be ours.
func (a *App) storeSeams(limit int64) error {
	if stored, err := a.loadSeams(); err == nil && stored >= limit {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), seamsTime)
	defer cancel()
	if err := a.ctx.Storage().Store(ctx, seamsPath, strconv.AppendInt(nil, limit, 10)); err != nil {
		return fmt.Errorf("storing %s: %w", seamsPath, err)
	}
	return nil
}
