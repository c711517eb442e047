package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
)

// dial connects our own RTMP client to an URL of the server.
func (s *server) dial(url string) (*rtmpapp.Client, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	c, err := rtmpapp.Dial(ctx, url, s.tls())
	if err == nil {
		s.t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

// A watcher plays a stream with our own RTMP client and keeps its frames.
type watcher struct {
	name string
	done chan struct{}

	mu     sync.Mutex
	frames []*live.Frame
	err    error // how the stream ended, nil for a clean end
}

// play begins to play an URL.
func (s *server) play(url string) *watcher {
	s.t.Helper()
	c, err := s.dial(url)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := c.Play(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	w := &watcher{name: url, done: make(chan struct{})}
	ctx, cancel := context.WithCancel(s.t.Context())
	go w.run(ctx, r)
	s.t.Cleanup(func() {
		cancel()
		<-w.done
	})
	return w
}

func (w *watcher) run(ctx context.Context, r live.FrameReader) {
	defer close(w.done)
	for {
		f, err := r.ReadFrame(ctx)
		w.mu.Lock()
		if err == nil {
			w.frames = append(w.frames, f)
		} else if !errors.Is(err, io.EOF) {
			w.err = err
		}
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// seen returns what has come so far.
func (w *watcher) seen() []*live.Frame {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.frames
}

// Len returns how many bytes of media have come.
func (w *watcher) Len() (n int) {
	for _, f := range w.seen() {
		n += len(f.Body)
	}
	return n
}

// running returns an error if the stream has ended.
func (w *watcher) running() error {
	select {
	case <-w.done:
		return fmt.Errorf("%s has ended: %w", w.name, w.err)
	default:
		return nil
	}
}

// ended waits for the stream's end, and returns how it was.
func (w *watcher) ended(t testing.TB, limit time.Duration) error {
	t.Helper()
	select {
	case <-w.done:
		return w.err
	case <-time.After(limit):
		t.Fatalf("%s did not end within %s", w.name, limit)
		return nil
	}
}

// checkTimes checks that the time of no track falls.
func checkTimes(t testing.TB, name string, frames []*live.Frame) {
	t.Helper()
	last := make(map[live.Kind]int64)
	for i, f := range frames {
		if !f.Media() {
			continue
		}
		if f.Time < last[f.Kind] {
			t.Errorf("%s: frame %d: the time of %s falls from %d to %d", name, i, f.Kind, last[f.Kind], f.Time)
		}
		last[f.Kind] = f.Time
	}
}
