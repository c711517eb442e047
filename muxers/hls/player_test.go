package hls

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec/codectest"
)

// A real player reads the playlists and segments over a socket, decodes picture and sound in order of their time, and has
// nothing to complain about. Once it is gone, its session has counted what it got.
func TestPlayer(t *testing.T) {
	for name, film := range map[string]codectest.Film{
		"H.264 AAC":           {Seconds: 9},
		"H.264 AAC, B-frames": {Seconds: 9, BFrames: 2},
		"H.264 MP3":           {Seconds: 9, Audio: "mp3"},
		"HEVC AAC":            {Seconds: 9, Video: "hevc"},
		"AAC":                 {Seconds: 9, Video: "none"},
	} {
		for _, entry := range []string{"/live/demo.m3u8", "/live/demo/index.m3u8"} {
			t.Run(name+" "+entry, func(t *testing.T) {
				t.Parallel()
				s := newSite(t)
				s.config = DefaultConfig()
				t.Cleanup(s.server.Close)
				livetest.Write(t, livetest.Publish(t, s.hub, livetest.Key), film.Frames(t)...)
				web := httptest.NewServer(s.handler)
				t.Cleanup(web.Close)
				pictures, sounds := play(t, web.URL+entry)
				if film.Video != "none" && pictures < 5*25 || sounds < 5*38 {
					t.Errorf("%d pictures and %d frames of sound", pictures, sounds)
				}
				if v := s.viewers(); len(v) != 1 || v[0].Totals.Sent < 10_000 {
					t.Errorf("viewers: %+v", v)
				}
			})
		}
	}
}

// play lets ffmpeg decode five seconds from the start of a playlist and returns how many frames of each kind there were.
func play(t *testing.T, url string) (pictures, sounds int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "warning", "-live_start_index", "0", "-i", url, "-t", "5.2",
		"-fps_mode", "passthrough", "-f", "framecrc", "-")
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil || problems.Len() > 0 {
		t.Fatalf("ffmpeg: %v\n%s", err, problems.String())
	}
	kinds := map[string]string{}
	for line := range strings.Lines(out.String()) {
		f := strings.Fields(line)
		switch {
		case f[0] == "#media_type":
			kinds[strings.TrimSuffix(f[1], ":")] = f[2]
		case f[0][0] == '#':
		case kinds[strings.TrimSuffix(f[0], ",")] == "video":
			pictures++
		default:
			sounds++
		}
	}
	return pictures, sounds
}

// A flood of a million unknown names, with and without what looks like a viewer's, is answered with 404 and leaves memory as
// it was.
func TestFlood(t *testing.T) {
	s := newSite(t)
	defer s.server.Close()
	s.hub.Activate(&live.Policy{Rules: func(live.Key) (live.Rules, error) {
		r := live.DefaultRules()
		r.Wait = 0
		return r, nil
	}})
	files := []string{".m3u8", "/index.m3u8", "/media.m3u8?hls_ctx=a.b.c", "/abc-1.ts?hls_ctx=a.b.c", "/abc-1.ts?hls_sig=a.b"}
	flood := func(n, from int) {
		w := &discard{header: make(http.Header)}
		r := httptest.NewRequest(http.MethodGet, "http://example.com/", nil)
		for i := range n {
			clear(w.header)
			file := files[i%len(files)]
			name := "/live/" + strconv.Itoa(from+i)
			r.URL.Path, r.URL.RawQuery, _ = strings.Cut(name+file, "?")
			if s.handler.ServeHTTP(w, r); w.status != http.StatusNotFound {
				t.Fatalf("%s: %d", r.URL, w.status)
			}
		}
	}
	flood(10_000, 0)
	before := heap()
	flood(1_000_000, 10_000)
	if grown := heap() - before; grown > 256<<10 {
		t.Errorf("%d bytes more", grown)
	}
	if n, m := len(s.server.channels), len(s.hub.Snapshot().Streams); n != 0 || m != 0 {
		t.Errorf("%d channels and %d streams left", n, m)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("/live/demo.m3u8", "hls_ctx=a.b&key=1")
	f.Add("/live/demo/media.m3u8", "_HLS_skip=YES&a=b&&=&hls_ctx")
	f.Add("/live/demo/abc-1.ts", "\x00")
	f.Add("/live/demo/abc-1.ts", "hls_sig=1.b&vhost=a")
	f.Fuzz(func(t *testing.T, path, query string) {
		target, ok := parseTarget(path)
		if ok && target.kind != entry && target.of.variant == nil {
			t.Errorf("%q has no variant", path)
		}
		q := parseQuery(query)
		if strings.ContainsAny(q.rest, " \r\n\x00") || strings.HasPrefix(q.rest, "&") {
			t.Errorf("%q leaves %q", query, q.rest)
		}
		m := &mint{[]byte("key")}
		if m.valid(live.Key{}, q.token) || m.signed(live.Key{}, "a.ts", q.signature) {
			t.Errorf("%q is valid", query)
		}
	})
}

// served returns a site on which a viewer of a stream of about 2.5 Mbit/s plays, its media playlist and a segment.
func served(b *testing.B, sessions Sessions) (handler *Handler, media, segment string) {
	b.Helper()
	hub := new(live.Hub)
	server := NewServer(hub)
	b.Cleanup(server.Close)
	c := DefaultConfig()
	c.Sessions = sessions
	handler = &Handler{Server: server, Config: func(live.Key) Config { return c }}
	livetest.Write(b, livetest.Publish(b, hub, livetest.Key), codectest.Film{Seconds: 9}.Frames(b)...)
	get := func(path string) string {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != 200 {
			b.Fatalf("GET %s: %d", path, w.Code)
		}
		lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
		return folder + lines[len(lines)-1]
	}
	media = get(folder + "index.m3u8")
	return handler, media, get(media)
}

func BenchmarkServe(b *testing.B) {
	for name, sessions := range map[string]Sessions{"on": SessionsOn, "cache": SessionsCache, "off": SessionsOff} {
		handler, media, segment := served(b, sessions)
		for what, path := range map[string]string{"playlist": media, "segment": segment} {
			b.Run(what+" "+name, func(b *testing.B) {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				w := &discard{header: r.Header.Clone()}
				b.ReportAllocs()
				for b.Loop() {
					clear(w.header)
					handler.ServeHTTP(w, r)
				}
				if w.status != 200 {
					b.Fatalf("status %d", w.status)
				}
				b.SetBytes(w.n / int64(b.N))
			})
		}
	}
}

func BenchmarkSegmenter(b *testing.B) {
	frames := codectest.Read(b, codectest.Film{Seconds: 8}.Frames(b))
	c := DefaultConfig()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		g := newSegmenter(newWindow("x", transport, 1, new(seams)), func() Config { return c }, func(*live.Stream) {})
		for _, f := range frames {
			g.take(f, false, time.Now())
		}
		n += len(frames)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/frame")
}

// discard is a http.ResponseWriter that counts.
type discard struct {
	header http.Header
	status int
	n      int64
}

func (w *discard) Header() http.Header { return w.header }

func (w *discard) WriteHeader(status int) { w.status = status }

func (w *discard) Write(b []byte) (int, error) {
	w.n += int64(len(b))
	return len(b), nil
}
