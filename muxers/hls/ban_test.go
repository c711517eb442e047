package hls

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// A banned address is refused at every object, whether there are sessions or not, until the ban is over.
func TestBan(t *testing.T) {
	for name, sessions := range map[string]Sessions{"on": SessionsOn, "cache": SessionsCache, "off": SessionsOff} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *site) {
				s.config.Sessions = sessions
				s.publish(60)
				sleep(5 * time.Second)
				media := s.enter("")
				segment := folder + s.media(media).Segments[0].URI
				bad := live.Request{Key: livetest.Key, Remote: netip.MustParseAddrPort("192.0.2.1:1234")} // as httptest's
				bad.Key.Name = "other"
				ses, err := s.hub.Admit(s.T.Context(), bad)
				if err != nil {
					s.Fatal(err)
				}
				defer ses.Close(nil)
				if _, err := s.hub.Ban(ses.ID, live.BanAddress, 10*time.Second); err != nil {
					s.Fatal(err)
				}
				gone := http.StatusForbidden
				if sessions == SessionsOn {
					gone = http.StatusNotFound // as for everybody who was kicked
				}
				s.status(media, gone)
				s.status(segment, gone)
				s.status(folder+"index.m3u8", http.StatusForbidden)
				sleep(11 * time.Second)
				s.ok(folder + s.media(s.enter("")).Segments[0].URI)
			})
		})
	}
}
