package hls

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// A player that names a vhost in its first URL gets everything of that vhost, whatever its host, and its token opens
// nothing of another vhost's stream of the same name.
func TestVhosts(t *testing.T) {
	for _, sessions := range []Sessions{SessionsOn, SessionsCache, SessionsOff} {
		inBubble(t, func(s *site) {
			s.config.Sessions = sessions
			s.publish(30)
			tv := livetest.Key
			tv.Vhost = "tv.example"
			p := livetest.Publish(s.T, s.hub, tv)
			go func() { _ = livetest.Pace(s.Context(), p, livetest.GOPs(30)...) }()
			sleep(5 * time.Second)

			s.ok(folder + "index.m3u8") // the default vhost's stream has viewers too
			for _, query := range []string{"?vhost=www.tv.example&key=1", "?domain=tv.example"} {
				media := folder + s.multivariant(s.ok(folder + "index.m3u8" + query)).Variants[0].URI
				segments := s.media(media).Segments
				for _, seg := range segments {
					if !strings.HasSuffix(seg.URI, "vhost=tv.example") {
						s.Errorf("segment at %s", seg.URI)
					}
					s.ok(folder + seg.URI)
				}
				// The token with another vhost, and with none, which is the default one.
				if sessions != SessionsOff {
					token, _, _ := strings.Cut(segments[0].URI, "&vhost=")
					s.status(folder+token, http.StatusForbidden)
					s.status(folder+token+"&vhost=other.example", http.StatusForbidden)
					list, _, _ := strings.Cut(media, "&")
					s.status(list, http.StatusForbidden)
				}
			}
			if sessions == SessionsOff {
				return
			}
			for _, v := range s.viewers() {
				want := live.DefaultVhost
				if v.Query != "" {
					want = "tv.example"
				}
				if v.Key.Vhost != want {
					s.Errorf("%q watches %s", v.Query, v.Key)
				}
			}
			p.Close(nil)
		})
	}
}

// Segments of a host that is a vhost need not repeat it.
func TestVhostByHost(t *testing.T) {
	inBubble(t, func(s *site) {
		tv := livetest.Key
		tv.Vhost = "tv.example"
		p := livetest.Publish(s.T, s.hub, tv)
		go func() { _ = livetest.Pace(s.Context(), p, livetest.GOPs(30)...) }()
		sleep(5 * time.Second)
		w := s.getFrom("www.tv.example:8443", folder+"index.m3u8?key=1")
		w = s.getFrom("tv.example", folder+s.multivariant(w.Body.Bytes()).Variants[0].URI)
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "vhost=") {
			s.Errorf("%d %s", w.Code, w.Body)
		}
		s.status(folder+"index.m3u8", http.StatusNotFound)
		p.Close(nil)
	})
}

// A vhost that was taken away does not hand its viewers over to the default vhost's stream of the same name.
func TestVhostRemoved(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(60)
		tv := livetest.Key
		tv.Vhost = "tv.example"
		p := livetest.Publish(s.T, s.hub, tv)
		go func() { _ = livetest.Pace(s.Context(), p, livetest.GOPs(60)...) }()
		sleep(5 * time.Second)
		media := folder + s.multivariant(s.ok(folder + "index.m3u8?vhost=tv.example")).Variants[0].URI
		segment := folder + s.media(media).Segments[0].URI
		s.hub.Activate(&live.Policy{Rules: func(k live.Key) (live.Rules, error) {
			if k.Vhost != live.DefaultVhost {
				return live.Rules{}, live.Refuse(live.ErrApp, "no such vhost")
			}
			return live.DefaultRules(), nil
		}})
		sleep(time.Second)
		s.ok(folder + "index.m3u8")
		s.status(media, http.StatusForbidden)
		s.status(segment, http.StatusForbidden)
		p.Close(nil)
	})
}
