package hls

import (
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// With AlwaysOn segments are made and told although nobody watches, to the last one of a stream and on in the next, and
// each is in the playlist when it is told.
func TestAlwaysOn(t *testing.T) {
	inBubble(t, func(s *site) {
		var mu sync.Mutex
		var told []Segment
		s.server.Listed = func(seg Segment) {
			ch := s.server.find(seg.Key)
			defer s.server.release(ch)
			if list := ch.segmenters[transport].window.playlist(); !strings.Contains(string(list.text(0, "")), path.Base(seg.URL)) {
				s.Errorf("segment %d is told before it is listed", seg.Number)
			}
			mu.Lock()
			defer mu.Unlock()
			told = append(told, seg)
		}
		c := s.config
		c.Told = true
		for range 2 {
			p := livetest.Publish(s.T, s.hub, livetest.Key)
			s.server.Keep(s.hub.Resolve(livetest.Key), c)
			if err := livetest.Pace(s.Context(), p, livetest.GOPs(9)...); err != nil {
				s.Fatal(err)
			}
			p.Close(nil)
			sleep(2 * time.Second)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(told) != 10 {
			s.Fatalf("%d segments were told", len(told))
		}
		for i, seg := range told {
			if seg.Publisher == nil || seg.StreamID == "" || seg.Variant != "ts" || seg.Length > 2*time.Second || seg.Length <= 0 ||
				seg.Playlist != "live/demo.m3u8" || seg.Number != told[0].Number+int64(i) {
				s.Errorf("segment %d is told as %+v", i, seg)
			}
		}
		if told[0].Publisher.ID == told[9].Publisher.ID {
			s.Error("the second stream's segments are told as the first's")
		}
	})
}
