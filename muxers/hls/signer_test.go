package hls

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// uris returns the URLs of the segments of a playlist.
func (s *site) uris(media string) (list []string) {
	s.Helper()
	for _, seg := range s.media(media).Segments {
		list = append(list, seg.URI)
	}
	return list
}

// With sessions cache the URLs of segments are the same for all viewers and stay what they are, and each viewer is counted
// at its own playlist.
func TestCache(t *testing.T) {
	inBubble(t, func(s *site) {
		s.config.Sessions = SessionsCache
		s.publish(120)
		a, b := s.enter("?key=1"), s.enter("?key=2") // they wait for the first segment
		seen := map[string]string{}
		for range 60 {
			first, second := s.uris(a), s.uris(b)
			if a == b || !slices.Equal(first, second) {
				s.Fatalf("%s has %v, %s has %v", a, first, b, second)
			}
			for _, uri := range first {
				name, query, _ := strings.Cut(uri, "?")
				if old, ok := seen[name]; ok && old != query || !strings.HasPrefix(query, "hls_sig=") {
					s.Fatalf("%s: ?%s was ?%s", name, query, old)
				}
				seen[name] = query
			}
			sleep(time.Second)
		}
		w := s.get(folder + s.uris(a)[0])
		age, public := strings.CutPrefix(w.Header().Get("Cache-Control"), "public, max-age=")
		if w.Code != http.StatusOK || !public || !strings.HasSuffix(age, ", immutable") || len(w.Header().Get("ETag")) < 5 {
			s.Errorf("%d %v", w.Code, w.Header())
		}
		for _, list := range []string{a, folder + "index.m3u8"} {
			if c := s.get(list).Header().Get("Cache-Control"); c != "private, no-cache" && c != "no-store" {
				s.Errorf("%s: %s", list, c)
			}
		}
		if n := len(s.viewers()); n != 3 || len(s.asked) != 3 {
			s.Errorf("%d viewers, asked for %d", n, len(s.asked))
		}
		if v := s.viewers()[0]; v.Totals.Sent == 0 {
			s.Error("playlists are not counted")
		}
	})
}

// The URL of an object stays what it is for as long as it is listed, in a playlist that grows for minutes and in parts too,
// and is good for as long again. Nothing that a playlist names is to be had without what it says behind the name.
func TestStableURLs(t *testing.T) {
	for name, change := range map[string]func(c *Config){
		"ts":    func(c *Config) { c.TS, c.FMP4, c.WindowTime = true, false, 2*time.Minute },
		"parts": func(c *Config) { c.TS, c.FMP4, c.LowLatency = false, true, true },
		"dvr":   func(c *Config) { c.TS, c.FMP4, c.LowLatency, c.DVR = false, true, true, 3*time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *site) {
				s.config.Sessions = SessionsCache
				change(&s.config)
				s.publish(600)
				media := folder + s.multivariant(s.ok(folder + "index.m3u8")).Variants[0].URI
				if s.config.DVR > 0 {
					media += "&dvr"
				}
				seen := map[string]string{}
				for range 250 {
					for line := range strings.Lines(string(s.ok(media))) {
						_, uri, _ := splitURI(line)
						file, query, _ := strings.Cut(uri, "?")
						if uri == "" || strings.HasSuffix(file, ".m3u8") {
							continue
						}
						if old, ok := seen[file]; ok && old != query && !strings.Contains(line, "MAP") {
							s.Fatalf("%s?%s was ?%s", file, query, old)
						} else if !ok && !strings.Contains(line, "PRELOAD") {
							s.ok(folder + uri)
							s.status(folder+file, http.StatusForbidden)
						}
						seen[file] = query
					}
					sleep(time.Second)
				}
				if len(seen) < 100 {
					s.Errorf("%d objects", len(seen))
				}
			})
		})
	}
}

// A signature is good for one file of one stream, for some minutes, whoever has it.
func TestSignatures(t *testing.T) {
	inBubble(t, func(s *site) {
		s.config.Sessions = SessionsCache
		s.publish(600)
		other := livetest.Publish(s.T, s.hub, live.Key{App: "live", Name: "other"})
		livetest.Write(s.T, other, livetest.GOPs(5)...)
		sleep(9 * time.Second)
		media := s.enter("")
		s.ok("/live/other/index.m3u8")
		uris := s.uris(media)
		object := uris[len(uris)-1]
		name, query, _ := strings.Cut(object, "?")
		for range 20 { // it outlives playlist and viewer
			s.ok(folder + object)
			sleep(time.Second)
		}
		date, mac, _ := strings.Cut(strings.TrimPrefix(query, "hls_sig="), ".")
		for _, forged := range []string{
			"", "?", "?hls_sig=", "?hls_sig=.", "?hls_sig=" + date, "?hls_sig=" + date + ".", "?hls_sig=zzzzzz." + mac,
			"?" + query + "A", "?hls_sig=x." + mac, "?hls_ctx=a.b.c", "?vhost=tv.example&" + query,
		} {
			want := http.StatusForbidden
			if strings.Contains(forged, "vhost") {
				want = http.StatusNotFound // nobody has asked for that one's stream
			}
			s.status(folder+name+forged, want)
		}
		first, _, _ := strings.Cut(uris[0], "?")
		s.status(folder+first+"?"+query, http.StatusForbidden)
		s.status("/live/other/"+name+"?"+query, http.StatusForbidden)
		for range 20 {
			sleep(10 * time.Second)
			s.media(media)
		}
		s.status(folder+uris[1], http.StatusForbidden)
	})
}

// What goes to nobody in particular counts for the stream.
func TestNobodysBytes(t *testing.T) {
	for _, kind := range []Sessions{SessionsOn, SessionsCache, SessionsOff} {
		inBubble(t, func(s *site) {
			s.config.Sessions = kind
			s.publish(60)
			sleep(9 * time.Second)
			w := s.get(folder + "index.m3u8")
			sum := w.Body.Len()
			media := folder + s.multivariant(w.Body.Bytes()).Variants[0].URI
			list := s.ok(media)
			sum += len(list)
			for line := range strings.Lines(string(list)) {
				if !strings.HasPrefix(line, "#") {
					sum += len(s.ok(folder + strings.TrimSpace(line)))
					s.do(http.MethodHead, folder+strings.TrimSpace(line), nil)
				}
			}
			stream, _ := s.hub.Stream(s.hub.Resolve(livetest.Key))
			if sent := stream.Info().Totals.Sent; sent != int64(sum) {
				s.Errorf("%d bytes counted, %d got", sent, sum)
			}
			if v := s.viewers(); kind == SessionsCache && (len(v) != 1 || v[0].Totals.Sent != int64(len(list)+w.Body.Len())) {
				s.Errorf("viewers: %+v", v)
			}
		})
	}
}

// A kicked viewer gets no playlist any more.
func TestKickFromCache(t *testing.T) {
	inBubble(t, func(s *site) {
		s.config.Sessions = SessionsCache
		s.publish(60)
		sleep(9 * time.Second)
		media := s.enter("")
		uri := s.uris(media)[0]
		s.hub.Kick(s.viewers()[0].ID)
		s.status(media, http.StatusNotFound)
		s.ok(folder + uri)
		if got := s.told(); got != "play stop" {
			s.Errorf("told %s", got)
		}
	})
}

// A reload that changes what a viewer is drops none of those who watch.
func TestSessionsChange(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(120)
		sleep(9 * time.Second)
		media := s.enter("")
		id := s.viewers()[0].ID
		old := s.uris(media)[0]
		for _, kind := range []Sessions{SessionsCache, SessionsOn, SessionsOff} {
			s.config.Sessions = kind
			s.ok(folder + old)
			old = s.uris(media)[0]
			s.ok(folder + old)
			if v := s.viewers(); len(v) != 1 || v[0].ID != id {
				s.Errorf("viewers: %+v", v)
			}
			sleep(2 * time.Second)
		}
	})
}

// Every URL of a playlist is signed, where it stands in an attribute too; those of playlists are the viewer's.
func TestSign(t *testing.T) {
	s := newSigner(newMint(), livetest.Key)
	now := time.Unix(1e9, 0)
	sign := func(text string) string {
		return string(s.sign([]byte(text), "?hls_ctx=t", "&vhost=v", time.Minute, now))
	}
	query := func(file string) string { return "?hls_sig=" + s.issued[file].text + "&vhost=v" }
	got := sign("#EXTM3U\r\n#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"1@2\"\n\n#EXTINF:1,\na.ts\n" +
		"#EXT-X-RENDITION-REPORT:URI=\"b.m3u8\",LAST-MSN=1\n#EXT-X-KEY:URI=\"\"\n#EXT-X-MAP:URI=\"x\nlast")
	want := "#EXTM3U\r\n#EXT-X-MAP:URI=\"init.mp4" + query("init.mp4") + "\",BYTERANGE=\"1@2\"\n\n#EXTINF:1,\na.ts" + query("a.ts") +
		"\n#EXT-X-RENDITION-REPORT:URI=\"b.m3u8?hls_ctx=t\",LAST-MSN=1\n#EXT-X-KEY:URI=\"\"\n#EXT-X-MAP:URI=\"x\nlast" + query("last")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for file, sig := range s.issued {
		if date, _, _ := strings.Cut(sig.text, "."); !s.mint.signed(livetest.Key, file, sig.text) || expired(date, now.Add(time.Minute)) {
			t.Errorf("%s: %v", file, sig)
		}
	}
	before := s.issued["last"]
	now = now.Add(29 * time.Second)
	if sign("last"); s.issued["last"] != before {
		t.Error("an URL changes that is good for long enough")
	}
	now = now.Add(time.Minute)
	if sign("last"); s.issued["last"] == before || len(s.issued) != 1 {
		t.Errorf("issued %v", s.issued)
	}
}
