package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkFileServer compares what HLS costs with what Caddy's file_server costs for the same files, through the same sites
// in the same run: requests per second of CPU that the server takes, in turns. Its viewer has a session, as by default. At
// least 1 is wanted over HTTPS, and 0.8 without TLS, where a file may be sent without being read:
//
//	go test -run '^$' -bench FileServer -benchtime 1x ./e2e
func BenchmarkFileServer(b *testing.B) {
	files := b.TempDir()
	config := in("app live", "\t\t\tidle_timeout 10m")
	for _, site := range []string{"http://localhost", "https://localhost"} {
		config = with(config, site, "\troot "+files, "\tfile_server")
	}
	s := serve(b, strings.Replace(config, "segment 1s", "segment 3s", 1))
	encoder := s.publish(s.url("rtmp", "/live/test"))
	p := s.tune(http1, s.url("http", "/live/test.m3u8"))
	eventually(b, "there are segments", func() error {
		if played := p.length(); played < 9*time.Second {
			return errors.Join(p.running(), fmt.Errorf("of %s", played))
		}
		return p.running()
	})
	encoder.freeze() // so that nothing changes, and nothing else is to be done
	defer encoder.thaw()

	list := p.list.RequestURI()
	segment := list[:strings.LastIndexByte(list, '/')+1] + p.newest()
	for _, w := range []way{{"http1", "http", http1}, {"https1", "https", http1}, {"https2", "https", http2}} {
		for _, file := range []struct {
			name, path string
			n          int
		}{{"list.m3u8", list, 12000}, {"segment.ts", segment, 2000}} {
			b.Run(w.name+"/"+file.name, func(b *testing.B) {
				for b.Loop() {
					b.ReportMetric(s.compare(w, file.path, filepath.Join(files, file.name), file.n), "file_servers")
				}
			})
		}
	}
}

// compare asks so many times for what a path leads to, and for the same in a file of the site's, and returns how many times
// the requests per second of CPU are those of file_server.
func (s *server) compare(w way, path, name string, n int) float64 {
	s.t.Helper()
	body, err := fetch(s.t.Context(), s.browser(w.version), w.version, s.url(w.scheme, path))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(name, body, 0o600); err != nil {
		s.t.Fatal(err)
	}
	ours, theirs := inTurns(s.askFor(w, path, body), s.askFor(w, "/"+filepath.Base(name), body), n)
	return float64(theirs) / float64(ours)
}

// inTurns lets two do the same so many times, and returns what a part of it takes of either.
func inTurns(a, b func(n int) time.Duration, n int) (ofA, ofB time.Duration) {
	const rounds = 15
	a(n / rounds)
	b(n / rounds)
	var all [2][]time.Duration
	for range rounds {
		all[0] = append(all[0], a(n/rounds))
		all[1] = append(all[1], b(n/rounds))
	}
	return median(all[0]), median(all[1])
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

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// cpu returns how much time of CPU the server's threads have taken, of which none ends before it does.
func (s *server) cpu() time.Duration {
	s.t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	var sum time.Duration
	for _, name := range threads {
		sum += time.Duration(number(s.t, `^(\d+) `, string(readFile(s.t, name))))
	}
	return sum
}
