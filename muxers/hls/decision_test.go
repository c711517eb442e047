package hls

import (
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
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

// TestRenamed: a guard may give a viewer another stream than it has asked for. It sees that one and no other, at URLs of it.
func TestRenamed(t *testing.T) {
	for _, entry := range []string{"/live/secret.m3u8", "/live/secret/index.m3u8"} {
		inBubble(t, func(s *site) {
			s.publish(60)
			sleep(5 * time.Second)
			s.grant = live.Grant{Stream: "demo"}
			uri := s.multivariant(s.ok(entry)).Variants[0].URI
			base, err := url.Parse(entry)
			if err != nil {
				s.Fatal(err)
			}
			list, err := base.Parse(uri)
			if err != nil {
				s.Fatal(err)
			}
			media := list.RequestURI()
			if !strings.HasPrefix(media, folder+"media.m3u8?") {
				s.Errorf("%s leads to %s", entry, media)
			}
			s.ok(folder + s.uris(media)[0])
			if v := s.viewers(); len(v) != 1 || v[0].Key.Name != "demo" {
				s.Errorf("viewers: %+v", v)
			}
			sleep(10 * time.Second)
			s.grant.Stream = "other"
			livetest.Write(s.T, livetest.Publish(s.T, s.hub, live.Key{App: "live", Name: "other"}), livetest.GOPs(1)...)
			s.status(media, http.StatusForbidden)
			if n := len(s.viewers()); n != 0 {
				s.Errorf("%d viewers", n)
			}
			s.grant.Stream = "demo"
			s.ok(media)
		})
	}
}

// TestEveryObject: whatever a playlist names is for who has its whole URL, be it a segment, a part, an initialization section
// or a key, and for a viewer of its own as long as that is there.
func TestEveryObject(t *testing.T) {
	for _, c := range []struct {
		kind     Sessions
		keyEvery int
		endings  string
	}{{SessionsOn, 0, ".m4s .mp4"}, {SessionsOn, 2, ".key .m4s .mp4"}, {SessionsCache, 0, ".m4s .mp4"}, {SessionsCache, 2, ".key .m4s .mp4"}} {
		inBubble(t, func(s *site) {
			s.config.TS, s.config.FMP4, s.config.LowLatency, s.config.KeyEvery, s.config.Sessions = false, true, true, c.keyEvery, c.kind
			s.publish(60)
			sleep(9 * time.Second)
			media := s.enter("")
			endings := make(map[string]bool)
			var urls []string
			for line := range strings.Lines(string(s.ok(media))) {
				_, uri, _ := splitURI(line)
				file, query, _ := strings.Cut(uri, "?")
				if uri == "" || strings.HasSuffix(file, ".m3u8") || strings.Contains(line, "PRELOAD") {
					continue
				}
				endings[path.Ext(file)] = true
				urls = append(urls, folder+uri)
				s.ok(folder + uri)
				s.status(folder+file, http.StatusForbidden)
				s.status(folder+file+"?"+strings.Replace(query, ".", ".x", 1), http.StatusForbidden)
			}
			if got := strings.Join(slices.Sorted(maps.Keys(endings)), " "); got != c.endings {
				s.Errorf("objects that end with %s, want %s", got, c.endings)
			}
			s.hub.Kick(s.viewers()[0].ID)
			want := http.StatusNotFound
			if c.kind == SessionsCache {
				want = http.StatusOK // they are nobody's
			}
			for _, url := range urls {
				s.status(url, want)
			}
			s.status(media, http.StatusNotFound)
		})
	}
}
