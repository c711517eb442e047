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
	"sync/atomic"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A Server serves RTMP on any number of listeners. It outlives configurations: what may change is asked for anew with
// each connection.
type Server struct {
	// Hub is where streams come from and go to. It must be set.
	Hub *live.Hub
	// Limits returns the bounds in force. Nil means the defaults.
	Limits func() Limits
	// Logger returns where connections that end before they have become a session are told of, at debug level, and, at
	// most once in 10 s each, that connections were refused because there are too many, or could not be accepted. Nil
	// means nowhere. Sessions are the business of the hub's observer.
	Logger func() *slog.Logger

	quota             quota
	refusals, failing notice
	refused           atomic.Int64

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	gone   map[net.Conn]struct{} // those of conns that have been told why they end
	closed bool
	wg     sync.WaitGroup
}

// ErrServerClosed is returned by Serve after Close.
var ErrServerClosed = errors.New("rtmpapp: server closed")

// acceptPause is how long Serve waits after a failure that may pass, such as a lack of file descriptors.
const acceptPause = 50 * time.Millisecond

// Serve accepts connections from ln and serves each in a goroutine of its own. It blocks until ln is closed, which gives
// the listener's error, or the server is, which gives ErrServerClosed. It leaves the connections open when ln is closed,
// and does not close ln. A connection beyond the Limits is closed at once.
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
			if held, ok := s.failing.due(); ok {
				s.logger().Warn("accepting RTMP connections", "address", ln.Addr().String(), "error", err, "failures_before", held)
			}
			time.Sleep(acceptPause)
			continue
		}
		switch err := s.track(conn); {
		case errors.Is(err, errFull):
			_ = conn.Close()
			s.refuse(err, nil)
		case err != nil:
			_ = conn.Close()
			return err
		default:
			go s.serveConn(conn, ln.Addr())
		}
	}
}

// ServeConn serves one connection and blocks until it has ended. It closes conn, at once if it is beyond the Limits. An
// error means that conn was not served since the server is closed; how a connection ends is told to the Logger alone.
func (s *Server) ServeConn(conn net.Conn) error {
	switch err := s.track(conn); {
	case errors.Is(err, errFull):
		_ = conn.Close()
		s.refuse(err, nil)
	case err != nil:
		_ = conn.Close()
		return err
	default:
		s.serveConn(conn, nil)
	}
	return nil
}

// serveConn serves a connection that is tracked. listener is the address of the listener that it came by, or nil.
func (s *Server) serveConn(conn net.Conn, listener net.Addr) {
	defer s.wg.Done()
	defer s.untrack(conn)
	defer func() { _ = conn.Close() }()
	defer func() {
		// What a peer sends must never end the process, whatever fault of ours it finds.
		if r := recover(); r != nil {
			s.logger().Error("RTMP connection ended by a fault in the server", "remote", text(conn.RemoteAddr()), "fault", fmt.Sprint(r))
		}
	}()
	switch err := newConnection(s, conn, listener).serve(); {
	case errors.Is(err, errFull):
		s.refuse(err, conn.RemoteAddr())
	case err != nil:
		s.logger().Debug("RTMP connection ended", "remote", text(conn.RemoteAddr()), "error", err)
	}
}

// refuse tells that a connection was refused, unless that was told just now: a flood must not fill the log too.
func (s *Server) refuse(err error, remote net.Addr) {
	s.refused.Add(1)
	held, ok := s.refusals.due()
	if !ok {
		return
	}
	args := []any{"error", err, "refused_before", held}
	if remote != nil {
		args = append(args, "remote", text(remote))
	}
	s.logger().Warn("refused an RTMP connection; if this is no attack, raise max_connections, "+
		"or let the proxy in front tell the clients' addresses (proxy_protocol)", args...)
}

// Close closes all connections and waits until they have ended or ctx is done. Close the hub first to let clients be
// told why; those that have been are left a moment to hear it, until ctx is done at most.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		if _, ok := s.gone[conn]; !ok {
			_ = conn.Close()
		}
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
	}
	if s.closeAll() {
		return fmt.Errorf("waiting for RTMP connections to end: %w", context.Cause(ctx))
	}
	<-done // those that were told have nothing left to do
	return nil
}

// closeAll closes all connections. It tells whether there was one that had not been told why it ends.
func (s *Server) closeAll() (untold bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		if _, told := s.gone[conn]; !told {
			untold = true
		}
		_ = conn.Close()
	}
	return untold
}

// leave tells that a connection has been told why it ends.
func (s *Server) leave(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone == nil {
		s.gone = make(map[net.Conn]struct{})
	}
	s.gone[conn] = struct{}{}
}

// Connections returns how many connections there are, and how many were refused so far since there were too many.
func (s *Server) Connections() (open int, refused int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns), s.refused.Load()
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// track counts a connection among all, if there may be one more.
func (s *Server) track(conn net.Conn) error {
	limit := s.limits().Connections
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrServerClosed
	}
	if exceeded(len(s.conns), limit) {
		return fmt.Errorf("%w: %d", errFull, len(s.conns))
	}
	if s.conns == nil {
		s.conns = make(map[net.Conn]struct{})
	}
	s.conns[conn] = struct{}{}
	s.wg.Add(1)
	return nil
}

func (s *Server) untrack(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	delete(s.gone, conn)
}

func (s *Server) limits() Limits {
	var l Limits
	if s.Limits != nil {
		l = s.Limits()
	}
	return l.withDefaults()
}

func (s *Server) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger()
}
