package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// TestWebhookSocket has viewers come by WebSocket whom the back end does not let in: they are told by HTTP, since it is
// asked before the connection becomes a WebSocket.
func TestWebhookSocket(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	b.answer(func(w http.ResponseWriter, _ *http.Request, call map[string]any) {
		switch call["param"] {
		case "?want=denied":
			_, _ = io.WriteString(w, `{"code":1,"msg":"not you"}`)
		case "?want=unknown":
			w.WriteHeader(http.StatusUnauthorized)
		case "?want=broken":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			_, _ = io.WriteString(w, "0")
		}
	})
	s := serve(t, in("	rtmp", b.hook("/srs")))
	s.publish(s.url("rtmp", "/live/cam1"))
	for want, answer := range map[string]struct {
		status int
		body   string
	}{
		"denied":  {http.StatusForbidden, "not you"},
		"unknown": {http.StatusUnauthorized, "does not allow it"},
		"broken":  {http.StatusServiceUnavailable, "could not decide"},
	} {
		for _, scheme := range []string{"http", "https"} {
			status, body := s.knock(s.url(scheme, "/live/cam1.flv?want="+want))
			if status != answer.status || !strings.Contains(body, answer.body) {
				t.Errorf("%s, %s: %d %q", scheme, want, status, body)
			}
		}
	}
	if status, _ := s.knock(s.url("https", "/live/cam1.flv?want=in")); status != http.StatusSwitchingProtocols {
		t.Errorf("who is let in gets the status %d", status)
	}
	s.end()
	if asked, told := b.heard("on_play"), b.heard("on_stop"); len(asked) != 7 || len(told) != 1 || !strings.Contains(told[0], "want=in") {
		t.Errorf("asked %s, and told the end of %s", asked, told)
	}
}

// knock asks for a WebSocket and returns the answer, of which the body is there unless it is one.
func (s *server) knock(url string) (status int, body string) {
	s.t.Helper()
	conn, resp, err := websocket.Dial(s.t.Context(), url, &websocket.DialOptions{HTTPClient: s.browser(http1)}) //nolint:bodyclose // Dial has read it
	if conn != nil {
		defer func() { _ = conn.CloseNow() }()
	}
	if resp == nil {
		s.t.Fatal(err)
	}
	if err == nil {
		return resp.StatusCode, ""
	}
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}
