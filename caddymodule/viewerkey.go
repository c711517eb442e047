package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

const (
	// viewerKeyPath is where Caddy's storage holds the secret in the URLs of HLS viewers.
	viewerKeyPath = "rtmp/hls/viewer.key"
	// viewerKeySize is its length in bytes.
	viewerKeySize = 32
	// viewerKeyTime is how long a start waits for the storage.
	viewerKeyTime = 5 * time.Second
)

// setViewerKey lets HLS viewers go on at their URLs after a restart, and on other servers that share the storage. Where it
// cannot be had, they begin anew. It is set once, since the URLs of those who watch would mean nothing with another.
func (a *App) setViewerKey() {
	a.engine.viewerKey.Do(func() {
		ctx, cancel := context.WithTimeout(a.ctx, viewerKeyTime)
		defer cancel()
		key, err := loadViewerKey(ctx, a.ctx.Storage())
		if err != nil {
			a.logger.Warn("HLS viewers will have to begin anew after a restart: no key for their URLs in Caddy's storage", zap.Error(err))
			return
		}
		a.engine.hls.SetKey(key)
	})
}

// loadViewerKey returns the key that is stored, a new one if there is none. Of servers that start together with one storage
// one makes it.
func loadViewerKey(ctx context.Context, storage certmagic.Storage) (key []byte, err error) {
	if key, err = storage.Load(ctx, viewerKeyPath); err == nil && len(key) == viewerKeySize {
		return key, nil
	}
	if err := storage.Lock(ctx, viewerKeyPath); err != nil {
		return nil, fmt.Errorf("locking %s: %w", viewerKeyPath, err)
	}
	defer func() {
		if unlockErr := storage.Unlock(context.WithoutCancel(ctx), viewerKeyPath); err == nil && unlockErr != nil {
			err = fmt.Errorf("unlocking %s: %w", viewerKeyPath, unlockErr)
		}
	}()
	key, err = storage.Load(ctx, viewerKeyPath)
	switch {
	case err == nil && len(key) == viewerKeySize:
		return key, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("loading %s: %w", viewerKeyPath, err)
	}
	key = make([]byte, viewerKeySize)
	_, _ = rand.Read(key) // never fails
	if err := storage.Store(ctx, viewerKeyPath, key); err != nil {
		return nil, fmt.Errorf("storing %s: %w", viewerKeyPath, err)
	}
	return key, nil
}
