package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

// A relay forwards connections to the server, behind a few bytes of its own, and keeps what comes back.
type relay struct {
	net.Listener
	answers tape
}

// relayTo listens on a port and forwards to another. What preface says is sent first.
func relayTo(t testing.TB, address, preface string) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: ln}
	var busy sync.WaitGroup
	busy.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			busy.Go(func() { r.forward(conn, address, preface) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		busy.Wait()
	})
	return r
}

// forward copies both ways until both sides have closed theirs.
func (r *relay) forward(from net.Conn, address, preface string) {
	defer from.Close()
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	if _, err := io.WriteString(to, preface); err != nil {
		return
	}
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(to, from) // the other direction tells
		if half, ok := to.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	})
	_, _ = io.Copy(io.MultiWriter(from, &r.answers), to)
	from.Close()
	up.Wait()
}

// proxied returns the preface of a proxy that forwards for a client of another address.
func proxied(client string) string { return "PROXY TCP4 " + client + " 127.0.0.1 40000 1935\r\n" }
