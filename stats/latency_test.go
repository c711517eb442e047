package stats_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/flv"
)

// TestLatency watches with three viewers by FLV, one of them without sound, for long enough to say what beats have cost.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		p := s.publish("demo")
		defer p.Close(nil)
		for _, tracks := range []live.Tracks{{}, {}, {Audio: live.NoTrack}} {
			v := s.view(live.Request{Protocol: live.ProtocolFLV, Key: p.Session().Key})
			t.Cleanup(func() { v.Close(nil) })
			r := p.Stream().Feed("flv", tracks, func() live.Muxer { return flv.Muxer{} }).Join(v)
			t.Cleanup(r.Leave)
			go func() {
				for err := error(nil); err == nil; {
					_, err = r.Next(v.Context(), nil)
				}
			}()
		}
		if err := livetest.Pace(t.Context(), p, livetest.Media(0, 12)...); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		var got struct {
			Stream struct {
				Latency struct {
					Batch   float64 `json:"batch_ms"`
					Formats []struct {
						Format  string
						Viewers int
						Mean    float64 `json:"mean_ms"`
						Max     float64 `json:"max_ms"`
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(s.get("/api/v1/streams/"+p.Stream().ID())), &got); err != nil {
			t.Fatal(err)
		}
		l := got.Stream.Latency
		if l.Batch != 100 || len(l.Formats) != 1 || l.Formats[0].Format != "flv" || l.Formats[0].Viewers != 3 {
			t.Fatalf("latency %+v", l)
		}
		if f := l.Formats[0]; f.Mean < 30 || f.Mean > 70 || f.Max < f.Mean || f.Max > 100 {
			t.Errorf("mean %v ms, at most %v ms", f.Mean, f.Max)
		}
	})
}
