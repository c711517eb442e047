package hls

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// restart puts a new server in the place of the site's.
func (s *site) restart(key string) {
	s.server.Close()
	s.server = NewServer(s.hub)
	s.server.SetKey([]byte(key))
	s.handler.Server = s.server
}

// After a restart with the same key a viewer goes on at its media playlist, with the guard's consent, also if it is there
// before the publisher. Its old segments are nobody's.
func TestRestartedViewer(t *testing.T) {
	for _, kind := range []Sessions{SessionsOn, SessionsCache} {
		inBubble(t, func(s *site) {
			s.config.Sessions = kind
			s.restart("one")
			p := s.publish(60)
			sleep(5 * time.Second)
			media := s.enter("?key=1")
			segment := s.uris(media)[0]
			leave(p)
			s.restart("one")
			s.status(folder+segment, http.StatusNotFound)
			go func() {
				pause(3 * time.Second)
				s.publish(60)
			}()
			s.ok(folder + s.uris(media)[0])
			if got := s.told(); got != "play stop play" || len(s.asked) != 2 || s.asked[1].Query != "key=1" {
				s.Errorf("told %s, asked %v", got, s.asked)
			}
			s.restart("one")
			s.refuse = live.Refuse(live.ErrUnauthorized, "no longer")
			s.status(media, http.StatusUnauthorized)
			s.refuse = nil
			s.ok(media)
			s.restart("two")
			s.ok(folder + "index.m3u8") // there is somebody else
			s.status(media, http.StatusForbidden)
		})
	}
}

// Nobody is told to log in while the publisher is away.
func TestNoChallengeInAGap(t *testing.T) {
	inBubble(t, func(s *site) {
		p := s.publish(60)
		sleep(9 * time.Second)
		media := s.enter("?key=1")
		segment := folder + s.uris(media)[0]
		entry := strings.Replace(media, "media.m3u8", "index.m3u8", 1)
		s.refuse = live.Refuse(live.ErrUnauthorized, "the token has expired")
		leave(p)
		for range 3 {
			s.ok(media)
			s.ok(segment)
			s.status(entry, http.StatusNotFound)
		}
		sleep(time.Minute)
		s.status(media, http.StatusNotFound)
		s.status(entry, http.StatusNotFound)
		if len(s.asked) != 1 {
			s.Errorf("asked %d times", len(s.asked))
		}
	})
}

// An old token makes a new viewer at the entry playlist, and goes on at its own media playlist.
func TestOldToken(t *testing.T) {
	inBubble(t, func(s *site) {
		p := s.publish(5)
		sleep(4500 * time.Millisecond)
		media := s.enter("")
		_, query, _ := strings.Cut(media, "?")
		leave(p)
		sleep(tokenLife)
		s.publish(60)
		sleep(4500 * time.Millisecond)
		if again := s.enter("?" + query); again == media {
			s.Errorf("entered at %s once more", again)
		}
		s.media(media)
		if got := s.told(); got != "play stop play play" {
			s.Errorf("told %s", got)
		}
	})
}
