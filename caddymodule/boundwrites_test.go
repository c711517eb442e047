package caddymodule_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-rtmp/caddy-rtmp/caddymodule"
)

// TestBatchesAreWrittenWhole writes as Caddy's own server lets handlers write, before and while a stream is served.
func TestBatchesAreWrittenWhole(t *testing.T) {
	socket := &pieces{ResponseWriter: httptest.NewRecorder()}
	w := &caddyhttp.IdleTimeoutWriter{
		ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: socket},
		Ctrl:                  http.NewResponseController(socket),
		Deadline:              caddyhttp.IdleDeadline{Timeout: time.Minute},
		Logger:                zap.NewNop(),
	}
	r := httptest.NewRequest(http.MethodGet, "/live/demo.flv", nil)
	r = r.WithContext(caddyhttp.ContextWithIdleTimeouts(r.Context(), nil, w))
	batch := make([]byte, 100<<10)
	write := func() {
		if n, err := w.Write(batch); n != len(batch) || err != nil {
			t.Errorf("%d bytes written: %v", n, err)
		}
	}
	write()
	if !caddymodule.BoundWrites(r, 10*time.Second) {
		t.Error("the server does not bound writes")
	}
	write()
	if want := []int{64 << 10, 36 << 10, 100 << 10}; !slices.Equal(socket.sizes, want) {
		t.Errorf("pieces of %d", socket.sizes)
	}
	if left := time.Until(socket.deadline); left > 10*time.Second || left < 5*time.Second {
		t.Errorf("the last write was to end within %s", left)
	}
	if caddymodule.BoundWrites(httptest.NewRequest(http.MethodGet, "/live/demo.flv", nil), time.Second) {
		t.Error("a server without deadlines bounds writes")
	}
}

// pieces notes what comes in one Write each, and the newest deadline.
type pieces struct {
	http.ResponseWriter

	sizes    []int
	deadline time.Time
}

func (p *pieces) SetWriteDeadline(deadline time.Time) error {
	p.deadline = deadline
	return nil
}

func (p *pieces) Write(b []byte) (int, error) {
	p.sizes = append(p.sizes, len(b))
	return p.ResponseWriter.Write(b) //nolint:wrapcheck // a recorder's
}
