package live_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// TestSkipsAreCountedByReason lets a viewer fall behind by more than either bound of the lag allows.
func TestSkipsAreCountedByReason(t *testing.T) {
	for _, tt := range []struct {
		name    string
		lag     live.Bound
		byBytes int64
	}{
		{"time", live.Bound{Time: time.Second}, 0},
		{"bytes", live.Bound{Bytes: 10_000}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(func(r *live.Rules) { r.Lag, r.Join = tt.lag, live.Bound{Time: time.Second} })
				p := livetest.Publish(t, h, livetest.Key)
				livetest.Write(t, p, livetest.VideoConfig(), key(0))
				s := livetest.Play(t, h, livetest.Key)
				r := s.Stream().Feed("raw", live.Tracks{}, func() live.Muxer { return rawMuxer{} }).Join(s)
				defer r.Leave()
				got := read(t, r)
				sent := 0
				for at := uint32(100); at <= 4000; at += 100 {
					f := tag(live.KindVideo, at, append(livetest.VideoTag(0), make([]byte, 1000)...))
					if at == 4000 {
						f = key(at)
					}
					sent += len(f.Body)
					livetest.Write(t, p, f)
					time.Sleep(100 * time.Millisecond)
				}
				time.Sleep(time.Second) // the last beat is over
				got += read(t, r)
				totals := s.Info().Totals
				equal(t, "skips", totals.Skips, 1)
				equal(t, "by bytes", totals.SkipsByBytes, tt.byBytes)
				equal(t, "bytes", totals.SkippedBytes, int64(sent+len(key(0).Body)-got))
				equal(t, "of the stream", p.Stream().Info().Totals.SkippedBytes, totals.SkippedBytes)
			})
		})
	}
}

// read returns how many bytes a viewer gets next.
func read(t *testing.T, r *live.FeedReader) (n int) {
	t.Helper()
	bufs, err := r.Next(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bufs {
		n += len(b)
	}
	return n
}
