package httplive_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// dial opens a WebSocket to the stream, which reads what comes without end.
func (s *site) dial(client *http.Client) *websocket.Conn {
	s.t.Helper()
	conn, _, err := websocket.Dial(s.t.Context(), "ws://example.com/live/demo.flv", &websocket.DialOptions{HTTPClient: client}) //nolint:bodyclose // the connection is the body
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(-1)
	return conn
}

// read returns all messages up to the end, which must be a close message, and that.
func read(t *testing.T, conn *websocket.Conn) (body []byte, end websocket.CloseError) {
	t.Helper()
	for {
		kind, b, err := conn.Read(t.Context())
		if errors.As(err, &end) {
			return body, end
		}
		if err != nil {
			t.Fatal(err)
		}
		if kind != websocket.MessageBinary {
			t.Errorf("a message of type %s", kind)
		}
		body = append(body, b...)
	}
}

// overSocket runs f over HTTP/1.1, which alone has WebSockets.
func overSocket(t *testing.T, change func(*live.Rules), f func(t *testing.T, s *site, client *http.Client)) {
	t.Helper()
	over(t, change, func(t *testing.T, s *site, client *http.Client) {
		if p := client.Transport.(*http.Transport).Protocols; p.HTTP1() { //nolint:errcheck // serve has made it
			f(t, s, client)
		}
	})
}

// TestSocket has a WebSocket carry the bytes that HTTP carries, and say why it ends.
func TestSocket(t *testing.T) {
	overSocket(t, nil, func(t *testing.T, s *site, client *http.Client) {
		pub := s.onAir()
		plain := s.watch(client)
		conn := s.dial(client)
		done := make(chan []byte)
		go func() {
			body, end := read(t, conn)
			if end.Code != websocket.StatusNormalClosure || end.Reason != "stream ended" {
				t.Errorf("ended by %v", end)
			}
			done <- body
		}()
		isErr(t, "pace", livetest.Pace(t.Context(), pub, livetest.Media(1, 2)...), nil)
		pass(time.Second)
		pub.Close(nil)
		if body, want := <-done, <-plain; !bytes.Equal(body, want) {
			t.Errorf("got %d bytes, HTTP gave %d", len(body), len(want))
		}
		for _, e := range s.ended(2) {
			if !errors.Is(e.Err, live.ErrEnded) || e.Session.Totals.Sent == 0 {
				t.Errorf("ended with %v after %d bytes", e.Err, e.Session.Totals.Sent)
			}
		}
	})
}

func TestSocketIsKicked(t *testing.T) {
	overSocket(t, nil, func(t *testing.T, s *site, client *http.Client) {
		s.onAir()
		conn := s.dial(client)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if _, end := read(t, conn); end.Code != websocket.StatusPolicyViolation || end.Reason != "kicked" {
				t.Errorf("ended by %v", end)
			}
		}()
		pass(time.Second)
		s.kick()
		<-done
		pass(time.Second)
		if e := s.ended(1)[0]; !errors.Is(e.Err, live.ErrKicked) {
			t.Errorf("ended with %v", e.Err)
		}
	})
}

// TestSocketLeaves has the viewer close, and another one break off.
func TestSocketLeaves(t *testing.T) {
	overSocket(t, nil, func(t *testing.T, s *site, client *http.Client) {
		s.onAir()
		polite, rude := s.dial(client), s.dial(client)
		go func() { _, _, _ = polite.Read(t.Context()) }()
		pass(time.Second)
		_ = rude.CloseNow()
		_ = polite.Close(websocket.StatusGoingAway, "")
		pass(time.Second)
		for _, e := range s.ended(2) {
			if r := e.Err; r == nil || strings.Contains(r.Error(), "writing") {
				t.Errorf("ended with %v", r)
			}
		}
	})
}

// TestSlowSocket has a viewer who reads nothing ended by the write limit.
func TestSlowSocket(t *testing.T) {
	overSocket(t, func(r *live.Rules) { r.WriteTimeout = 3 * time.Second }, func(t *testing.T, s *site, client *http.Client) {
		pub := s.onAir()
		s.dial(client)
		flood(t, pub)
		pass(5 * time.Second)
		if e := s.ended(1)[0]; !errors.Is(e.Err, live.ErrSlow) {
			t.Errorf("ended with %v", e.Err)
		}
	})
}

// TestSocketIsRefused has a WebSocket answered as a request is, before it is one.
func TestSocketIsRefused(t *testing.T) {
	overSocket(t, func(r *live.Rules) { r.Wait = 0 }, func(t *testing.T, s *site, client *http.Client) {
		_, resp, err := websocket.Dial(t.Context(), "ws://example.com/live/none.flv", &websocket.DialOptions{HTTPClient: client}) //nolint:bodyclose // the library closes it
		if err == nil || resp == nil || resp.StatusCode != http.StatusNotFound {
			t.Errorf("got %v, %v", resp, err)
		}
	})
}

// TestNothingToCarry has a viewer told that the stream has nothing for the format, after it was given time to say so.
func TestNothingToCarry(t *testing.T) {
	over(t, func(r *live.Rules) { r.Wait = 0 }, func(t *testing.T, s *site, client *http.Client) {
		carries := false
		s.Format.Carries = func(*live.Setup) bool { return carries }
		livetest.Publish(t, s.hub, livetest.Key) // it says nothing
		began := time.Now()
		resp, err := client.Get("http://example.com/live/demo.flv")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body := string(readAll(t, resp)); resp.StatusCode != http.StatusNotFound || !strings.Contains(body, "nothing that .flv could carry") {
			t.Errorf("got %s, %q", resp.Status, body)
		}
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("after %s", d)
		}
	})
}
