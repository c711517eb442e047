package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
)

// streamKey is the secret of the app "guarded".
const streamKey = "s3cr3t"

// guarded is basic behind a proxy, with two more apps.
func guarded() string {
	config := with(basic, "rtmp", `
		app guarded {
			publish {
				authenticate token {
					param key
					secret `+streamKey+`
				}
			}
		}
		app brief {
			wait 1s
		}`)
	config = strings.ReplaceAll(config, "/live/*", "*")
	return strings.Replace(config, "server :{$RTMP_PORT}", "server :{$RTMP_PORT} {\n"+fmt.Sprintf(behindProxy, "")+"\n}", 1)
}

// TestPublishRules publishes from where it is not allowed, without and with a key, and to a stream that is taken.
func TestPublishRules(t *testing.T) {
	t.Parallel()
	s := serve(t, guarded())
	t.Run("default", func(t *testing.T) { s.on(t).tryDefaultRule() })
	t.Run("token", func(t *testing.T) { s.on(t).tryToken() })
	t.Run("conflict", func(t *testing.T) { s.on(t).tryConflict() })
}

// behind returns the URL of a proxy that forwards for somebody at another address.
func (s *server) behind(address, path string) (string, *relay) {
	s.t.Helper()
	proxy := relayTo(s.t, "127.0.0.1:"+strconv.Itoa(s.rtmp), proxied(address))
	return "rtmp://" + proxy.Addr().String() + path, proxy
}

// tryDefaultRule publishes to an app without a rule from a public address, and from a private one.
func (s *server) tryDefaultRule() {
	public, _ := s.behind("203.0.113.7", "/live/public")
	checkRefusal(s.t, s.publishOnce(public), "NetStream.Publish.Denied", "203.0.113.7")
	s.mustFail("203.0.113.7", encoder(public)...)
	if n := len(s.log(line{"level": "warn", "logger": "rtmp"})); n != 1 {
		s.t.Errorf("there are %d warnings about publishers that are refused, want one", n)
	}
	private, _ := s.behind("10.1.2.3", "/live/private")
	s.publish(private)
	s.play(strings.Replace(public, "public", "private", 1)) // everybody may play
}

// tryToken publishes to an app that wants a key, from a public address.
func (s *server) tryToken() {
	address, _ := s.behind("203.0.113.8", "/guarded/test")
	checkRefusal(s.t, s.publishOnce(address), "NetStream.Publish.Denied", "a token is needed")
	s.mustFail("the token in ?key= is wrong", encoder(address+"?key=wrong")...)
	s.publish(address + "?key=" + streamKey)
	if strings.Contains(s.out.String(), streamKey) {
		s.t.Error("the key is in the log")
	}
}

// tryConflict publishes to a stream that has a publisher, who must not notice.
func (s *server) tryConflict() {
	address := s.url("rtmp", "/live/taken")
	first := s.publish(address)
	viewer := s.watch(http1, s.url("http", "/live/taken.flv"))
	checkRefusal(s.t, s.publishOnce(address), "NetStream.Publish.BadName", "already has a publisher")
	s.mustFail("already has a publisher", encoder(address)...)
	goesOn(s.t, viewer)
	if err := first.running(); err != nil {
		s.t.Error(err)
	}
	if times := readFLV(s.t, viewer.Bytes()); len(times) == 0 {
		s.t.Error("the viewer of the first saw nothing")
	} else {
		checkTimes(s.t, viewer.name, times)
	}
}

// publishOnce asks to publish with our own client and returns the answer.
func (s *server) publishOnce(address string) error {
	s.t.Helper()
	c, err := s.dial(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	_, err = c.Publish(ctx)
	return err
}

// playOnce asks to play with our own client and returns the answer.
func (s *server) playOnce(address string) error {
	s.t.Helper()
	c, err := s.dial(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	_, err = c.Play(ctx)
	return err
}

// checkRefusal checks that an answer is a refusal with a code and a description that says why.
func checkRefusal(t testing.TB, err error, code, why string) {
	t.Helper()
	status, ok := errors.AsType[*rtmpapp.StatusError](err)
	if !ok || status.Code != code || !strings.Contains(status.Description, why) {
		t.Errorf("the answer is %v, want %s: …%s…", err, code, why)
	}
}

// mustFail runs ffmpeg, which must fail and show why.
func (s *server) mustFail(why string, args ...string) {
	s.t.Helper()
	s.mustComplain("ffmpeg", why, args...)
}

// mustComplain runs a program, which must fail and show why in its own output.
func (s *server) mustComplain(name, why string, args ...string) {
	s.t.Helper()
	if err := s.mustShow(name, why, args...); err == nil {
		s.t.Errorf("%s was not refused", name)
	}
}

// mustShow runs a program to its end, and returns how that was. Its output must have a text.
func (s *server) mustShow(name, text string, args ...string) error {
	s.t.Helper()
	p := start(s.t, nil, name, args...)
	err := p.wait(s.t, patience)
	if !strings.Contains(p.out.String(), text) {
		s.t.Errorf("%s does not show %q:\n%s", name, text, tail(p.out.String()))
	}
	return err
}

// TestNames asks for names that are not allowed, in every way.
func TestNames(t *testing.T) {
	t.Parallel()
	s := serve(t, strings.ReplaceAll(basic, "/live/*", "*"))
	long := strings.Repeat("x", 129)
	for _, c := range []struct {
		name string
		why  string
	}{
		{"..", "must not be . or .."},
		{"a\x00b", "control character"},
		{"a\nb", "control character"},
		{"a\x7f", "control character"},
		{"a\u0085b", "control character"},
		{"a\xffb", "not UTF-8"},
		{long, "longer than 128 bytes"},
		{`a\b`, "must not contain"},
		{"a%b", "must not contain"},
		{"a.flv", "must not end in .flv"},
	} {
		t.Run(fmt.Sprintf("%.12q", c.name), func(t *testing.T) {
			s := s.on(t)
			address := s.url("rtmp", "/live/"+url.PathEscape(c.name))
			checkRefusal(t, s.publishOnce(address), "NetStream.Publish.BadName", c.why)
			checkRefusal(t, s.playOnce(address), "NetStream.Play.StreamNotFound", c.why)
			checkRefusal(t, s.publishOnce(s.url("rtmp", "/"+url.PathEscape(c.name)+"/test")), "NetConnection.Connect.Rejected", c.why)
			for _, ending := range []string{".flv", ".ts", ".m3u8", "/index.m3u8"} {
				s.isBadRequest("/live/"+url.PathEscape(c.name)+ending, c.why)
			}
		})
	}
	// What climbs out of its folder is nowhere, whatever it would lead to.
	for _, path := range []string{"/live/..%2Ftest.flv", "/live/%2e%2e/test.flv", "/live/%2e%2e%2f%2e%2e%2fetc%2fpasswd.ts"} {
		if status, body := s.ask(path); status == http.StatusOK && body != "" {
			t.Errorf("%s is answered %q", path, body)
		}
	}
	checkRefusal(t, s.publishOnce(s.url("rtmp", "/live/a/b")), "NetStream.Publish.BadName", "must not contain")
	checkRefusal(t, s.publishOnce(s.url("rtmp", "/other/test")), "NetConnection.Connect.Rejected", "app")
	for _, l := range s.log(line{"msg": "refused"}) {
		if name, _ := l["stream"].(string); strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name) || len(name) > 4*128 {
			t.Errorf("the log has the name %q", name)
		}
	}
}

// ask gets a path over HTTP/1.1 as it is written.
func (s *server) ask(path string) (status int, body string) {
	s.t.Helper()
	resp, err := get(s.t.Context(), s.browser(http1), http1, s.url("http", path))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// isBadRequest checks that a path is answered 400, with the reason as text.
func (s *server) isBadRequest(path, why string) {
	s.t.Helper()
	if status, body := s.ask(path); status != http.StatusBadRequest || !strings.Contains(body, why) {
		s.t.Errorf("%.60s is answered %d %q", path, status, body)
	}
}

// TestMissingStream asks for what nobody publishes: everybody waits for a while, and is served if the publisher comes.
func TestMissingStream(t *testing.T) {
	t.Parallel()
	s := serve(t, guarded())
	local, _ := s.behind("127.0.0.1", "/brief/none")
	checkRefusal(t, s.playOnce(local), "NetStream.Play.StreamNotFound", "no publisher came on air for /brief/none within 1s")
	for _, path := range []string{"/brief/none.flv", "/brief/none.ts", "/brief/none.m3u8", "/brief/none/index.m3u8"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			s := s.on(t)
			began := time.Now()
			status, body := s.ask(path)
			if took := time.Since(began); status != http.StatusNotFound || !strings.Contains(body, "no publisher came on air") || took < time.Second || took > 4*time.Second {
				t.Errorf("after %s: %d %q", took, status, body)
			}
		})
	}
	t.Run("waiting", func(t *testing.T) {
		t.Parallel()
		s.on(t).waitForPublisher()
	})
}

// waitForPublisher asks for streams that come on air a little later.
func (s *server) waitForPublisher() {
	answers := make(chan string)
	paths := []string{"/live/late.flv", "/live/late.ts", "/live/late.m3u8"}
	for _, path := range paths {
		go func() {
			resp, err := get(s.t.Context(), s.browser(http1), http1, s.url("http", path))
			if err != nil {
				answers <- err.Error()
				return
			}
			resp.Body.Close()
			answers <- path + " " + resp.Status
		}()
	}
	local, _ := s.behind("127.0.0.1", "/live/late")
	go func() {
		if err := s.playOnce(local); err != nil {
			answers <- err.Error()
			return
		}
		answers <- local + " 200 OK"
	}()
	paths = append(paths, local)
	s.awaitLog(len(paths), line{"msg": "play started", "stream": "late"})
	start(s.t, nil, "ffmpeg", encoder(s.url("rtmp", "/live/late"))...)
	for range paths {
		if answer := <-answers; !strings.HasSuffix(answer, " 200 OK") {
			s.t.Error(answer)
		}
	}
}
