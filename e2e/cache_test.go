package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cacheConfig is nginx before Caddy: it keeps what may be kept, as long as it is told to, and says so in its log. %[1]s is
// its folder, %[2]d its port, %[3]d Caddy's.
const cacheConfig = `daemon off;
%[4]s
pid %[1]s/pid;
error_log stderr;
events {}
http {
	log_format status "$upstream_cache_status $status $request_uri";
	access_log %[1]s/access.log status;
	client_body_temp_path %[1]s/body;
	fastcgi_temp_path %[1]s/fastcgi;
	proxy_temp_path %[1]s/proxy;
	scgi_temp_path %[1]s/scgi;
	uwsgi_temp_path %[1]s/uwsgi;
	proxy_cache_path %[1]s/cache keys_zone=hls:1m use_temp_path=off;
	server {
		listen 127.0.0.1:%[2]d;
		location / {
			proxy_pass http://127.0.0.1:%[3]d;
			proxy_http_version 1.1;
			proxy_set_header Host localhost;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
			proxy_cache hls;
			proxy_cache_lock on;
		}
	}
}
`

// A cache is an nginx of the test's own.
type cache struct {
	*process
	port int
	log  string
}

// startCache starts nginx before a server.
func startCache(s *server) *cache {
	s.t.Helper()
	program, err := nginx()
	if err != nil {
		s.t.Fatal(err)
	}
	dir := s.t.TempDir()
	c := &cache{port: freePorts(s.t, 1)[0], log: filepath.Join(dir, "access.log")}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // its workers must get into the folder
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, cacheConfig, dir, c.port, s.http, user), 0o600); err != nil {
		s.t.Fatal(err)
	}
	c.process = start(s.t, nil, program, "-p", dir, "-e", "stderr", "-c", config)
	s.t.Cleanup(func() {
		c.signal(syscall.SIGTERM) // its workers end with it
		_ = c.wait(s.t, patience)
	})
	eventually(s.t, "nginx is up", func() error {
		resp, err := get(s.t.Context(), http.DefaultClient, http1, c.url("/"))
		if err != nil {
			return errors.Join(c.running(), err)
		}
		return resp.Body.Close()
	})
	return c
}

// nginx returns the path of nginx, which Debian keeps where not everybody looks.
func nginx() (string, error) {
	if path, err := exec.LookPath("nginx"); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/nginx")
}

func (c *cache) url(path string) string { return "http://127.0.0.1:" + strconv.Itoa(c.port) + path }

// statuses counts what nginx says of its answers, for files of an ending: "HIT 200", "MISS 200" and so on.
func (c *cache) statuses(t testing.TB, ending string) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for line := range strings.Lines(string(readFile(t, c.log))) {
		fields := strings.Fields(line)
		if path, _, _ := strings.Cut(fields[2], "?"); strings.HasSuffix(path, ending) {
			counts[fields[0]+" "+fields[1]]++
		}
	}
	return counts
}

// TestCache puts nginx before a server with sessions cache and lets fifty viewers watch through it: it has almost all their
// segments, none of their playlists, the server counts each of them, and nobody gets a segment by an URL that the server
// has not made.
func TestCache(t *testing.T) {
	t.Parallel()
	const viewers, seconds = 50, 12
	s := serve(t, in("hls", "\t\t\t\tsessions cache"))
	s.publish(s.url("rtmp", "/live/test"))
	c := startCache(s)
	players := make([]*player, viewers)
	for i := range players {
		players[i] = s.tune(http1, c.url("/live/test.m3u8?viewer="+strconv.Itoa(i)))
	}
	for _, p := range players {
		eventually(t, p.name, func() error {
			if played := p.length(); played < seconds*time.Second {
				return errors.Join(p.running(), fmt.Errorf("%s played", played))
			}
			return p.running()
		})
	}
	s.awaitClients(map[string]int{"fmle-publish": 1, "hls-play": viewers})

	segments := c.statuses(t, ".ts")
	hits, all := segments["HIT 200"], 0
	for _, n := range segments {
		all += n
	}
	if all < viewers*seconds || hits*100 < all*95 || hits+segments["MISS 200"] != all {
		t.Errorf("of %d requests for segments %d are hits: %v", all, hits, segments)
	}
	t.Logf("%d of %d requests for segments are hits, %.1f%%", hits, all, 100*float64(hits)/float64(all))
	if lists := c.statuses(t, ".m3u8"); len(lists) != 1 || lists["MISS 200"] < viewers*seconds {
		t.Errorf("requests for playlists: %v", lists)
	}

	uri := players[0].newest()
	name, query, _ := strings.Cut(uri, "?")
	forged := strings.Replace(query, ".", ".x", 1)
	for path, want := range map[string]int{
		"/live/test/" + uri:                 http.StatusOK,
		"/live/test/" + name:                http.StatusForbidden,
		"/live/test/" + name + "?" + forged: http.StatusForbidden,
	} {
		for _, url := range []string{s.url("http", path), c.url(path)} {
			if status := statusOf(t, url); status != want {
				t.Errorf("%s: %d, want %d", url, status, want)
			}
		}
	}
}

// statusOf returns the status of an answer.
func statusOf(t testing.TB, url string) int {
	t.Helper()
	resp, err := get(t.Context(), http.DefaultClient, http1, url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// newest returns the URI of the newest segment that was played.
func (p *player) newest() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.names[p.next-1]
}
