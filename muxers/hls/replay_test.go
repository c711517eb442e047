package hls

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A recorded player asks as a program does that was listened to, or as its documentation says.
type recorded struct {
	sniffs     http.Header   // of a first look at the entry playlist; nil if it does not look
	entry      http.Header   // of the request for the entry playlist
	lists      http.Header   // for media playlists
	segments   http.Header   // for segments
	asksBefore bool          // it asks before, by OPTIONS
	every      time.Duration // between two looks at the media playlist
	reopens    int           // after how many looks it begins anew with the entry playlist; 0 is never
}

var recordings = map[string]recorded{
	"hls.js": {
		entry:      http.Header{"Origin": {"https://tv.example"}, "Referer": {"https://tv.example/"}, "Accept-Encoding": {"gzip, deflate, br"}},
		lists:      http.Header{"Origin": {"https://tv.example"}, "Referer": {"https://tv.example/"}, "Accept-Encoding": {"gzip, deflate, br"}},
		segments:   http.Header{"Origin": {"https://tv.example"}, "Referer": {"https://tv.example/"}, "Accept-Encoding": {"gzip, deflate, br"}},
		asksBefore: true, every: 2 * time.Second,
	},
	"Safari": {
		sniffs: http.Header{"Range": {"bytes=0-1"}},
		entry:  http.Header{"Accept-Encoding": {"gzip"}}, lists: http.Header{"Accept-Encoding": {"gzip"}},
		segments: http.Header{"Accept-Encoding": {"identity"}}, every: 2 * time.Second,
	},
	"ffmpeg": {
		entry:    http.Header{"Range": {"bytes=0-"}, "Icy-Metadata": {"1"}, "Connection": {"close"}},
		lists:    http.Header{"Range": {"bytes=0-"}, "Icy-Metadata": {"1"}},
		segments: http.Header{"Range": {"bytes=0-"}, "Icy-Metadata": {"1"}}, every: 2 * time.Second,
	},
	"VLC": {
		entry:    http.Header{"Range": {"bytes=0-"}},
		lists:    http.Header{"Accept-Encoding": {"deflate, gzip"}, "Cache-Control": {"no-cache"}},
		segments: http.Header{"Accept-Encoding": {"deflate, gzip"}, "Cache-Control": {"no-cache"}}, every: 2800 * time.Millisecond,
	},
	"GStreamer": {
		entry: http.Header{"Icy-Metadata": {"1"}, "Accept-Encoding": {"identity"}},
		lists: http.Header{"Icy-Metadata": {"1"}, "Cache-Control": {"max-age=0"}, "Referer": {"http://example.com/live/demo/index.m3u8"}},
		every: 2 * time.Second,
	},
	"ExoPlayer": { // which prepares anew after each error and each pause
		entry: http.Header{"Accept-Encoding": {"gzip"}}, lists: http.Header{"Accept-Encoding": {"gzip"}},
		segments: http.Header{"Accept-Encoding": {"identity"}}, every: 2 * time.Second, reopens: 7,
	},
}

// Whatever a player sends and leaves out, and however often it begins anew, it is one viewer, and every byte that it gets
// counts for it. The guard is asked once for each time that it begins.
func TestRecordedPlayers(t *testing.T) {
	for name, rec := range recordings {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *site) {
				s.publish(90)
				sleep(9 * time.Second)
				got, opened := 0, 0
				ask := func(header http.Header, path string) string {
					if rec.asksBefore {
						if w := s.do(http.MethodOptions, path, header); w.Code != http.StatusNoContent {
							s.Errorf("OPTIONS %s: %d", path, w.Code)
						}
					}
					h := maps.Clone(header)
					if h == nil {
						h = make(http.Header)
					}
					h.Set("User-Agent", name)
					w := s.do(http.MethodGet, path, h)
					if w.Code != http.StatusOK && w.Code != http.StatusPartialContent || w.Header().Get("Access-Control-Allow-Origin") != "*" {
						s.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
					}
					got += w.Body.Len()
					return w.Body.String()
				}
				open := func() string {
					opened++
					return folder + s.multivariant([]byte(ask(rec.entry, folder+"index.m3u8"))).Variants[0].URI
				}
				if rec.sniffs != nil {
					opened++
					ask(rec.sniffs, folder+"index.m3u8")
				}
				media := open()
				seen := map[string]bool{}
				for look := range 20 {
					if rec.reopens > 0 && look%rec.reopens == rec.reopens-1 {
						media = open()
					}
					for line := range strings.Lines(ask(rec.lists, media)) {
						file, _, _ := strings.Cut(line, "?")
						if !strings.HasPrefix(line, "#") && !seen[file] {
							seen[file] = true
							ask(rec.segments, folder+strings.TrimSpace(line))
						}
					}
					sleep(rec.every)
					if rec.reopens == 0 && look > 2 && len(s.viewers()) != 1 {
						s.Fatalf("%d viewers", len(s.viewers()))
					}
				}
				if v := s.viewers(); len(v) != 1 || v[0].UserAgent != name {
					s.Errorf("viewers: %+v", v)
				}
				sleep(9 * time.Second)
				if plays := strings.Count(s.told(), "play"); plays != opened || strings.Count(s.told(), "stop") != opened || len(s.asked) != opened {
					s.Errorf("opened %d times, asked %d times, told %s", opened, len(s.asked), s.told())
				}
				sent := 0
				for _, e := range s.events {
					if e.Type == "stop" {
						sent += int(e.Session.Totals.Sent)
					}
				}
				if sent != got {
					s.Errorf("%d bytes counted, %d got", sent, got)
				}
			})
		})
	}
}

// Whatever part of an object is asked for, the bytes that are written count, and no other.
func TestRanges(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(60)
		sleep(9 * time.Second)
		media := s.enter("")
		segment := folder + s.uris(media)[0]
		full := string(s.ok(segment))
		tag := s.get(segment).Header().Get("ETag")
		for _, tt := range []struct {
			header http.Header
			status int
			want   string // what there is at least
		}{
			{http.Header{"Range": {"bytes=0-"}}, 206, full},
			{http.Header{"Range": {"bytes=188-375"}}, 206, full[188:376]},
			{http.Header{"Range": {"bytes=-188"}}, 206, full[len(full)-188:]},
			{http.Header{"Range": {"bytes=0-9,188-199"}}, 206, full[188:200]},
			{http.Header{"Range": {"bytes=0-,0-,0-,0-"}}, 200, full}, // more than there is: all of it, once
			{http.Header{"Range": {"bytes=0-9"}, "If-Range": {tag}}, 206, full[:10]},
			{http.Header{"Range": {"bytes=0-9"}, "If-Range": {`"other"`}}, 200, full},
			{http.Header{"Range": {"bytes=99999999-"}}, 416, ""},
			{http.Header{"Range": {"lines=1-2"}}, 416, ""},
			{http.Header{"If-None-Match": {`"a", ` + tag}}, 304, ""},
			{http.Header{"If-None-Match": {`"other"`}}, 200, full},
			{http.Header{"If-Match": {`"other"`}}, 412, ""},
		} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				before := s.viewers()[0].Totals.Sent
				w := s.do(method, segment, tt.header)
				counted := int(s.viewers()[0].Totals.Sent - before)
				want := w.Body.Len()
				if method == http.MethodHead {
					want = 0
				} else if !strings.Contains(w.Body.String(), tt.want) {
					s.Errorf("%v: %d bytes", tt.header, w.Body.Len())
				}
				if w.Code != tt.status || counted != want {
					s.Errorf("%s %v: %d, %d bytes counted, %d written", method, tt.header, w.Code, counted, want)
				}
			}
		}
	})
}

// A page of another origin may ask for parts and read the answer, and is told why it gets nothing.
func TestOrigins(t *testing.T) {
	for _, kind := range []Sessions{SessionsOn, SessionsCache, SessionsOff} {
		inBubble(t, func(s *site) {
			s.config.Sessions = kind
			s.publish(60)
			sleep(9 * time.Second)
			media := s.enter("")
			segment := folder + s.uris(media)[0]
			origin := http.Header{"Origin": {"https://tv.example"}}
			preflight := http.Header{
				"Origin": {"https://tv.example"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"range,authorization"},
			}
			for _, path := range []string{folder + "index.m3u8", media, segment, folder + "abc-1.ts", "/live/nobody/media.m3u8"} {
				w := s.do(http.MethodOptions, path, preflight)
				allowed := strings.ToLower(w.Header().Get("Access-Control-Allow-Headers"))
				if w.Code != http.StatusNoContent || !strings.Contains(allowed, "range") || !strings.Contains(allowed, "authorization") {
					s.Errorf("OPTIONS %s: %d %v", path, w.Code, w.Header())
				}
				if w := s.do(http.MethodGet, path, origin); w.Header().Get("Access-Control-Allow-Origin") != "*" {
					s.Errorf("GET %s: %d %v", path, w.Code, w.Header())
				}
			}
			if kind == SessionsOff {
				return
			}
			for _, refusal := range []int{http.StatusUnauthorized, http.StatusForbidden} {
				s.refuse = map[int]error{401: live.Refuse(live.ErrUnauthorized, "log in"), 403: live.Refuse(live.ErrDenied, "no")}[refusal]
				w := s.do(http.MethodGet, folder+"index.m3u8", origin)
				if w.Code != refusal || w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("Cache-Control") != "no-store" {
					s.Errorf("refused: %d %v", w.Code, w.Header())
				}
			}
		})
	}
}
