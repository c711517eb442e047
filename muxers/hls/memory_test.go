package hls

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// heavy returns a picture of so many bytes.
func heavy(n, size int) *live.Frame {
	tag := livetest.VideoTag(n)
	tag = append(tag[:9:9], append(tag[9:], make([]byte, size)...)...)
	binary.BigEndian.PutUint32(tag[5:], uint32(len(tag)-9))
	f, err := live.ParseTag(live.KindVideo, uint32(n*livetest.FrameInterval), tag)
	if err != nil {
		panic(err) // a mistake in this file
	}
	return f
}

// A stream of 2 Mbit/s in both variants, with parts, takes the bytes of what may be fetched and less than 1 MiB besides.
func TestMemory(t *testing.T) {
	const streams = 4
	inBubble(t, func(s *site) {
		s.config = DefaultConfig()
		s.config.AlwaysOn = true
		ctx, cancel := context.WithCancel(s.Context())
		done := make(chan struct{}, streams)
		defer func() {
			cancel()
			for range streams {
				<-done
			}
		}()
		for i := range streams {
			p := livetest.Publish(s.T, s.hub, live.Key{App: "live", Name: fmt.Sprint("heavy", i)})
			livetest.Write(s.T, p, livetest.Configs()...)
			go func() {
				defer func() { done <- struct{}{} }()
				tick := time.NewTicker(livetest.FrameInterval * time.Millisecond)
				defer tick.Stop()
				for n := 0; ctx.Err() == nil; n++ {
					if p.WriteFrame(heavy(n, 10_000)) != nil {
						return
					}
					select {
					case <-tick.C:
					case <-ctx.Done():
					}
				}
			}()
		}
		pause(30 * time.Second)
		synctest.Wait()
		before := heap()
		for i := range streams {
			s.server.Keep(s.hub.Resolve(live.Key{App: "live", Name: fmt.Sprint("heavy", i)}), s.config)
		}
		pause(time.Minute)
		synctest.Wait()
		taken := heap() - before
		var window int64
		for _, ch := range s.server.list() {
			for _, g := range ch.segmenters {
				for seg := range g.window.newest() {
					window += seg.body.size
				}
			}
		}
		s.Logf("%d KiB per stream, of which %d may be fetched", taken/streams>>10, window/streams>>10)
		if window < streams*2*20*25*10_000 || taken > window+streams<<20 {
			s.Errorf("%d KiB per stream, of which %d may be fetched", taken/streams>>10, window/streams>>10)
		}
	})
}
