package hls

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// A cutWriter takes some bytes and is cut then. It says of the last Write what net/http says.
type cutWriter struct {
	*httptest.ResponseRecorder
	left  int
	vague bool
}

var errCut = errors.New("cut")

func (w *cutWriter) Write(b []byte) (int, error) {
	if len(b) <= w.left {
		w.left -= len(b)
		return w.ResponseRecorder.Write(b)
	}
	n, _ := w.ResponseRecorder.Write(b[:w.left])
	w.left = 0
	if w.vague {
		n = 0
	}
	return n, errCut
}

// TestCountOfACutWrite: what was counted of an object that was cut is what the viewer has, and on HTTP/2 at most a piece more.
func TestCountOfACutWrite(t *testing.T) {
	const took = pieceBytes + pieceBytes/2
	for name, c := range map[string]struct {
		http2 bool
		lost  error
		left  int
		want  int64
	}{
		"HTTP/1":                 {false, nil, took, took},
		"HTTP/2":                 {true, nil, took, 2 * pieceBytes},
		"HTTP/2, lost before":    {true, http.ErrAbortHandler, 0, 0},
		"HTTP/2, not cut at all": {true, nil, 3 * pieceBytes, 3 * pieceBytes},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *site) {
				livetest.Publish(s.T, s.hub, livetest.Key)
				v := newViewer("x")
				if err := v.ask(s.T.Context(), s.hub, live.Request{Key: s.hub.Resolve(livetest.Key)}, 0); err != nil {
					s.Fatal(err)
				}
				defer v.end(absent, nil)
				w := &countedWriter{
					ResponseWriter: &cutWriter{httptest.NewRecorder(), c.left, c.http2}, sent: v.sent, http2: c.http2,
					lost: func() error { return c.lost },
				}
				_, err := w.Write(make([]byte, 3*pieceBytes))
				if (err == nil) != (c.left == 3*pieceBytes) {
					s.Errorf("the error is %v", err)
				}
				if got := v.session().Info().Totals.Sent; got != c.want {
					s.Errorf("%d bytes were counted, want %d", got, c.want)
				}
			})
		})
	}
}
