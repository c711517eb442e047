package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// onExample starts a server on Caddyfile.example as it is.
func onExample(t *testing.T) *server {
	t.Helper()
	config, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, string(config))
}

// TestPlayback publishes with ffmpeg to a server on Caddyfile.example and watches every format with ffprobe and ffmpeg,
// and over every version of HTTP.
func TestPlayback(t *testing.T) {
	t.Parallel()
	s := onExample(t)
	s.publish(s.url("rtmp", "/live/test"))

	for _, source := range s.sources() {
		t.Run("ffmpeg/"+source.name, func(t *testing.T) {
			t.Parallel()
			film.examine(t, source.args...)
		})
	}
	for _, way := range ways {
		for _, ending := range []string{".flv", ".ts"} {
			t.Run(way.name+"/test"+ending, func(t *testing.T) {
				t.Parallel()
				s.on(t).examineContinuous(way, ending)
			})
			if way.version == http1 {
				t.Run(way.name+"/test"+ending+" WebSocket", func(t *testing.T) {
					t.Parallel()
					s.on(t).examineSocket(way, ending)
				})
			}
		}
		for _, entry := range []string{"/live/test.m3u8", "/live/test/index.m3u8"} {
			t.Run(way.name+entry, func(t *testing.T) {
				t.Parallel()
				s.on(t).examineHLS(way, entry)
			})
		}
	}
}

// on returns the server for use by a subtest.
func (s *server) on(t *testing.T) *server {
	c := *s
	c.t = t
	return &c
}

// A source is something that ffmpeg can open.
type source struct {
	name string
	args []string
}

// sources are the play URLs of the stream test but those of HTTPS, which TestFormats has.
func (s *server) sources() []source {
	list := []source{
		{"rtmp", []string{s.url("rtmp", "/live/test")}},
		{"rtmps", []string{s.url("rtmps", "/live/test")}},
	}
	for _, path := range []string{"/live/test.flv", "/live/test.ts", "/live/test.m3u8", "/live/test/index.m3u8"} {
		list = append(list, source{"http" + path, []string{s.url("http", path)}})
	}
	return list
}

// A way is a scheme and a version of HTTP.
type way struct {
	name    string
	scheme  string
	version int
}

var ways = []way{
	{"http1", "http", http1},
	{"https1", "https", http1},
	{"https2", "https", http2},
	{"https3", "https", h3},
}

// examineContinuous watches some seconds and examines what came.
func (s *server) examineContinuous(w way, ending string) {
	s.examineViewer(s.watch(w.version, s.url(w.scheme, "/live/test"+ending)), ending)
}

// examineSocket does so over a WebSocket.
func (s *server) examineSocket(w way, ending string) {
	s.examineViewer(s.watchSocket(s.url(w.scheme, "/live/test"+ending)), ending)
}

func (s *server) examineViewer(v *viewer, ending string) {
	s.record(v)
	b := v.Bytes()
	if ending == ".flv" {
		b = cutFLV(b)
	}
	film.examine(s.t, file(s.t, "test"+ending, b))
}

// record waits until a viewer has seen more than is examined.
func (s *server) record(v *viewer) {
	s.t.Helper()
	began := time.Now()
	eventually(s.t, v.name, func() error {
		if err := v.running(); err != nil {
			return err
		}
		if seen := time.Since(began); seen < (playtime+1)*time.Second {
			return fmt.Errorf("%s seen", seen)
		}
		return nil
	})
}

// examineHLS plays some seconds and examines what came.
func (s *server) examineHLS(w way, entry string) {
	p := s.tune(w.version, s.url(w.scheme, entry))
	eventually(s.t, p.name, func() error {
		if err := p.running(); err != nil {
			return err
		}
		if p.length() < (playtime+1)*time.Second {
			return fmt.Errorf("%s played", p.length())
		}
		return nil
	})
	film.examine(s.t, file(s.t, "test.ts", p.Bytes()))
}

// TestSound publishes sound of another codec, and sound without pictures, and watches every format. The sound of a film can
// be heard alone.
func TestSound(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	for name, m := range map[string]*movie{
		"mp3":   film.withSound(t, "h264", "mp3", "-c:v", "copy", "-c:a", "libmp3lame", "-ac", "2"),
		"radio": film.withSound(t, "", "aac", "-vn", "-c:a", "copy"),
	} {
		s.publishMovie(m, s.url("rtmp", "/live/"+name))
		for _, source := range []string{
			s.url("rtmp", "/live/"+name),
			s.url("http", "/live/"+name+".flv"),
			s.url("http", "/live/"+name+".ts"),
			s.url("http", "/live/"+name+".m3u8"),
		} {
			t.Run(source[strings.LastIndexByte(source, '/')+1:]+" "+source[:4], func(t *testing.T) {
				t.Parallel()
				m.examine(t, source)
			})
		}
		alone := *m
		alone.codec = ""
		for _, source := range []string{
			s.url("https", "/live/"+name+"."+m.sound),
			s.url("http", "/live/"+name+".flv?video=0"),
			s.url("rtmp", "/live/"+name+"?video=0"),
		} {
			t.Run(source[strings.LastIndexByte(source, '/')+1:]+" "+source[:5], func(t *testing.T) {
				t.Parallel()
				alone.examine(t, source)
			})
		}
	}
	if status := s.status("/live/radio.mp3"); status != http.StatusNotFound {
		t.Errorf("a stream of AAC has the status %d as MP3", status)
	}
}

// status returns the status of an answer that has an end.
func (s *server) status(path string) int {
	s.t.Helper()
	return statusOf(s.t, s.url("http", path))
}
