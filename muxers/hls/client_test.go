package hls

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bluenviron/gohlslib/v2"
	"github.com/bluenviron/gohlslib/v2/pkg/codecs"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// RoundTrip lets a site be the network of a client, in fake time too.
func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, r.Context().Err()
}

// gohlslib's client plays both variants, with parts and without, and reads every picture and every sound once.
func TestClient(t *testing.T) {
	for kind, entry := range map[string]string{"ts": "/live/demo.m3u8", "fmp4": folder + "index.m3u8", "ll": folder + "index.m3u8"} {
		inBubble(t, func(s *site) {
			s.config = DefaultConfig()
			kinds[kind](&s.config)
			s.publish(40)
			sleep(7 * time.Second)
			var pictures, sounds atomic.Int32
			var client *gohlslib.Client
			client = &gohlslib.Client{
				URI:           "http://example.com" + entry,
				HTTPClient:    &http.Client{Transport: s},
				OnDecodeError: func(err error) { s.Errorf("%s: %v", kind, err) },
				OnTracks: func(tracks []*gohlslib.Track) error {
					for _, track := range tracks {
						switch track.Codec.(type) {
						case *codecs.H264:
							client.OnDataH26x(track, func(int64, int64, [][]byte) { pictures.Add(1) })
						case *codecs.MPEG4Audio:
							client.OnDataMPEG4Audio(track, func(_ int64, units [][]byte) { sounds.Add(int32(len(units))) })
						}
					}
					return nil
				},
			}
			if err := client.Start(); err != nil {
				s.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- client.Wait2() }()
			sleep(20 * time.Second)
			select {
			case err := <-ended:
				s.Fatalf("%s: %v", kind, err)
			default:
			}
			client.Close()
			if err := <-ended; err == nil {
				s.Errorf("%s: the client ended by itself", kind)
			}
			synctest.Wait()
			if p, n := pictures.Load(), sounds.Load(); p < 16*25 || p > 28*25 || n < 16*43 || n > 28*43 {
				s.Errorf("%s: %d pictures and %d frames of sound in 20 s", kind, p, n)
			}
			s.server.Close()
		})
	}
}

// BenchmarkPart measures how long a waiting player waits over a socket for the playlist with a part, and for the part, once
// the part's last frame has come.
func BenchmarkPart(b *testing.B) {
	hub := new(live.Hub)
	server := NewServer(hub)
	defer server.Close()
	c := DefaultConfig()
	c.TS, c.Sessions = false, SessionsOff
	web := httptest.NewServer(&Handler{Server: server, Config: func(live.Key) Config { return c }})
	defer web.Close()
	p := livetest.Publish(b, hub, livetest.Key)
	livetest.Write(b, p, livetest.GOPs(5)...)
	get := func(path string) string {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, web.URL+folder+path, nil)
		if err != nil {
			b.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		var text strings.Builder
		if _, err := io.Copy(&text, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			b.Fatalf("%s: %d %v", path, resp.StatusCode, err)
		}
		return text.String()
	}
	get("index.m3u8")
	d := readDocument(get("stream.m3u8"))
	var frames []*live.Frame
	second := 5
	var lists, parts []time.Duration
	for b.Loop() {
		type answer struct {
			text string
			at   time.Time
		}
		list, part := make(chan answer, 1), make(chan answer, 1)
		go func() { t := get("stream.m3u8?" + d.next()); list <- answer{t, time.Now()} }()
		go func() { t := get(d.hint); part <- answer{t, time.Now()} }()
		time.Sleep(20 * time.Millisecond) // both wait now
		var last time.Time
		for len(list) == 0 || len(part) == 0 {
			if len(frames) == 0 {
				frames = livetest.Media(second, second+1)
				second++
			}
			last = time.Now()
			livetest.Write(b, p, frames[0])
			frames = frames[1:]
			time.Sleep(60 * time.Millisecond) // the next frame comes later than the answer
		}
		l, m := <-list, <-part
		lists, parts = append(lists, l.at.Sub(last)), append(parts, m.at.Sub(last))
		d = readDocument(l.text)
	}
	slices.Sort(lists)
	slices.Sort(parts)
	b.ReportMetric(float64(lists[len(lists)/2].Microseconds())/1000, "playlist-ms")
	b.ReportMetric(float64(parts[len(parts)/2].Microseconds())/1000, "part-ms")
	b.ReportMetric(float64(parts[len(parts)-1].Microseconds())/1000, "slowest-ms")
}
