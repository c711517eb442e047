package e2e

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A backend is a back end behind HTTPS, with a certificate that only who is given its file trusts.
type backend struct {
	*httptest.Server
	t  testing.TB
	ca string

	mu    sync.Mutex
	calls []string // bodies
	serve func(w http.ResponseWriter, r *http.Request, call map[string]any)
}

func newBackend(t testing.TB) *backend {
	t.Helper()
	b := &backend{t: t, ca: filepath.Join(t.TempDir(), "ca.pem")}
	b.Server = httptest.NewUnstartedServer(b)
	b.EnableHTTP2 = true
	b.StartTLS()
	t.Cleanup(b.Close)
	block := &pem.Block{Type: "CERTIFICATE", Bytes: b.Certificate().Raw}
	if err := os.WriteFile(b.ca, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var call map[string]any
	if err := errors.Join(err, json.Unmarshal(body, &call)); err != nil {
		b.t.Errorf("the back end was sent %q: %v", body, err)
		return
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.ProtoMajor != 2 {
		b.t.Errorf("the back end was asked by %s %s %v", r.Method, r.Proto, r.Header)
	}
	b.mu.Lock()
	b.calls = append(b.calls, string(body))
	serve := b.serve
	b.mu.Unlock()
	if serve != nil {
		serve(w, r, call)
		return
	}
	_, _ = io.WriteString(w, "0")
}

// answer lets f answer from now on.
func (b *backend) answer(f func(w http.ResponseWriter, r *http.Request, call map[string]any)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.serve = f
}

// heard returns the calls about an event so far.
func (b *backend) heard(action string) (found []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls {
		if strings.Contains(c, `"action":"`+action+`"`) {
			found = append(found, c)
		}
	}
	return found
}

// hook is the configuration of a webhook.
func (b *backend) hook(paths string, lines ...string) string {
	var urls []string
	for path := range strings.FieldsSeq(paths) {
		urls = append(urls, b.URL+path)
	}
	return "hook http " + strings.Join(urls, " ") + " {\ntls {\ntrust_pool file " + b.ca + "\n}\n" + strings.Join(lines, "\n") + "\n}"
}

// payloads are those of SRS, key by key, for a publisher and each kind of viewer.
var payloads = map[string]string{
	"on_connect": `{"server_id":"vid-ID","service_id":"SERVICE","action":"on_connect","client_id":"CLIENT","ip":"127.0.0.1",` +
		`"vhost":"__defaultVhost__","app":"live","stream":"cam1","param":"?secret=s3","tcUrl":"rtmp://localhost:PORT/live","pageUrl":""}`,
	"on_publish": `{"server_id":"vid-ID","service_id":"SERVICE","action":"on_publish","client_id":"CLIENT","ip":"127.0.0.1",` +
		`"vhost":"__defaultVhost__","app":"live","tcUrl":"rtmp://localhost:PORT/live","stream":"cam1","param":"?secret=s3",` +
		`"stream_url":"/live/cam1"}`,
	"on_unpublish": `{"server_id":"vid-ID","service_id":"SERVICE","action":"on_unpublish","client_id":"CLIENT","ip":"127.0.0.1",` +
		`"vhost":"__defaultVhost__","app":"live","tcUrl":"rtmp://localhost:PORT/live","stream":"cam1","param":"?secret=s3",` +
		`"stream_url":"/live/cam1","stream_id":"vid-ID"}`,
	"on_play rtmp": `{"server_id":"vid-ID","service_id":"SERVICE","action":"on_play","client_id":"CLIENT","ip":"127.0.0.1",` +
		`"vhost":"__defaultVhost__","app":"live","stream":"cam1","tcUrl":"rtmp://localhost:PORT/live","param":"?via=rtmp","pageUrl":"",` +
		`"stream_url":"/live/cam1","stream_id":"vid-ID","clients":N}`,
	"on_stop rtmp": `{"server_id":"vid-ID","service_id":"SERVICE","action":"on_stop","client_id":"CLIENT","ip":"127.0.0.1",` +
		`"vhost":"__defaultVhost__","app":"live","tcUrl":"rtmp://localhost:PORT/live","stream":"cam1","param":"?via=rtmp",` +
		`"stream_url":"/live/cam1","stream_id":"vid-ID","clients":N}`,
	"on_play flv": `{"server_id":"vid-ID","service_id":"SERVICE","action":"on_play","client_id":"CLIENT","ip":"127.0.0.1",` +
		`"vhost":"__defaultVhost__","app":"live","stream":"cam1","tcUrl":"rtmp://__defaultVhost__/live","param":"?via=flv","pageUrl":"",` +
		`"stream_url":"/live/cam1","stream_id":"vid-ID","clients":N}`,
	"on_stop flv": `{"server_id":"vid-ID","service_id":"SERVICE","action":"on_stop","client_id":"CLIENT","ip":"127.0.0.1",` +
		`"vhost":"__defaultVhost__","app":"live","tcUrl":"rtmp://__defaultVhost__/live","stream":"cam1","param":"?via=flv",` +
		`"stream_url":"/live/cam1","stream_id":"vid-ID","clients":N}`,
	"on_play socket": `{"server_id":"vid-ID","service_id":"SERVICE","action":"on_play","client_id":"CLIENT","ip":"127.0.0.1",` +
		`"vhost":"__defaultVhost__","app":"live","stream":"cam1","tcUrl":"rtmp://__defaultVhost__/live","param":"?via=socket","pageUrl":"",` +
		`"stream_url":"/live/cam1","stream_id":"vid-ID","clients":N}`,
	"on_stop socket": `{"server_id":"vid-ID","service_id":"SERVICE","action":"on_stop","client_id":"CLIENT","ip":"127.0.0.1",` +
		`"vhost":"__defaultVhost__","app":"live","tcUrl":"rtmp://__defaultVhost__/live","stream":"cam1","param":"?via=socket",` +
		`"stream_url":"/live/cam1","stream_id":"vid-ID","clients":N}`,
	"on_play hls": `{"server_id":"vid-ID","service_id":"SERVICE","action":"on_play","client_id":"CLIENT","ip":"127.0.0.1",` +
		`"vhost":"__defaultVhost__","app":"live","stream":"cam1.m3u8","tcUrl":"http://localhost/live","param":"?via=hls","pageUrl":"",` +
		`"stream_url":"/live/cam1","stream_id":"vid-ID","clients":N}`,
	"on_stop hls": `{"server_id":"vid-ID","service_id":"SERVICE","action":"on_stop","client_id":"CLIENT","ip":"127.0.0.1",` +
		`"vhost":"__defaultVhost__","app":"live","tcUrl":"http://localhost/live","stream":"cam1.m3u8","param":"?via=hls",` +
		`"stream_url":"/live/cam1","stream_id":"vid-ID","clients":N}`,
	"on_hls": `{"server_id":"vid-ID","service_id":"SERVICE","action":"on_hls","client_id":"CLIENT","ip":"127.0.0.1",` +
		`"vhost":"__defaultVhost__","app":"live","tcUrl":"rtmp://localhost:PORT/live","stream":"cam1","param":"?secret=s3",` +
		`"duration":SECONDS,"cwd":"","file":"","url":"live/cam1/SEGMENT.ts","m3u8":"","m3u8_url":"live/cam1.m3u8","seq_no":N,` +
		`"stream_url":"/live/cam1","stream_id":"vid-ID"}`,
	"on_close": `{"server_id":"vid-ID","service_id":"SERVICE","action":"on_close","client_id":"CLIENT","ip":"127.0.0.1",` +
		`"vhost":"__defaultVhost__","app":"live","send_bytes":N,"recv_bytes":N}`,
}

// unsteady are the values of payloads that differ from run to run.
var unsteady = []struct {
	pattern *regexp.Regexp
	value   string
}{
	{regexp.MustCompile(`"(server_id|stream_id)":"vid-[0-9a-z]{7}"`), `"$1":"vid-ID"`},
	{regexp.MustCompile(`"service_id":"[0-9a-z]{8}"`), `"service_id":"SERVICE"`},
	{regexp.MustCompile(`"client_id":"[0-9a-z]{8}"`), `"client_id":"CLIENT"`},
	{regexp.MustCompile(`localhost:\d+`), `localhost:PORT`},
	{regexp.MustCompile(`"(clients|seq_no|send_bytes|recv_bytes)":[1-9]\d*`), `"$1":N`},
	{regexp.MustCompile(`"duration":\d+\.\d\d,`), `"duration":SECONDS,`},
	{regexp.MustCompile(`live/cam1/[0-9a-z]+-\d+\.ts`), `live/cam1/SEGMENT.ts`},
}

// TestWebhookPayloads compares what a back end is told over HTTPS of a publisher and its viewers with what SRS tells.
func TestWebhookPayloads(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	s := serve(t, in("	rtmp", b.hook("/srs", "events on_connect on_close on_publish on_unpublish on_play on_stop on_hls")))
	encoder := s.publish(s.url("rtmp", "/live/cam1?secret=s3"))
	player := s.play(s.url("rtmp", "/live/cam1?via=rtmp"))
	viewer := s.watch(http1, s.url("https", "/live/cam1.flv?via=flv"))
	hls := s.tune(http2, s.url("https", "/live/cam1.m3u8?via=hls"))
	socket := s.watchSocket(s.url("https", "/live/cam1.flv?via=socket"))
	goesOn(t, player, viewer, hls, socket)
	encoder.stop(t)
	s.end()

	b.mu.Lock()
	defer b.mu.Unlock()
	got := make(map[string]bool)
	for _, c := range b.calls {
		for _, u := range unsteady {
			c = u.pattern.ReplaceAllString(c, u.value)
		}
		got[c] = true
	}
	got[strings.Replace(payloads["on_connect"], "?secret=s3", "?via=rtmp", 1)] = true // the player's, if it is not there
	for name, want := range payloads {
		if !got[want] {
			t.Errorf("%s was not told as\n%s\nbut these were:\n%s", name, want, strings.Join(b.calls, "\n"))
		}
		delete(got, want)
	}
	if len(got) != 1 {
		t.Errorf("told besides: %v", got)
	}
}

// replies are those of appendix A.3.
var replies = []struct {
	status  int
	body    string
	accepts bool
}{
	{200, "0", true},
	{200, "0\n", true},
	{200, `{"code":0}`, true},
	{200, `{"code":0,"data":null}`, true},
	{201, `{"code":0}`, true},
	{200, "", false},
	{200, "1", false},
	{200, `"0"`, false},
	{200, `{"code":"0"}`, false},
	{200, `{}`, false},
	{200, `{"code":1,"msg":"not you"}`, false},
	{204, "", false},
	{302, "0", false},
	{401, `{"code":1,"msg":"not you"}`, false},
	{500, "0", false},
}

// TestWebhookAnswers gives each answer to each question, by each protocol.
func TestWebhookAnswers(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	b.answer(func(w http.ResponseWriter, _ *http.Request, call map[string]any) {
		param, _ := call["param"].(string)
		query, _ := url.ParseQuery(strings.TrimPrefix(param, "?"))
		i := 0
		action, _ := call["action"].(string)
		_, _ = fmt.Sscan(query.Get(action), &i)
		w.Header().Set("Location", "/srs")
		w.WriteHeader(replies[i].status)
		_, _ = io.WriteString(w, replies[i].body)
	})
	s := serve(t, in("	rtmp", b.hook("/srs", "events on_connect on_publish on_play")))
	s.publish(s.url("rtmp", "/live/cam1"))
	for i, reply := range replies {
		questions := []func() error{
			func() error { return s.publishOnce(s.url("rtmp", fmt.Sprintf("/live/x%d?on_connect=%d", i, i))) },
			func() error { return s.publishOnce(s.url("rtmp", fmt.Sprintf("/live/y%d?on_publish=%d", i, i))) },
			func() error { return s.playOnce(s.url("rtmp", fmt.Sprintf("/live/cam1?on_connect=%d", i))) },
			func() error { return s.playOnce(s.url("rtmp", fmt.Sprintf("/live/cam1?on_play=%d", i))) },
			func() error { return s.head(fmt.Sprintf("/live/cam1.flv?on_play=%d", i)) },
			func() error { return s.head(fmt.Sprintf("/live/cam1.ts?on_play=%d", i)) },
			func() error { return s.head(fmt.Sprintf("/live/cam1.m3u8?on_play=%d", i)) },
		}
		for n, ask := range questions {
			if err := ask(); (err == nil) != reply.accepts {
				t.Errorf("answer %d %q, question %d: %v", reply.status, reply.body, n, err)
			} else if strings.Contains(reply.body, "not you") && !strings.Contains(err.Error(), "not you") && n < 4 {
				t.Errorf("answer %d %q, question %d: the client is not told why: %v", reply.status, reply.body, n, err)
			}
		}
	}
}

// head asks for a stream and returns an error for what is no status 200.
func (s *server) head(path string) error {
	resp, err := s.browser(http1).Head(s.url("http", path))
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// TestWebhookSecondRefuses is check A.4.
func TestWebhookSecondRefuses(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	b.answer(func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
		_, _ = io.WriteString(w, map[string]string{"/one": "0", "/two": `{"code":7,"msg":"no more"}`}[r.URL.Path])
	})
	s := serve(t, in("	rtmp", b.hook("/one /two /three")))
	checkRefusal(t, s.publishOnce(s.url("rtmp", "/live/cam1")), "NetStream.Publish.Denied", "no more")
	var streams struct{ Streams []any }
	if err := s.api(http.MethodGet, "/streams/", &streams); err != nil || len(streams.Streams) > 0 {
		t.Errorf("the API shows %v, %v", streams, err)
	}
	s.end() // after which nothing is pending
	if n := len(b.heard("on_publish")); n != 2 {
		t.Errorf("%d times on_publish", n)
	}
	if ends := b.heard("on_unpublish"); len(ends) > 0 {
		t.Errorf("told the end of what has not begun: %s", ends)
	}
}

// TestWebhookFailures lets a back end hang, fail, cut the connection and answer with 10 MiB. Nobody comes in, unless the
// operator says so; nobody waits longer than the time-out; and nobody who is there notices.
func TestWebhookFailures(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	b.answer(func(w http.ResponseWriter, r *http.Request, call map[string]any) {
		switch {
		case call["action"] == "on_publish":
			_, _ = io.WriteString(w, "0")
		case r.URL.Path == "/hang":
			<-r.Context().Done()
		case r.URL.Path == "/500":
			w.WriteHeader(http.StatusInternalServerError)
		case r.URL.Path == "/cut":
			panic(http.ErrAbortHandler)
		case r.URL.Path == "/long":
			_, _ = io.WriteString(w, strings.Repeat("0", 10<<20))
		default:
			_, _ = io.WriteString(w, "0")
		}
	})
	const limit = 2 * time.Second
	config := func(path, onError string) string {
		return in("	rtmp", b.hook(path, "events on_publish on_play", "timeout "+limit.String(), "on_error "+onError))
	}
	s := serve(t, config("/good", "refuse"))
	s.publish(s.url("rtmp", "/live/cam1"))
	viewer := s.watch(http1, s.url("http", "/live/cam1.flv"))
	for _, path := range []string{"/hang", "/500", "/cut", "/long"} {
		for _, onError := range []string{"refuse", "allow"} {
			if out, err := s.reload(config(path, onError)); err != nil {
				t.Fatalf("%s %s", err, out)
			}
			began := time.Now()
			err := s.head("/live/cam1.flv")
			if refused := err != nil && strings.HasPrefix(err.Error(), "503"); refused != (onError == "refuse") || !refused && err != nil {
				t.Errorf("%s, on_error %s: %v", path, onError, err)
			}
			if took := time.Since(began); took > limit+time.Second {
				t.Errorf("%s: the viewer has waited for %s", path, took)
			}
		}
	}
	goesOn(t, viewer)
}

// TestWebhookDead has a back end that does not answer: twenty who come cost its time-out once.
func TestWebhookDead(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	b.answer(func(_ http.ResponseWriter, r *http.Request, _ map[string]any) { <-r.Context().Done() })
	const limit = 3 * time.Second
	s := serve(t, in("	rtmp", b.hook("/srs", "events on_play", "timeout "+limit.String())))
	s.publish(s.url("rtmp", "/live/cam1"))
	began := time.Now()
	var took []time.Duration
	for range 20 {
		before := time.Now()
		if err := s.head("/live/cam1.flv"); err == nil || !strings.HasPrefix(err.Error(), "503") {
			t.Errorf("got %v", err)
		}
		took = append(took, time.Since(before))
	}
	if all := time.Since(began); all > limit+4*time.Second {
		t.Errorf("they have waited for %s", all)
	}
	if n := len(b.heard("on_play")); n > 2 {
		t.Errorf("the back end was asked %d times", n)
	}
	t.Logf("20 viewers waited %s, the slowest %s, the others %s at most", time.Since(began), slices.Max(took), slices.Max(took[1:]))
}
