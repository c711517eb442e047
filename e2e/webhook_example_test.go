package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestWebhookExample runs examples/webhook-auth: a publisher with a wrong key and one with the right one, viewers without
// a ticket and with one, and a third on the same ticket.
func TestWebhookExample(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "webhook-auth")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./examples/webhook-auth")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building it: %v\n%s", err, out)
	}
	address := "127.0.0.1:" + strconv.Itoa(freePorts(t, 1)[0])
	start(t, nil, bin, "-listen", address)
	eventually(t, "the back end serves", func() error {
		resp, err := http.Post("http://"+address+"/srs", "application/json", strings.NewReader("{}"))
		if err == nil {
			resp.Body.Close()
		}
		return err
	})
	config, err := os.ReadFile("../examples/webhook-auth/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, string(config))
	s.env = append(s.env, "BACKEND=http://"+address)
	s.run()
	checkRefusal(t, s.publishOnce(s.url("rtmp", "/live/cam1?key=wrong")), "NetStream.Publish.Denied", "the stream key is wrong")
	s.mustFail("the stream key is wrong", encoder(s.url("rtmp", "/live/cam1"))...)
	s.publish(s.url("rtmp", "/live/cam1?key=s3cret"))

	status := func(path string) int {
		resp, err := s.browser(http1).Head(s.url("https", path))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := status("/live/cam1.flv"); got != http.StatusForbidden {
		t.Errorf("without a ticket: %d", got)
	}
	first := s.watch(http1, s.url("https", "/live/cam1.flv?ticket=gold"))
	second := s.tune(http2, s.url("https", "/live/cam1.m3u8?ticket=gold"))
	goesOn(t, first, second)
	if got := status("/live/cam1.ts?ticket=gold"); got != http.StatusForbidden {
		t.Errorf("the third on a ticket: %d", got)
	}
}
