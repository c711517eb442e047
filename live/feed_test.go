package live_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// join attaches a viewer of the stream of p to a text feed.
func join(t testing.TB, h *live.Hub, p *live.Publisher) *live.FeedReader {
	t.Helper()
	s := livetest.Play(t, h, p.Stream().Key())
	r := s.Stream().Feed("text", live.Tracks{}, newTextMuxer).Join(s)
	t.Cleanup(r.Leave)
	return r
}

func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(*live.Rules) {})
		p := livetest.Publish(t, h, livetest.Key)
		livetest.Write(t, p, livetest.VideoConfig(), livetest.AudioConfig(), key(0), inter(40), sound(46))
		r, start := join(t, h, p), time.Now()
		equal(t, "burst", next(t, r), "H V A k0 v40 a46")
		equal(t, "burst at once", time.Since(start), 0)

		livetest.Write(t, p, inter(80), sound(92))
		equal(t, "first batch", next(t, r), "v80 a92")
		equal(t, "first beat", time.Since(start), 100*ms)

		time.Sleep(1030 * ms)
		livetest.Write(t, p, key(1000))
		time.Sleep(10 * ms)
		livetest.Write(t, p, inter(1040))
		equal(t, "after a pause", next(t, r), "k1000 v1040")
		equal(t, "on the grid", time.Since(start), 1200*ms)

		late := join(t, h, p)
		equal(t, "in the middle", next(t, late), "H V A k1000 v1040")
		livetest.Write(t, p, inter(1080))
		equal(t, "one viewer", next(t, r), "v1080")
		equal(t, "the other", next(t, late), "v1080")
	})
}

func TestFeedWithoutEntryWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(r *live.Rules) { r.Join.Time = time.Second })
		p := livetest.Publish(t, h, livetest.Key)
		livetest.Write(t, p, livetest.VideoConfig(), key(0), inter(1500))
		early := join(t, h, p)
		go func() {
			time.Sleep(3470 * ms)
			livetest.Write(t, p, inter(5000))
			time.Sleep(time.Second)
			livetest.Write(t, p, key(6000), inter(6040))
		}()
		start := time.Now()
		equal(t, "early", next(t, early), "H V k6000 v6040")
		equal(t, "waited", time.Since(start), 4500*ms)
		livetest.Write(t, p, inter(7500))
		equal(t, "goes on", next(t, early), "v7500")

		late := join(t, h, p)
		go livetest.Write(t, p, key(8000))
		equal(t, "late", next(t, late), "H V k8000")
	})
}

func TestFeedConfigurationChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(*live.Rules) {})
		p := livetest.Publish(t, h, livetest.Key)
		livetest.Write(t, p, livetest.VideoConfig(), key(0))
		r := join(t, h, p)
		next(t, r)
		livetest.Write(t, p, livetest.AudioConfig(), tag(live.KindVideo, 0, []byte{0x17, 0, 0, 0, 0, 9}), key(40))
		equal(t, "in the stream", next(t, r), "V A k40")
		equal(t, "in the header", next(t, join(t, h, p)), "H V A k40")
	})
}

func TestFeedSharesItsBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(*live.Rules) {})
		p := livetest.Publish(t, h, livetest.Key)
		livetest.Write(t, p, livetest.GOPs(1)...)
		viewers := make([]*live.FeedReader, 300) // in three shards
		for i := range viewers {
			viewers[i] = join(t, h, p)
			next(t, viewers[i])
		}
		livetest.Write(t, p, livetest.Media(1, 2)...)
		time.Sleep(time.Second)
		var first *byte
		for i, v := range viewers {
			bufs, err := v.Next(t.Context(), nil)
			if err != nil || len(bufs) != 1 {
				t.Fatal(len(bufs), err)
			}
			if i == 0 {
				first = &bufs[0][0]
			}
			if first != &bufs[0][0] {
				t.Fatalf("viewer %d has bytes of its own", i)
			}
		}
	})
}

// TestFeedSpreadsItsShards has 300 viewers, of whom 128 make a shard, and looks when they are woken.
func TestFeedSpreadsItsShards(t *testing.T) {
	const beat = 120 * ms
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(r *live.Rules) { r.Latency = beat })
		p := livetest.Publish(t, h, livetest.Key)
		pace(t, p, livetest.GOPs(4)...)
		time.Sleep(505 * ms)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var mu sync.Mutex
		phases := map[time.Duration]int{}
		var wg sync.WaitGroup
		viewers := make([]*live.FeedReader, 300)
		for i := range viewers {
			viewers[i] = join(t, h, p)
			next(t, viewers[i])
		}
		for _, r := range viewers {
			wg.Go(func() {
				for {
					if _, err := r.Next(ctx, nil); err != nil {
						return
					}
					if time.Since(start) < 2*beat {
						continue // the shards were not all in use when the first beat was set
					}
					mu.Lock()
					phases[time.Since(start)%beat]++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(phases) != 3 {
			t.Errorf("phases %v", phases)
		}
		for i, viewers := range []int{128, 128, 44} {
			if n := phases[time.Duration(i)*beat/3]; n < viewers*22 || n > viewers*24 {
				t.Errorf("%d batches for %d viewers at phase %d of %v", n, viewers, i, phases)
			}
		}
	})
}

func TestFeedSlowViewerJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(r *live.Rules) { r.Lag.Time = 1500 * ms })
		p := livetest.Publish(t, h, livetest.Key)
		livetest.Write(t, p, livetest.Configs()...)
		pace(t, p, livetest.Media(0, 6)...)
		synctest.Wait()
		s := livetest.Play(t, h, livetest.Key)
		r := s.Stream().Feed("text", live.Tracks{}, newTextMuxer).Join(s)
		defer r.Leave()
		equal(t, "burst", strings.HasPrefix(next(t, r), "H M V A"), true)
		time.Sleep(1300 * ms)
		equal(t, "within the bound", strings.HasPrefix(next(t, r), "a23 v40 "), true)
		time.Sleep(2500 * ms)
		equal(t, "beyond the bound", next(t, r)[:6], "k3000 ")
		equal(t, "counted", s.Info().Totals.Skips, 1)
		equal(t, "counted for the stream", p.Stream().Info().Totals.Skips, 1)
		equal(t, "counted once", strings.Contains(next(t, r), "k"), false)
		equal(t, "counted once", s.Info().Totals.Skips, 1)
	})
}

func TestFeedSlowViewerWithoutEntryIsNotServedOldBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(r *live.Rules) { r.Lag.Time, r.Join.Time = time.Second, time.Second })
		p := livetest.Publish(t, h, livetest.Key)
		livetest.Write(t, p, livetest.VideoConfig(), key(0))
		r := join(t, h, p)
		next(t, r)
		for at := uint32(100); at < 3000; at += 100 {
			livetest.Write(t, p, inter(at))
			time.Sleep(100 * ms)
		}
		go func() {
			time.Sleep(time.Second)
			livetest.Write(t, p, key(4000))
		}()
		equal(t, "after the jump", next(t, r), "k4000")
	})
}

func TestFeedEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(*live.Rules) {})
		p := livetest.Publish(t, h, livetest.Key)
		livetest.Write(t, p, livetest.VideoConfig(), key(0))
		var wg sync.WaitGroup
		for range 200 {
			r := join(t, h, p)
			wg.Go(func() {
				equal(t, "burst", next(t, r), "H V k0")
				equal(t, "rest", next(t, r), "v40")
				_, err := r.Next(t.Context(), nil)
				isErr(t, "end", err, io.EOF)
			})
		}
		synctest.Wait()
		livetest.Write(t, p, inter(40))
		p.Close(nil)
		wg.Wait()
	})
}

func TestFeedKick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(*live.Rules) {})
		p := livetest.Publish(t, h, livetest.Key)
		livetest.Write(t, p, livetest.VideoConfig(), key(0))
		s := livetest.Play(t, h, livetest.Key)
		r := s.Stream().Feed("text", live.Tracks{}, newTextMuxer).Join(s)
		defer r.Leave()
		next(t, r)
		go func() {
			synctest.Wait()
			equal(t, "kicked", h.Kick(s.ID), true)
		}()
		_, err := r.Next(s.Context(), nil)
		isErr(t, "while waiting", err, live.ErrKicked)
		_, err = r.Next(s.Context(), nil)
		isErr(t, "again", err, live.ErrKicked)
		equal(t, "no such session", h.Kick("nobody"), false)
	})
}

// TestFeedHaltsAndStartsAnew ends with the publisher on air and the bubble checks that nothing runs any more.
func TestFeedHaltsAndStartsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(*live.Rules) {})
		p, err := h.Publish(t.Context(), livetest.Request(livetest.Key))
		if err != nil {
			t.Fatal(err)
		}
		livetest.Write(t, p, livetest.VideoConfig(), key(0))
		muxers := 0
		feed := p.Stream().Feed("counted", live.Tracks{}, func() live.Muxer { muxers++; return textMuxer{} })
		for at := uint32(40); at < 400; at += 80 {
			s := livetest.Play(t, h, livetest.Key)
			r := feed.Join(s)
			equal(t, "burst", strings.HasPrefix(next(t, r), "H V k0"), true)
			livetest.Write(t, p, inter(at))
			equal(t, "batch", strings.HasPrefix(next(t, r), "v"), true)
			r.Leave()
			r.Leave()
			s.Close(nil)
			livetest.Write(t, p, inter(at+40))
		}
		equal(t, "muxers", muxers, 5)
		time.Sleep(time.Second)
	})
}

func TestFeedStartsAnewWithoutEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(r *live.Rules) { r.Join.Time = time.Second })
		p := livetest.Publish(t, h, livetest.Key)
		livetest.Write(t, p, livetest.VideoConfig(), key(0))
		r := join(t, h, p)
		next(t, r)
		r.Leave()
		livetest.Write(t, p, inter(2000))
		r = join(t, h, p)
		livetest.Write(t, p, key(2040))
		equal(t, "at the next entry", next(t, r), "H V k2040")
	})
}

// TestFeedKeepsWhatAViewerNeeds has a viewer that is behind by several blocks, but within the bounds.
func TestFeedKeepsWhatAViewerNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(*live.Rules) {})
		p := livetest.Publish(t, h, livetest.Key)
		livetest.Write(t, p, key(0))
		s := livetest.Play(t, h, livetest.Key)
		r := p.Stream().Feed("raw", live.Tracks{}, func() live.Muxer { return rawMuxer{} }).Join(s)
		defer r.Leave()
		_, err := r.Next(t.Context(), nil)
		isErr(t, "burst", err, nil)
		want := 0
		for i := range 5 {
			big := append(livetest.VideoTag(0), make([]byte, 1<<20+i)...)
			want += len(big)
			livetest.Write(t, p, tag(live.KindVideo, uint32(i+1)*500, big))
			time.Sleep(500 * ms)
		}
		for got := 0; got < want; {
			bufs, err := r.Next(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range bufs {
				got += len(b)
			}
		}
		equal(t, "skips", s.Info().Totals.Skips, 0)
	})
}

func TestFeedTakesANewLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(r *live.Rules) { r.Latency = 400 * ms })
		p := livetest.Publish(t, h, livetest.Key)
		pace(t, p, livetest.GOPs(10)...)
		synctest.Wait()
		r := join(t, h, p)
		next(t, r)
		gap := func() time.Duration {
			start := time.Now()
			next(t, r)
			return time.Since(start)
		}
		gap()
		equal(t, "before", gap(), 400*ms)
		h.Activate(&live.Policy{Rules: rulesOf(func(r *live.Rules) { r.Latency = 80 * ms })})
		gap()
		equal(t, "after", gap(), 80*ms)
		h.Activate(&live.Policy{Rules: rulesOf(func(r *live.Rules) { r.Latency = 0 })})
		gap()
		gap()
		equal(t, "default", gap(), 100*ms)
	})
}

func TestFeedGivesBigFramesWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(*live.Rules) {})
		p := livetest.Publish(t, h, livetest.Key)
		s := livetest.Play(t, h, livetest.Key)
		feed := p.Stream().Feed("raw", live.Tracks{}, func() live.Muxer { return rawMuxer{} })
		r := feed.Join(s)
		defer r.Leave()
		var sent, got int
		for i := range 20 {
			body := append(livetest.VideoTag(i), make([]byte, (i%4)*400_000)...)
			sent += len(body)
			livetest.Write(t, p, tag(live.KindVideo, uint32(i*40), body))
		}
		for got < sent {
			bufs, err := r.Next(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range bufs {
				got += len(b)
			}
		}
		equal(t, "bytes", got, sent)
	})
}

// rawMuxer writes nothing but bodies.
type rawMuxer struct{}

func (rawMuxer) Size(f *live.Frame) int                          { return len(f.Body) }
func (rawMuxer) AppendFrame(b []byte, f *live.Frame) []byte      { return append(b, f.Body...) }
func (rawMuxer) Header(setup, given *live.Setup, _ int64) []byte { return nil }
