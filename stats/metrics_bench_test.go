package stats_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/stats"
)

// scrapes returns what makes one scrape of a hub, from the look at it to the last byte of text.
func scrapes(tb testing.TB, hub *live.Hub) func() {
	handler := promhttp.HandlerFor(newMetrics(tb, &stats.Metrics{Hub: hub, Streams: stats.DefaultStreamSeries}), promhttp.HandlerOpts{})
	return func() {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
		if rec.Code != http.StatusOK || rec.Body.Len() < 1000 {
			tb.Fatalf("%d %s", rec.Code, rec.Body)
		}
	}
}

// BenchmarkScrape measures what one scrape costs with 200 streams and 10,000 sessions, all collecting of garbage included.
func BenchmarkScrape(b *testing.B) {
	scrape := scrapes(b, newCrowd(b).Hub)
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		scrape()
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// BenchmarkFrameBesideScrape measures what a frame costs its publisher while scrape follows scrape, and while none does.
func BenchmarkFrameBesideScrape(b *testing.B) {
	for _, scrapers := range []int{0, 1} {
		b.Run(fmt.Sprint(scrapers, "_scrapers"), func(b *testing.B) {
			c := newCrowd(b)
			scrape := scrapes(b, c.Hub)
			c.writeBeside(b, scrapers, scrape)
		})
	}
}

// TestScrapeCostsNothingForViewers compares the cost of a scrape with 10,000 sessions to that with 200.
func TestScrapeCostsNothingForViewers(t *testing.T) {
	hub := new(live.Hub)
	for i := range crowdStreams {
		livetest.Publish(t, hub, live.Key{App: "live", Name: fmt.Sprint("cam", i)})
	}
	alone, crowded := testing.AllocsPerRun(3, scrapes(t, hub)), testing.AllocsPerRun(3, scrapes(t, newCrowd(t).Hub))
	if crowded > 1.5*alone { // what has frames has a few more series
		t.Errorf("%v allocations with viewers, %v without", crowded, alone)
	}
}
