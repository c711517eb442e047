package hls

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// However many entry playlists are asked for, those viewers are only so many, and who goes on from one stays. One that had to
// go is admitted once more when it comes after all.
func TestLobby(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(60)
		sleep(5 * time.Second)
		stays, goes := s.enter(""), s.enter("")
		s.ok(stays)
		w := &discard{header: make(http.Header)}
		r := httptest.NewRequest(http.MethodGet, folder+"index.m3u8", nil)
		const flood = lobbySize + 2000
		for range flood {
			if s.handler.ServeHTTP(w, r); w.status != http.StatusOK {
				s.Fatalf("status %d", w.status)
			}
		}
		if n := len(s.viewers()); n != lobbySize+1 {
			s.Errorf("%d viewers", n)
		}
		s.ok(stays)
		if n := len(s.asked); n != 2+flood {
			s.Errorf("asked %d times", n)
		}
		s.ok(goes)
		if n := len(s.asked); n != 3+flood {
			s.Errorf("asked %d times, once more for who comes after all", n)
		}
		sleep(10 * time.Second)
		if told := s.told(); len(s.viewers()) != 0 || strings.Count(told, "play") != 3+flood || strings.Count(told, "stop") != 3+flood {
			s.Errorf("%d viewers stay, told of %d ends", len(s.viewers()), strings.Count(told, "stop"))
		}
	})
}
