package load

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/flv"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/httplive"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/mpegts"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A site is a server without Caddy: RTMP, FLV and TS.
type site struct {
	hub  *live.Hub
	http *httptest.Server
	rtmp string // the address
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{hub: new(live.Hub)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.rtmp = ln.Addr().String()
	server := &rtmpapp.Server{Hub: s.hub}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ln) // ends with the listener
	}()
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		if err := s.hub.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		ln.Close()
		<-done
		s.http.Close()
	})
	return s
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	for _, f := range []httplive.Format{flv.Format(), mpegts.Format()} {
		if h := (&httplive.Handler{Hub: s.hub, Format: f}); h.Match(r) {
			h.ServeHTTP(w, r)
			return
		}
	}
	http.NotFound(w, r)
}

// config is a run against the site that is over soon.
func (s *site) config() Config {
	return Config{
		URL:      s.http.URL + "/live/load",
		RTMP:     "rtmp://" + s.rtmp + "/live/load",
		Bitrate:  300_000,
		Settle:   200 * time.Millisecond,
		Duration: time.Second,
	}
}

// mustRun runs c to its end.
func mustRun(t *testing.T, c Config) *Report {
	t.Helper()
	report, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// watching returns a watch of nobody.
func watching() *watch { return newWatch(new(tally), new(atomic.Int64), time.Hour, true) }

// inPieces calls read with b in pieces of n bytes, and returns its first error.
func inPieces(b []byte, n int, read func(b []byte, now time.Time) error) error {
	for piece := range slices.Chunk(b, n) {
		if err := read(piece, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// faults returns how often each kind of fault was met.
func (w *watch) faults() map[string]int64 {
	counts := make(map[string]int64)
	for kind, f := range w.tally.register.list() {
		counts[kind] = f.Count
	}
	return counts
}

// shown returns the package's own film as a publisher sends it in n laps, but all at once.
func shown(t testing.TB, laps int) []*live.Frame {
	t.Helper()
	film, err := loadFilm("", 200_000)
	if err != nil {
		t.Fatal(err)
	}
	p := &publisher{film: film, mark: mark{origin: 7}}
	var frames []*live.Frame
	for lap := range int64(laps) {
		for _, c := range film.cues {
			if lap == 0 || c.frame.Media() {
				frames = append(frames, p.next(c, lap*film.lap+c.frame.Time))
			}
		}
	}
	return frames
}
