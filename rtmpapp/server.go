// Package rtmpapp speaks RTMP with encoders and players: its Server takes connections from any listener and makes
// publishers and viewers of a live.Hub out of them; its Client does the same from the other side.
package rtmpapp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// Timeouts bound the beginning of a connection.
type Timeouts struct {
	// Handshake bounds all that comes before the first message: PROXY header, TLS and RTMP's handshake. Default: 5 s.
	Handshake time.Duration
	// Connect bounds the time from there to the publish or play command. Default: 10 s.
	Connect time.Duration
}

// DefaultTimeouts returns the defaults.
func DefaultTimeouts() Timeouts {
	return Timeouts{Handshake: 5 * time.Second, Connect: 10 * time.Second}
}

// A Server serves RTMP on any number of listeners. It outlives configurations: what may change is asked for anew with
// each connection.
type Server struct {
	// Hub is where streams come from and go to. It must be set.
	Hub *live.Hub
	// Timeouts returns the time-outs in force. Nil means DefaultTimeouts.
	Timeouts func() Timeouts
	// Logger returns where connections that end before they have become a session are told of, at debug level. Nil means
	// nowhere. Sessions are the business of the hub's observer.
	Logger func() *slog.Logger

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
	wg     sync.WaitGroup
}

// ErrServerClosed is returned by Serve after Close.
var ErrServerClosed = errors.New("rtmpapp: server closed")

// acceptPause is how long Serve waits after a failure that may pass, such as a lack of file descriptors.
const acceptPause = 50 * time.Millisecond

// Serve accepts connections from ln and serves each in a goroutine of its own. It blocks until ln is closed, which gives
// the listener's error, or the server is, which gives ErrServerClosed. It leaves the connections open when ln is closed,
// and does not close ln.
func (s *Server) Serve(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			if s.isClosed() {
				return ErrServerClosed
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			// Listeners shared over a reload wake their losers with a time-out.
			if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
				continue
			}
			s.logger().Warn("accepting RTMP connections", "address", ln.Addr().String(), "error", err)
			time.Sleep(acceptPause)
			continue
		}
		if !s.track(conn) {
			_ = conn.Close()
			return ErrServerClosed
		}
		go func() {
			defer s.wg.Done()
			defer s.untrack(conn)
			s.serveConn(conn)
		}()
	}
}

// ServeConn serves one connection and blocks until it has ended. It closes conn.
func (s *Server) ServeConn(conn net.Conn) error {
	if !s.track(conn) {
		_ = conn.Close()
		return ErrServerClosed
	}
	defer s.wg.Done()
	defer s.untrack(conn)
	s.serveConn(conn)
	return nil
}

func (s *Server) serveConn(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	defer func() {
		// What a peer sends must never end the process, whatever fault of ours it finds.
		if r := recover(); r != nil {
			s.logger().Error("RTMP connection ended by a fault in the server", "remote", conn.RemoteAddr().String(), "fault", fmt.Sprint(r))
		}
	}()
	if err := newConnection(s, conn).serve(); err != nil {
		s.logger().Debug("RTMP connection ended", "remote", conn.RemoteAddr().String(), "error", err)
	}
}

// Close closes all connections and waits until they have ended or ctx is done. Close the hub first to let clients be
// told why.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for RTMP connections to end: %w", context.Cause(ctx))
	}
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Server) track(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.conns == nil {
		s.conns = make(map[net.Conn]struct{})
	}
	s.conns[conn] = struct{}{}
	s.wg.Add(1)
	return true
}

func (s *Server) untrack(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

func (s *Server) timeouts() Timeouts {
	if s.Timeouts == nil {
		return DefaultTimeouts()
	}
	return s.Timeouts()
}

func (s *Server) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger()
}
