package live_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// TestDelay watches with 300 viewers, in groups, pictures that come every 40 ms: half a beat is what they wait on average.
func TestDelay(t *testing.T) {
	for _, beat := range []time.Duration{100 * ms, 400 * ms} {
		t.Run(beat.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(func(r *live.Rules) { r.Latency = beat })
				p := livetest.Publish(t, h, livetest.Key)
				pace(t, p, livetest.GOPs(25)...)
				synctest.Wait()
				for range 300 {
					r := join(t, h, p)
					go drain(t.Context(), r)
				}
				time.Sleep(22 * time.Second)
				feeds := p.Stream().Info().Feeds
				if len(feeds) != 1 || feeds[0].Viewers != 300 || feeds[0].Format != "text" {
					t.Fatalf("feeds %+v", feeds)
				}
				d := feeds[0].Delay
				if d.Max > beat || d.Max < beat-50*ms {
					t.Errorf("the longest is %s", d.Max)
				}
				if off := d.Mean - beat/2; off.Abs() > 15*ms {
					t.Errorf("the mean is %s", d.Mean)
				}
			})
		})
	}
}
