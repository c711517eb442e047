package stats_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/stats"
)

// A crowd is a server of many streams, a publisher and 49 viewers each.
type crowd struct {
	*stats.API
	publishers []*live.Publisher
}

const (
	crowdStreams = 200
	crowdClients = 10_000
)

func newCrowd(tb testing.TB) *crowd {
	c := &crowd{API: &stats.API{Hub: new(live.Hub), Version: "1.2.3"}}
	for i := range crowdStreams {
		p := livetest.Publish(tb, c.Hub, live.Key{App: "live", Name: fmt.Sprint("cam", i)})
		livetest.Write(tb, p, livetest.GOPs(1)...)
		c.publishers = append(c.publishers, p)
		for range crowdClients/crowdStreams - 1 {
			v, err := c.Hub.Admit(context.WithoutCancel(tb.Context()), livetest.Request(p.Stream().Key()))
			if err != nil {
				tb.Fatal(err)
			}
			v.Sent(i)
			tb.Cleanup(func() { v.Close(nil) })
		}
	}
	c.Rates = stats.NewRates(c.Hub)
	tb.Cleanup(c.Rates.Close)
	return c
}

func (c *crowd) ask(tb testing.TB, url string) {
	rec := httptest.NewRecorder()
	c.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, url, http.NoBody))
	if rec.Code != http.StatusOK || rec.Body.Len() < 200 {
		tb.Fatalf("%s: %d %s", url, rec.Code, rec.Body)
	}
}

// cpuTime returns what the process has used so far.
func cpuTime(tb testing.TB) time.Duration {
	p, err := process.NewProcess(int32(os.Getpid()))
	if err != nil {
		tb.Fatal(err)
	}
	times, err := p.Times()
	if err != nil {
		tb.Fatal(err)
	}
	return time.Duration((times.User + times.System) * float64(time.Second))
}

// BenchmarkAPI measures what one request costs with 200 streams and 10,000 sessions, all collecting of garbage included.
func BenchmarkAPI(b *testing.B) {
	c := newCrowd(b)
	for _, url := range []string{
		"/api/v1/clients/?count=100", "/api/v1/clients/?count=100&sort=-send_bytes", "/api/v1/clients/?count=100&type=rtmp-play&app=live",
		"/api/v1/clients/?count=10000", "/api/v1/streams/?count=200", "/api/v1/vhosts/", "/api/v1/summaries",
	} {
		b.Run(url[len("/api/v1/"):], func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				c.ask(b, url)
			}
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// BenchmarkLook measures what Rates cost every 5 s.
func BenchmarkLook(b *testing.B) {
	c := newCrowd(b)
	b.ReportAllocs()
	for b.Loop() {
		c.Rates.Look()
	}
}

// BenchmarkFrameBesideAPI measures what a frame costs its publisher while the API is asked without a pause, and while it is
// not.
func BenchmarkFrameBesideAPI(b *testing.B) {
	for _, askers := range []int{0, 1} {
		b.Run(fmt.Sprint(askers, "_askers"), func(b *testing.B) {
			c := newCrowd(b)
			c.writeBeside(b, askers, func() {
				c.ask(b, "/api/v1/clients/?count=100")
				c.ask(b, "/api/v1/streams/?count=200")
			})
		})
	}
}

// writeBeside measures what a frame costs its publisher while n goroutines look without a pause.
func (c *crowd) writeBeside(b *testing.B, n int, look func()) {
	b.Helper()
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for !stop.Load() {
				look()
			}
		})
	}
	p, f := c.publishers[0], livetest.Video(1)
	took := make([]time.Duration, 0, 1<<20)
	for b.Loop() {
		start := time.Now()
		livetest.Write(b, p, f)
		took = append(took, time.Since(start))
	}
	stop.Store(true)
	wg.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*999/1000].Nanoseconds())/1000, "p99.9-µs")
}

// TestPagesAreCheap keeps a page of many clients from costing what all of them would.
func TestPagesAreCheap(t *testing.T) {
	c := newCrowd(t)
	for url, most := range map[string]float64{"/api/v1/clients/?count=100": 1000, "/api/v1/streams/?count=100": 5000} {
		if n := testing.AllocsPerRun(5, func() { c.ask(t, url) }); n > most {
			t.Errorf("%s: %v allocations", url, n)
		}
	}
}
