package live_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// BenchmarkPublisher measures what a frame costs the publisher while so many viewers watch. It must not grow with them.
// The frames come as fast as they can, which is far more often than the feed beats.
func BenchmarkPublisher(b *testing.B) {
	for _, viewers := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprint(viewers), func(b *testing.B) {
			h := newHub(func(r *live.Rules) { r.Lag.Bytes = 1 << 20 })
			p := livetest.Publish(b, h, livetest.Key)
			livetest.Write(b, p, livetest.VideoConfig(), key(0))
			ctx, cancel := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			for range viewers {
				r := join(b, h, p)
				wg.Go(func() { drain(ctx, r) })
			}
			frames := make([]*live.Frame, 1000)
			for i := range frames {
				frames[i] = livetest.Video(i)
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%100 == 99 {
					b.StopTimer()
					<-time.After(time.Millisecond) // two cores have to serve all viewers too
					b.StartTimer()
				}
				livetest.Write(b, p, frames[n%len(frames)])
			}
			cancel()
			wg.Wait()
		})
	}
}

func drain(ctx context.Context, r *live.FeedReader) {
	var bufs [][]byte
	for err := error(nil); err == nil; {
		bufs, err = r.Next(ctx, bufs)
	}
}

// BenchmarkFeedReader measures what one batch costs one of ten thousand viewers, without the wake.
func BenchmarkFeedReader(b *testing.B) {
	const viewers = 10_000
	h := newHub(func(r *live.Rules) { r.Latency = time.Millisecond })
	p := livetest.Publish(b, h, livetest.Key)
	livetest.Write(b, p, livetest.VideoConfig(), key(0))
	readers := make([]*live.FeedReader, viewers)
	bufs := make([][]byte, 0, 4)
	for i := range readers {
		readers[i] = join(b, h, p)
		if _, err := readers[i].Next(b.Context(), bufs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for i, at := 0, uint32(40); b.Loop(); i++ {
		if i%viewers == 0 {
			b.StopTimer()
			livetest.Write(b, p, inter(at))
			at += 40
			<-time.After(2 * time.Millisecond) // a beat
			b.StartTimer()
		}
		if _, err := readers[i%viewers].Next(b.Context(), bufs); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReader measures one frame through the log, written and read.
func BenchmarkReader(b *testing.B) {
	h := newHub(func(r *live.Rules) { r.Lag.Bytes = 1 << 20 })
	p := livetest.Publish(b, h, livetest.Key)
	livetest.Write(b, p, livetest.VideoConfig(), key(0))
	r := p.Stream().NewReader(live.Tracks{})
	readable(r)
	f := livetest.Video(1)
	b.ReportAllocs()
	for b.Loop() {
		livetest.Write(b, p, f)
		if _, err := r.ReadFrame(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseTag measures the reading of one tag's header.
func BenchmarkParseTag(b *testing.B) {
	body := livetest.VideoTag(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := live.ParseTag(live.KindVideo, 0, body); err != nil {
			b.Fatal(err)
		}
	}
}
