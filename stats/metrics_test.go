package stats_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/stats"
)

// newMetrics returns the metrics of a hub with a registry like Caddy's, which checks them.
func newMetrics(t testing.TB, m *stats.Metrics) *prometheus.Registry {
	t.Helper()
	if m.Others == nil {
		m.Others = new(stats.Others)
	}
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(m); err != nil {
		t.Fatal(err)
	}
	return r
}

// scrape returns the values of series by name and labels, such as caddy_rtmp_viewers{protocol="flv"}, without "caddy_rtmp_".
func scrape(t testing.TB, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "caddy_rtmp_")
			var labels []string
			for _, l := range m.GetLabel() {
				if l.GetValue() != "" {
					labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
				}
			}
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				values[name] = m.GetCounter().GetValue()
			case dto.MetricType_GAUGE:
				values[name] = m.GetGauge().GetValue()
			case dto.MetricType_HISTOGRAM:
				values[name+" count"] = float64(m.GetHistogram().GetSampleCount())
				values[name+" sum"] = m.GetHistogram().GetSampleSum()
			default:
				t.Errorf("%s is a %s", name, f.GetType())
			}
		}
	}
	return values
}

// has checks values.
func has(t *testing.T, got, want map[string]float64) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if value, ok := got[name]; !ok || value != want[name] {
			t.Errorf("%s is %v (%t), want %v", name, value, ok, want[name])
		}
	}
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := new(live.Hub)
		r := newMetrics(t, &stats.Metrics{
			Hub:         hub,
			Streams:     10,
			Connections: func() (int, int64) { return 3, 4 },
			Callbacks: func() stats.Callbacks {
				return stats.Callbacks{
					Targets: []stats.CallbackTarget{{
						Target: "https://b.example/srs", Outcomes: []stats.CallbackOutcome{{Event: "on_play", Outcome: "refused", N: 2}},
						Calls: 2, Duration: 3 * time.Second, Within: map[float64]uint64{1: 1, 5: 2}, Pending: 7, Failing: true, GivenUp: 1,
					}},
					Dropped: 5, Dead: 6, Oldest: time.Now().Add(-time.Minute),
				}
			},
		})
		has(t, scrape(t, r), map[string]float64{
			"streams": 0, `viewers{protocol="hls"}`: 0, `plays_total{protocol="flv"}`: 0, `publishers{protocol="rtmp"}`: 0,
		})
		p := livetest.Publish(t, hub, livetest.Key)
		livetest.Write(t, p, livetest.GOPs(2)...)
		p.Session().Received(1000)
		p.Drop(live.ErrTag)
		v := livetest.Play(t, hub, livetest.Key)
		v.Sent(500)
		livetest.Play(t, hub, livetest.Key).Close(live.ErrSlow)
		if _, err := hub.Publish(t.Context(), livetest.Request(livetest.Key)); !errors.Is(err, live.ErrBusy) {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		v.SetAway(true)
		has(t, scrape(t, r), map[string]float64{`viewers{protocol="rtmp"}`: 0, `viewers_away{protocol="rtmp"}`: 1})
		v.SetAway(false)
		info := p.Stream().Info()
		protocol := fmt.Sprintf("protocol=%q", v.Protocol)
		app := fmt.Sprintf("{app=%q,vhost=%q}", livetest.Key.App, live.DefaultVhost)
		stream := fmt.Sprintf("app=%q,stream=%q,vhost=%q}", livetest.Key.App, livetest.Key.Name, live.DefaultVhost)
		want := map[string]float64{
			"sent_bytes_total": 500, "received_bytes_total": 1000, "broken_tags_total": 1, `viewer_skips_total{bound="size"}`: 0,
			"streams": 1, "publishers{" + protocol + "}": 1, "viewers{" + protocol + "}": 1,
			"publishes_total{" + protocol + "}": 1, "plays_total{" + protocol + "}": 2,
			"play_ends_total{" + protocol + `,reason="slow"}`:                 1,
			`refusals_total{action="publish",` + protocol + `,reason="busy"}`: 1,
			"connections": 3, "connections_refused_total": 4,
			"app_sent_bytes_total" + app: 500, "app_received_bytes_total" + app: 1000, "app_publishes_total" + app: 1,
			"app_plays_total" + app: 2, "app_streams" + app: 1, "app_viewers" + app: 1,
			"stream_sent_bytes_total{" + stream: 500, "stream_received_bytes_total{" + stream: 1000,
			`stream_frames_total{app="live",kind="video",stream="demo",vhost="__defaultVhost__"}`: float64(info.Totals.VideoFrames),
			"stream_broken_tags_total{" + stream:                                                  1, "stream_repaired_frames_total{" + stream: 0, "stream_viewer_skips_total{" + stream: 0,
			"stream_viewers{" + stream: 1, "stream_on_air{" + stream: 1, "stream_last_frame_age_seconds{" + stream: 1.5,
			"stream_published_timestamp_seconds{" + stream:                                      float64(time.Now().Add(-1500*time.Millisecond).UnixMilli()) / 1000,
			"stream_key_frame_interval_seconds{" + stream:                                       info.Tracks[0].GOPTime.Seconds(),
			`callbacks_total{event="on_play",outcome="refused",target="https://b.example/srs"}`: 2,
			`callback_duration_seconds{target="https://b.example/srs"} count`:                   2,
			`callback_duration_seconds{target="https://b.example/srs"} sum`:                     3,
			`outbox_pending{target="https://b.example/srs"}`:                                    7,
			`outbox_failing{target="https://b.example/srs"}`:                                    1,
			`outbox_given_up_total{target="https://b.example/srs"}`:                             1,
			"outbox_dropped_total": 5, "outbox_dead_letters": 6, "outbox_oldest_age_seconds": 60,
		}
		has(t, scrape(t, r), want)
		if info.Totals.VideoFrames == 0 || info.Tracks[0].GOPTime == 0 {
			t.Errorf("nothing was measured of %+v", info.Tracks)
		}

		// What has ended is gone but in the totals.
		v.Close(nil)
		p.Close(nil)
		after := scrape(t, r)
		has(t, after, map[string]float64{
			"streams": 0, "sent_bytes_total": 500, "app_sent_bytes_total" + app: 500, "app_viewers" + app: 0,
			"viewers{" + protocol + "}": 0, "publish_ends_total{" + protocol + `,reason="left"}`: 1,
		})
		for name := range after {
			if strings.HasPrefix(name, "stream_") {
				t.Errorf("%s is still there", name)
			}
		}
	})
}

// TestSeriesOfStreamsAreBounded has more streams than may have series, and looks whether the common counters only grow when
// streams come and go, and when a configuration allows for more or fewer.
func TestSeriesOfStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := new(live.Hub)
		others := new(stats.Others)
		r := newMetrics(t, &stats.Metrics{Hub: hub, Streams: 2, Others: others})
		var on []*live.Publisher
		for i := range 5 {
			p := livetest.Publish(t, hub, live.Key{App: "live", Name: fmt.Sprint("cam", i)})
			p.Session().Received(100)
			on = append(on, p)
			time.Sleep(time.Millisecond) // the next one is younger
		}
		waiting, err := hub.Admit(t.Context(), livetest.Request(live.Key{App: "live", Name: "nobody"}))
		if err != nil {
			t.Fatal(err)
		}
		defer waiting.Close(nil)
		const other = `{stream="other"}`
		look := func(r *prometheus.Registry, named int, rest, bytes float64) {
			t.Helper()
			got := scrape(t, r)
			n := 0
			for name := range got {
				if strings.HasPrefix(name, "stream_on_air{") && !strings.HasSuffix(name, other) {
					n++
				}
			}
			if n != named {
				t.Errorf("%d streams have series, not %d", n, named)
			}
			has(t, got, map[string]float64{"stream_on_air" + other: rest, "stream_received_bytes_total" + other: bytes})
		}
		look(r, 2, 3, 300)
		on[4].Session().Received(1)
		look(r, 2, 3, 301)
		on[4].Close(nil) // one of the others ends
		look(r, 2, 2, 301)
		on[0].Close(nil) // one of the longest ends, and another has series of its own from now on
		look(r, 2, 1, 301)
		on[3].Session().Received(1)
		on[2].Session().Received(7)
		look(r, 2, 1, 302)

		more := newMetrics(t, &stats.Metrics{Hub: hub, Streams: 3, Others: others})
		look(more, 3, 0, 302)
		on[3].Session().Received(1) // told by itself
		look(more, 3, 0, 302)
		fewer := newMetrics(t, &stats.Metrics{Hub: hub, Streams: 1, Others: others})
		look(fewer, 1, 2, 302)
		on[3].Session().Received(1)
		look(fewer, 1, 2, 303)

		none := newMetrics(t, &stats.Metrics{Hub: hub, Streams: 0, Others: others})
		for name := range scrape(t, none) {
			if strings.HasPrefix(name, "stream_") {
				t.Errorf("%s is told", name)
			}
		}
	})
}

// TestAppsBeyondTheBoundAreOne has clients name more apps than are counted by name.
func TestAppsBeyondTheBoundAreOne(t *testing.T) {
	hub := new(live.Hub)
	for i := range 1003 {
		p := livetest.Publish(t, hub, live.Key{App: fmt.Sprint("app", i), Name: "x"})
		p.Session().Received(2)
	}
	got := scrape(t, newMetrics(t, &stats.Metrics{Hub: hub}))
	has(t, got, map[string]float64{`app_received_bytes_total{app="other"}`: 6, `app_streams{app="other"}`: 3, "received_bytes_total": 2006})
}
