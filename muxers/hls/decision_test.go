package hls

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// TestDecidedOnce: the guard is asked for a viewer at the entry playlist, and neither at the lists nor at the segments that
// follow, however many; nor does it matter there whether it would refuse by now.
func TestDecidedOnce(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(60)
		sleep(5 * time.Second)
		const viewers = 5
		lists := make([]string, viewers)
		for i := range lists {
			lists[i] = folder + s.multivariant(s.ok(folder + "index.m3u8?key=1")).Variants[0].URI
		}
		s.mu.Lock()
		s.refuse = live.Refuse(live.ErrDenied, "not any more")
		s.mu.Unlock()
		for range 10 {
			for _, list := range lists {
				for _, seg := range s.media(list).Segments {
					s.ok(folder + seg.URI)
				}
			}
			sleep(2 * time.Second)
		}
		if len(s.asked) != viewers || len(s.viewers()) != viewers {
			s.Errorf("asked %d times for %d viewers", len(s.asked), len(s.viewers()))
		}
	})
}

// TestExpiredViewer: from the end of its permission on a viewer gets no object, and its list only if the guard says so
// again.
func TestExpiredViewer(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(60)
		sleep(5 * time.Second)
		s.grant = live.Grant{Expires: time.Now().Add(10 * time.Second)}
		list := folder + s.multivariant(s.ok(folder + "index.m3u8?key=1")).Variants[0].URI
		segment := func() string { return folder + s.media(list).Segments[0].URI }
		for range 3 {
			sleep(3 * time.Second)
			s.ok(segment())
		}
		last := segment()
		sleep(time.Second)
		s.mu.Lock()
		s.refuse = live.Refuse(live.ErrUnauthorized, "the token has expired")
		s.mu.Unlock()
		if w := s.get(last); w.Code != http.StatusForbidden {
			s.Errorf("a segment: %d", w.Code)
		}
		if w := s.get(list); w.Code != http.StatusUnauthorized {
			s.Errorf("the list: %d", w.Code)
		}
		if got := s.told(); got != "play stop refuse" {
			s.Errorf("told %s", got)
		}
		s.mu.Lock()
		s.refuse, s.grant = nil, live.Grant{}
		s.mu.Unlock()
		s.ok(segment())
	})
}
