package httplive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http/httpguts"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// isWebSocket tells whether r asks for a WebSocket (RFC 6455, 4.2.1), which only HTTP/1.1 has here.
func isWebSocket(r *http.Request) bool {
	return r.ProtoMajor == 1 &&
		httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade") &&
		httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], "websocket")
}

// A socket is the sink of a WebSocket: each write is one binary message.
type socket struct {
	w   http.ResponseWriter
	r   *http.Request
	ses *live.Session

	conn  *websocket.Conn
	stop  func() bool // calls off the interruption
	timer *time.Timer // ends a write that takes too long
	cut   atomic.Bool // it has done so
}

func newSocket(w http.ResponseWriter, r *http.Request, ses *live.Session) *socket {
	return &socket{w: w, r: r, ses: ses}
}

func (s *socket) begin() error {
	conn, err := websocket.Accept(s.w, s.r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // every origin may play, as CORS says
	})
	if err != nil {
		return fmt.Errorf("accepting a WebSocket: %w", err)
	}
	s.conn = conn
	// net/http no longer watches the connection, so this is how we learn that the viewer has left.
	gone := conn.CloseRead(context.Background())
	context.AfterFunc(gone, func() { s.ses.End(context.Canceled) })
	s.stop = context.AfterFunc(s.ses.Context(), s.interrupt)
	s.timer = time.AfterFunc(time.Hour, s.expire)
	s.timer.Stop()
	return nil
}

// interrupt ends the write under way of a session that was ended, unless it ends soon by itself.
func (s *socket) interrupt() {
	time.AfterFunc(interruptAfter, func() { _ = s.conn.CloseNow() })
}

func (s *socket) write(b []byte) error {
	limit := s.ses.Stream().WriteTimeout()
	if limit > 0 {
		s.timer.Reset(limit)
		defer s.timer.Stop()
	}
	err := s.conn.Write(context.Background(), websocket.MessageBinary, b)
	switch {
	case err == nil:
		s.ses.Sent(len(b))
		return nil
	case s.cut.Load():
		return fmt.Errorf("%w: took no data for %s", live.ErrSlow, limit)
	case s.ses.Err() != nil:
		return s.ses.Err()
	}
	return context.Canceled // the viewer has left, as the reading side is about to find out
}

func (s *socket) expire() {
	s.cut.Store(true)
	_ = s.conn.CloseNow()
}

// close tells the viewer why, in a close message (RFC 6455, 7.4).
func (s *socket) close(reason error) {
	if s.conn == nil {
		return
	}
	s.stop()
	code, text := websocket.StatusNormalClosure, ""
	switch {
	case reason == nil:
	case errors.Is(reason, live.ErrEnded):
		text = live.Description(reason)
	case errors.Is(reason, live.ErrClosing):
		code, text = websocket.StatusGoingAway, live.Description(reason)
	default:
		code, text = websocket.StatusPolicyViolation, live.Description(reason)
	}
	_ = s.conn.Close(code, text) // a viewer that does not answer is cut off
}
