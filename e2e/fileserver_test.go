package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestFileServer compares what HLS costs with what Caddy's file_server costs for the same files, through the same sites in
// the same run: requests per second of CPU that the server takes, in turns. Its viewer has a session, as by default.
func TestFileServer(t *testing.T) {
	t.Parallel()
	files := t.TempDir()
	config := in("app live", "\t\t\tidle_timeout 10m")
	for _, site := range []string{"http://localhost", "https://localhost"} {
		config = with(config, site, "\troot "+files, "\tfile_server")
	}
	s := serve(t, strings.Replace(config, "segment 1s", "segment 3s", 1))
	encoder := s.publish(s.url("rtmp", "/live/test"))
	p := s.tune(http1, s.url("http", "/live/test.m3u8"))
	eventually(t, "there are segments", func() error {
		if played := p.length(); played < 9*time.Second {
			return errors.Join(p.running(), fmt.Errorf("of %s", played))
		}
		return p.running()
	})
	encoder.signal(syscall.SIGSTOP) // so that nothing changes, and nothing else is to be done
	defer encoder.signal(syscall.SIGCONT)

	list := p.list.RequestURI()
	segment := list[:strings.LastIndexByte(list, '/')+1] + p.newest()
	for _, w := range []way{{"http1", "http", http1}, {"https1", "https", http1}, {"https2", "https", http2}} {
		least := 1.0
		if w.scheme == "http" {
			least = 0.8 // where a file may be sent without being read
		}
		s.compare(w, list, filepath.Join(files, "list.m3u8"), 12000, least)
		s.compare(w, segment, filepath.Join(files, "segment.ts"), 2000, least)
	}
}

// compare asks so many times for what a path leads to, and for the same in a file of the site's.
func (s *server) compare(w way, path, name string, n int, least float64) {
	s.t.Helper()
	body, err := fetch(s.t.Context(), s.browser(w.version), w.version, s.url(w.scheme, path))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(name, body, 0o600); err != nil {
		s.t.Fatal(err)
	}
	ours, theirs := s.askFor(w, path, body), s.askFor(w, "/"+filepath.Base(name), body)
	const rounds = 8
	ours(n / rounds)
	theirs(n / rounds)
	var a, b time.Duration
	for range rounds {
		a += ours(n / rounds)
		b += theirs(n / rounds)
	}
	ratio := float64(b) / float64(a)
	s.t.Logf("%s, %s of %d bytes: %.2f times the requests per second of CPU of file_server", w.name, filepath.Base(name), len(body), ratio)
	if ratio < least {
		s.t.Errorf("%s, %s: %d requests took %s of CPU, of file_server %s", w.name, filepath.Base(name), n, a, b)
	}
}

// askFor returns a function that asks for a file so many times, and returns the time of CPU that the server took for it.
func (s *server) askFor(w way, path string, want []byte) func(n int) time.Duration {
	const clients = http.DefaultMaxIdleConnsPerHost
	client := s.browser(w.version)
	url := s.url(w.scheme, path)
	return func(n int) time.Duration {
		before := s.cpu()
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				var got bytes.Buffer
				for range n / clients {
					resp, err := get(s.t.Context(), client, w.version, url)
					if err != nil {
						s.t.Error(err)
						return
					}
					got.Reset()
					_, err = io.Copy(&got, resp.Body)
					resp.Body.Close()
					if err != nil || !bytes.Equal(got.Bytes(), want) {
						s.t.Errorf("%s: %d bytes, %v", url, got.Len(), err)
						return
					}
				}
			})
		}
		wg.Wait()
		return s.cpu() - before
	}
}

// cpu returns how much time of CPU the server has taken.
func (s *server) cpu() time.Duration {
	s.t.Helper()
	stat := string(readFile(s.t, fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid)))
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const user, system, tick = 11, 12, 10 * time.Millisecond
	var sum time.Duration
	for _, i := range []int{user, system} {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			s.t.Fatal(err)
		}
		sum += time.Duration(n) * tick
	}
	return sum
}
