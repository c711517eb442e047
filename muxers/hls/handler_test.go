package hls

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// A viewer comes at once to what the log holds, sees a window slide, and segments of two seconds.
func TestWatch(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(60)
		sleep(7 * time.Second)
		m := s.multivariant(s.ok("/live/demo.m3u8"))
		v := m.Variants[0]
		if strings.Join(v.Codecs, ",") != "avc1.42c00a,mp4a.40.2" || v.Resolution != "64x64" || v.Bandwidth < 10_000 || v.AverageBandwidth == nil {
			s.Errorf("got %+v", v)
		}
		if !strings.HasPrefix(v.URI, "./demo/media.m3u8?hls_ctx=") {
			s.Errorf("media playlist at %s", v.URI)
		}
		media := "/live/" + strings.TrimPrefix(v.URI, "./")
		p := s.media(media)
		if len(p.Segments) != 3 || p.TargetDuration != 2 || p.Segments[0].Duration != 2*time.Second {
			s.Errorf("got %d segments, target %d, first %v", len(p.Segments), p.TargetDuration, p.Segments[0].Duration)
		}
		if age := time.Since(*p.Segments[0].DateTime); age < 6900*time.Millisecond || age > 7100*time.Millisecond {
			s.Errorf("the first segment is %v old", age)
		}
		last, _ := numbers(p)
		for range 25 {
			sleep(2 * time.Second)
			p = s.media(media)
			n, _ := numbers(p)
			if n != last+1 {
				s.Fatalf("newest segment %d after %d", n, last)
			}
			last = n
			if b := s.ok(folder + p.Segments[0].URI); b[0] != 0x47 || len(b)%188 != 0 {
				s.Errorf("a segment of %d bytes", len(b))
			}
		}
		if len(p.Segments) != 10 {
			s.Errorf("%d segments", len(p.Segments))
		}
		if got := s.told(); got != "play" {
			s.Errorf("told %s", got)
		}
	})
}

// A segment is there for as long as a playlist with it plays, and then not for ever.
func TestSegmentsOutliveTheirPlaylist(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(80)
		sleep(2 * time.Second)
		media := s.enter("")
		first := folder + s.media(media).Segments[0].URI
		for range 23 {
			s.ok(first)
			sleep(time.Second)
			s.ok(media)
		}
		sleep(3 * time.Second)
		s.status(first, http.StatusNotFound)
	})
}

// Who comes before the first segment is finished, or before the publisher, waits.
func TestWait(t *testing.T) {
	for _, sessions := range []Sessions{SessionsOn, SessionsCache, SessionsOff} {
		inBubble(t, func(s *site) {
			s.config.Sessions = sessions
			go func() {
				pause(3 * time.Second)
				s.publish(20)
			}()
			begun := time.Now()
			s.enter("")
			if d := time.Since(begun); d < 4900*time.Millisecond || d > 5200*time.Millisecond {
				s.Errorf("waited %v", d)
			}
		})
		inBubble(t, func(s *site) {
			s.config.Sessions = sessions
			begun := time.Now()
			s.status(folder+"index.m3u8", http.StatusNotFound)
			if d := time.Since(begun); d < 5*time.Second || d > 5200*time.Millisecond {
				s.Errorf("waited %v", d)
			}
			livetest.Write(s.T, livetest.Publish(s.T, s.hub, livetest.Key), livetest.GOPs(1)...)
			s.status(folder+"index.m3u8", http.StatusNotFound)
			if d := time.Since(begun); d < 15*time.Second || d > 21*time.Second {
				s.Errorf("waited %v in all", d)
			}
			if len(s.hub.Snapshot().Sessions) != 1 {
				s.Errorf("%d sessions left", len(s.hub.Snapshot().Sessions))
			}
		})
	}
}

// Unknown names leave nothing behind, and files of others are left to others.
func TestUnknown(t *testing.T) {
	inBubble(t, func(s *site) {
		for path, want := range map[string]int{
			"/live/nobody/media.m3u8":           404,
			"/live/nobody/media.m3u8?hls_ctx=x": 404,
			"/live/nobody/abc-1.ts":             404,
			"/live/nobody/index.m3u8":           404,
			"/live/a%23b.m3u8":                  400,
			"/live/../index.m3u8":               400,
		} {
			s.status(path, want)
		}
		if n := len(s.server.channels); n != 0 {
			s.Errorf("%d channels", n)
		}
		if n := len(s.hub.Snapshot().Streams); n != 0 {
			s.Errorf("%d streams", n)
		}
		for path, want := range map[string]bool{
			"/live/demo.m3u8": true, "/live/demo/index.m3u8": true, "/live/demo/media.m3u8": true, "/live/demo/abc-12.ts": true,
			"/live/demo.ts": false, "/live/demo/logo.png": false, "/live/demo/film.ts": false, "/live/demo/x-y.ts": false,
			"/live/demo/a/media.m3u8": false, "/index.m3u8": false, "/": false, "/console/app.js": false,
		} {
			r, _ := http.NewRequest(http.MethodGet, "http://example.com"+path, nil)
			if s.handler.Match(r) != want {
				s.Errorf("match %s: %v", path, !want)
			}
		}
	})
}

// Headers, ranges, HEAD, conditions, other methods, preflight.
func TestHTTP(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(20)
		sleep(5 * time.Second)
		media := s.enter("")
		segment := folder + s.media(media).Segments[0].URI
		full := s.ok(segment)
		for _, tt := range []struct {
			method, path string
			header       http.Header
			status       int
			want         map[string]string
			length       int
		}{
			{"GET", segment, nil, 200, map[string]string{"Content-Type": "video/mp2t", "Cache-Control": "private, max-age=3600, immutable", "Accept-Ranges": "bytes"}, len(full)},
			{"HEAD", segment, nil, 200, map[string]string{"Content-Type": "video/mp2t"}, 0},
			{"GET", segment, http.Header{"Range": {"bytes=188-375"}}, 206, map[string]string{"Content-Length": "188"}, 188},
			{"GET", segment, http.Header{"Range": {"bytes=99999999-"}}, 416, nil, -1},
			{"GET", segment, http.Header{"If-None-Match": {"*"}}, 304, nil, 0},
			{"GET", media, nil, 200, map[string]string{"Content-Type": "application/vnd.apple.mpegurl", "Cache-Control": "private, no-cache"}, -1},
			{"HEAD", media, nil, 200, nil, 0},
			{"GET", folder + "index.m3u8", http.Header{"Origin": {"https://a.example"}}, 200, map[string]string{"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}, -1},
			{"HEAD", folder + "index.m3u8", nil, 200, map[string]string{"Content-Type": "application/vnd.apple.mpegurl"}, 0},
			{"OPTIONS", segment, http.Header{"Origin": {"https://a.example"}}, 204, nil, 0},
			{"OPTIONS", segment, nil, 204, map[string]string{"Allow": "GET, HEAD, OPTIONS"}, 0},
			{"POST", segment, nil, 405, nil, -1},
			{"GET", folder + "abc-1.ts", http.Header{"Origin": {"https://a.example"}}, 403, map[string]string{"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"}, -1},
		} {
			w := s.do(tt.method, tt.path, tt.header)
			if w.Code != tt.status || tt.length >= 0 && w.Body.Len() != tt.length {
				s.Errorf("%s %s %v: %d, %d bytes", tt.method, tt.path, tt.header, w.Code, w.Body.Len())
			}
			for name, want := range tt.want {
				if got := w.Header().Get(name); got != want {
					s.Errorf("%s %s: %s: %q, want %q", tt.method, tt.path, name, got, want)
				}
			}
		}
		tag := s.get(media).Header().Get("ETag")
		if w := s.do("GET", media, http.Header{"If-None-Match": {tag}}); tag == "" || w.Code != http.StatusNotModified {
			s.Errorf("tag %q: %d", tag, w.Code)
		}
	})
}

// Without sessions the objects are plain files with the same names for all.
func TestOpenly(t *testing.T) {
	inBubble(t, func(s *site) {
		s.config.Sessions = SessionsOff
		s.publish(20)
		sleep(5 * time.Second)
		if a, b := s.enter(""), s.enter(""); a != b || a != folder+"media.m3u8" {
			s.Errorf("media playlists at %s and %s", a, b)
		}
		p := s.media(folder + "media.m3u8")
		s.ok(folder + p.Segments[0].URI)
		w := s.get(folder + p.Segments[0].URI)
		if got := w.Header().Get("Cache-Control"); got != "public, max-age=3600, immutable" || strings.Contains(p.Segments[0].URI, "?") {
			s.Errorf("%s: %s", p.Segments[0].URI, got)
		}
		if s.told() != "" || len(s.asked) != 0 {
			s.Errorf("told %s, asked %d times", s.told(), len(s.asked))
		}
	})
}

// A stream of a name that needs quoting is reached by its relative URLs.
func TestNames(t *testing.T) {
	inBubble(t, func(s *site) {
		key := live.Key{App: "live", Name: "a:b c&d é"}
		p := livetest.Publish(s.T, s.hub, key)
		livetest.Write(s.T, p, livetest.GOPs(5)...)
		for _, base := range []string{"http://example.com/live/a:b%20c&d%20%C3%A9.m3u8", "http://example.com/live/a:b%20c&d%20%C3%A9/index.m3u8"} {
			r, err := http.NewRequest(http.MethodGet, base, nil)
			if err != nil {
				s.Fatal(err)
			}
			m := s.multivariant(s.ok(r.URL.RequestURI()))
			media, err := r.URL.Parse(m.Variants[0].URI)
			if err != nil {
				s.Fatal(err)
			}
			segment, err := media.Parse(s.media(media.RequestURI()).Segments[0].URI)
			if err != nil {
				s.Fatal(err)
			}
			s.ok(segment.RequestURI())
		}
	})
}

// Close ends everything, and nothing begins after it.
func TestClose(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(20)
		sleep(5 * time.Second)
		media := s.enter("")
		s.server.Close()
		if got := s.told(); got != "play stop" || !errors.Is(s.events[1].Err, live.ErrClosing) {
			s.Errorf("told %s", got)
		}
		s.status(media, http.StatusServiceUnavailable)
		s.status(folder+"abc-1.ts", http.StatusNotFound)
		s.status(folder+"index.m3u8", http.StatusServiceUnavailable)
		s.config.Sessions = SessionsOff
		s.status(folder+"index.m3u8", http.StatusServiceUnavailable)
		if n := len(s.hub.Snapshot().Sessions); n != 1 {
			s.Errorf("%d sessions", n)
		}
	})
}

// The hub's end is not held up by viewers or by those who wait.
func TestHubCloses(t *testing.T) {
	inBubble(t, func(s *site) {
		p := livetest.Publish(s.T, s.hub, livetest.Key)
		livetest.Write(s.T, p, livetest.GOPs(1)...)
		done := make(chan int)
		go func() { done <- s.get(folder + "index.m3u8").Code }()
		sleep(time.Second)
		begun := time.Now()
		go p.Close(nil)
		if err := s.hub.Close(s.T.Context()); err != nil {
			s.Error(err)
		}
		<-done
		if d := time.Since(begun); d > time.Second {
			s.Errorf("took %v", d)
		}
		if !errors.Is(s.events[1].Err, live.ErrEnded) && !errors.Is(s.events[1].Err, live.ErrClosing) {
			s.Errorf("ended with %v", s.events[1].Err)
		}
	})
}
