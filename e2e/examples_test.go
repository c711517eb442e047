package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// TestBasicExample runs examples/basic: a publisher without a key, and one with it.
func TestBasicExample(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile("../examples/basic/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, string(config))
	s.env = append(s.env, "STREAM_KEY=choose-one")
	s.run()
	s.publish(s.url("rtmp", "/live/test"))
	s.publish(s.url("rtmp", "/studio/cam1?key=choose-one"))
	s.mustFail("a token is needed", encoder(s.url("rtmp", "/studio/cam2"))...)
	film.examine(t, "-ca_file", s.rootCert(), "-tls_verify", "1", s.url("https", "/live/test.flv"))
	film.examine(t, s.url("rtmps", "/studio/cam1"))
}

// TestStandaloneExample builds and runs examples/standalone, a server without Caddy.
func TestStandaloneExample(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "standalone")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./examples/standalone")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building it: %v\n%s", err, out)
	}
	ports := freePorts(t, 2)
	rtmp, site := "127.0.0.1:"+strconv.Itoa(ports[0]), "http://127.0.0.1:"+strconv.Itoa(ports[1])
	start(t, nil, bin, "-rtmp", rtmp, "-http", "127.0.0.1:"+strconv.Itoa(ports[1]))
	eventually(t, "it serves", func() error {
		res, err := http.Head(site)
		if err == nil {
			res.Body.Close()
		}
		return err
	})
	start(t, nil, "ffmpeg", encoder("rtmp://"+rtmp+"/live/test")...)
	for _, url := range []string{site + "/live/test.flv", site + "/live/test.ts", site + "/live/test.m3u8", "rtmp://" + rtmp + "/live/test"} {
		film.examine(t, url)
	}
}
