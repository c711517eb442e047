package httplive

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// page is a response to somebody who takes everything. It counts.
type page struct {
	header                    http.Header
	bytes, flushes, deadlines int
}

func (s *page) Header() http.Header              { return s.header }
func (s *page) WriteHeader(int)                  {}
func (s *page) Write(b []byte) (int, error)      { s.bytes += len(b); return len(b), nil }
func (s *page) FlushError() error                { s.flushes++; return nil }
func (s *page) SetWriteDeadline(time.Time) error { s.deadlines++; return nil }

func newSink(t testing.TB, major int) (*page, *output) {
	t.Helper()
	hub := new(live.Hub)
	livetest.Publish(t, hub, livetest.Key)
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.ProtoMajor = major
	w := &page{header: make(http.Header)}
	out := new(Handler).newOutput(w, r, livetest.Play(t, hub, livetest.Key))
	t.Cleanup(func() { out.close(nil) })
	return w, out
}

// A flush costs a call of the kernel or of another goroutine, so there is one only for what net/http has kept.
func TestFlushes(t *testing.T) {
	for _, c := range []struct{ major, size, want int }{
		{1, 1, 1},
		{1, keptBytes, 1},
		{1, keptBytes + 1, 0},
		{1, 300 << 10, 0},
		{2, 1, 1},
		{2, keptBytes + 1, 0},
		{2, pieceBytes, 0},
		{2, pieceBytes + 1, 1},
		{2, 300 << 10, 0},
		{3, 300 << 10, 1},
	} {
		w, out := newSink(t, c.major)
		if err := out.write(make([]byte, c.size)); err != nil {
			t.Fatal(err)
		}
		if w.flushes != c.want || w.bytes != c.size {
			t.Errorf("HTTP/%d, %d bytes: %d flushes, want %d", c.major, c.size, w.flushes, c.want)
		}
	}
}

func TestDeadlines(t *testing.T) {
	for major, want := range map[int]int{1: 1, 2: 20} {
		w, out := newSink(t, major)
		for range 10 {
			if err := out.write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if w.deadlines != want {
			t.Errorf("HTTP/%d: %d deadlines, want %d", major, w.deadlines, want)
		}
	}
}

// TestBoundByTheServer has a server that bounds writes by itself, and a rule that changes.
func TestBoundByTheServer(t *testing.T) {
	for major := 1; major <= 3; major++ {
		w, out := newSink(t, major)
		var limits []time.Duration
		out.bound = func(limit time.Duration) bool {
			limits = append(limits, limit)
			return limit > 0
		}
		for _, limit := range []time.Duration{time.Second, time.Second, time.Minute} {
			out.arm(time.Now(), limit)
			out.disarm()
		}
		if want := []time.Duration{time.Second, time.Minute}; !slices.Equal(limits, want) || w.deadlines > 0 {
			t.Errorf("HTTP/%d: limits %v and %d deadlines", major, limits, w.deadlines)
		}
		if out.arm(time.Now(), -1); w.deadlines > 0 {
			t.Errorf("HTTP/%d: a deadline where there is no limit", major)
		}
	}
}

func TestWriteAllocatesNothing(t *testing.T) {
	for major := 1; major <= 3; major++ {
		_, out := newSink(t, major)
		batch := make([]byte, 50_000)
		if n := testing.AllocsPerRun(100, func() { _ = out.write(batch) }); n > 0 {
			t.Errorf("HTTP/%d: %v allocations", major, n)
		}
	}
}

// BenchmarkWrite is what one beat costs one viewer, without the socket.
func BenchmarkWrite(b *testing.B) {
	_, out := newSink(b, 1)
	batch := make([]byte, 50_000)
	b.ReportAllocs()
	for b.Loop() {
		if err := out.write(batch); err != nil {
			b.Fatal(err)
		}
	}
}
