package e2e

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// onDisk is a Caddyfile of a server that keeps encrypted HLS in a folder, which the site serves beside.
func onDisk(folder string) string {
	config := in("hls", "variants ts fmp4", "dvr 10m", "encrypt {", "rotate 2", "}", "storage disk "+folder)
	return with(config, "http://localhost", "handle_path /files/* {", "root "+folder, "file_server", "}")
}

// TestHLSOnDisk decodes encrypted segments of both variants, as the server serves them and as a file server serves their files,
// and goes on in the same playlists after a restart.
func TestHLSOnDisk(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "hls")
	s := serve(t, onDisk(folder))
	s.publish(s.url("rtmp", "/live/test"))
	for _, path := range []string{"/live/test.m3u8", "/live/test/index.m3u8"} {
		s.awaitSegments("/files"+path, 3)
		for _, path := range []string{path, "/files" + path} {
			t.Run("ffmpeg"+path, func(t *testing.T) { film.decode(t, s.url("http", path)) })
		}
	}
	before := s.text("/files/live/test.m3u8")
	s.end()
	s.run()
	s.publish(s.url("rtmp", "/live/test"))
	eventually(t, "the playlist goes on", func() error {
		after := s.text("/files/live/test.m3u8")
		if strings.Count(after, "\n#EXT-X-DISCONTINUITY\n") != 1 {
			return fmt.Errorf("after a restart:\n%s", after)
		}
		return nil
	})
	after := s.text("/files/live/test.m3u8")
	for line := range strings.Lines(before) {
		if !strings.HasPrefix(line, "# part") && !strings.Contains(after, line) {
			t.Errorf("%q has gone", line)
		}
	}
	film.decode(t, "-live_start_index", "0", s.url("http", "/live/test.m3u8?dvr"))
}

// awaitSegments waits until a playlist lists so many segments.
func (s *server) awaitSegments(path string, n int) {
	s.t.Helper()
	eventually(s.t, "segments", func() error {
		if text := s.text(path); strings.Count(text, "#EXTINF:") < n {
			return fmt.Errorf("%s:\n%s", path, text)
		}
		return nil
	})
}

// text returns the body of an answer that has an end; empty if there is none.
func (s *server) text(path string) string {
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url("http", path), http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}
