package e2e

import (
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

// ingest is the name of RTMPS on the site's port, in examples/layer4.
const ingest = "ingest.localhost"

// TestLayer4 runs examples/layer4: RTMP and HTTP on one port, told apart by their first bytes, and RTMPS and HTTPS on
// another, by the name that is asked for. Nobody notices a reload.
func TestLayer4(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile("../examples/layer4/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, string(config))
	if s.bin, err = layer4Bin(); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "SHARED_PORT="+strconv.Itoa(s.rtmps)) // of RTMPS and the site
	s.run()
	both := s.named(ingest)
	eventually(t, "there is a certificate for "+ingest, func() error { return both.greet(s.rtmps) })
	shared := func(scheme string, port int, path string) string { return scheme + "://" + s.address(port) + path }

	plain := s.publish(s.url("rtmp", "/live/test"))
	secure := start(t, nil, "ffmpeg", publishWith(s.verifyingAs(ingest), s.url("rtmps", "/live/secure"))...)
	s.awaitStream("secure")
	viewers := []stream{
		s.play(s.url("rtmp", "/live/secure")),
		both.play(s.url("rtmps", "/live/test")),
		s.watch(http1, shared("http", s.rtmp, "/live/test.flv")),
		s.watch(http1, shared("https", s.rtmps, "/live/secure.flv")),
		s.watch(http2, shared("https", s.rtmps, "/live/test.flv")),
		s.watch(h3, s.url("https", "/live/test.ts")),
	}
	goesOn(t, viewers...)
	for _, row := range s.awaitClients(map[string]int{"fmle-publish": 2, "rtmp-play": 2, "flv-play": 4}) {
		if row.IP != "127.0.0.1" && row.IP != "::1" {
			t.Errorf("a client of layer4 comes from %s", row.IP)
		}
	}
	if said, err := s.reload(strings.Replace(string(config), "server off", "server off\n\t\tshutdown_grace 4s", 1)); err != nil {
		t.Fatalf("reload: %v\n%s", err, said)
	}
	goesOn(t, viewers...)
	if err := errors.Join(plain.running(), secure.running()); err != nil {
		t.Fatal(err)
	}

	film.examine(t, s.url("rtmp", "/live/secure"))
	film.examine(t, append(s.verifyingAs(ingest), s.url("rtmps", "/live/test"))...)
	s.checkLayer4Refusals()
}

// checkLayer4Refusals checks what each of the ports does not serve.
func (s *server) checkLayer4Refusals() {
	s.t.Helper()
	if _, err := s.dial(s.url("rtmps", "/live/test")); err == nil {
		s.t.Error("RTMP is served at the name of the site")
	}
	web := s.named(ingest)
	if resp, err := get(s.t.Context(), web.browser(http1), http1, "https://"+s.address(s.rtmps)+"/live/test.flv"); err == nil {
		resp.Body.Close()
		s.t.Errorf("HTTP is answered %s at the name of RTMPS", http.StatusText(resp.StatusCode))
	}
}
