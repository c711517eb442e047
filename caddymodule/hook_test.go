package caddymodule_test

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A backend is a back end behind HTTPS with a certificate of an authority of its own, which it writes to a file.
type backend struct {
	*httptest.Server
	ca    string
	calls chan event

	mu      sync.Mutex
	answers map[string]string // by event, else 0
}

// An event is what a back end is told.
type event struct {
	Action   string `json:"action"`
	Client   string `json:"client_id"`
	Stream   string `json:"stream"`
	Param    string `json:"param"`
	StreamID string `json:"stream_id"`
	proto    string
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	b := &backend{calls: make(chan event, 100), answers: make(map[string]string), ca: filepath.Join(t.TempDir(), "ca.pem")}
	b.Server = httptest.NewUnstartedServer(http.HandlerFunc(b.serve))
	b.EnableHTTP2 = true
	b.StartTLS()
	t.Cleanup(b.Close)
	block := &pem.Block{Type: "CERTIFICATE", Bytes: b.Certificate().Raw}
	must(os.WriteFile(b.ca, pem.EncodeToMemory(block), 0o600))
	return b
}

func (b *backend) serve(w http.ResponseWriter, r *http.Request) {
	var e event
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e.proto = r.Proto
	b.mu.Lock()
	answer, ok := b.answers[e.Action]
	b.mu.Unlock()
	b.calls <- e
	if !ok {
		answer = "0"
	}
	_, _ = io.WriteString(w, answer)
}

func (b *backend) answer(action, body string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[action] = body
}

// next returns the next call, which must be of an event.
func (b *backend) next(t *testing.T, action string) event {
	t.Helper()
	select {
	case e := <-b.calls:
		if e.Action != action {
			t.Fatalf("the back end was told %+v, not %s", e, action)
		}
		return e
	case <-time.After(patience):
		t.Fatalf("the back end was not told %s", action)
		return event{}
	}
}

func (b *backend) quiet(t *testing.T) {
	t.Helper()
	select {
	case e := <-b.calls:
		t.Errorf("the back end was told %+v", e)
	default:
	}
}

// hooked is a Caddyfile with a webhook. What the block holds besides is added.
func (b *backend) hooked(options string) string {
	return strings.NewReplacer("$URL", b.URL, "$CA", b.ca, "$MORE", options).Replace(`{
		$OPTIONS
		rtmp {
			server 127.0.0.1:$RTMP
			hook http $URL/srs {
				tls {
					trust_pool file $CA
				}
				$MORE
			}
		}
	}
	http://localhost:$HTTP {
		rtmp_play
	}`)
}

// TestHook publishes and plays with a back end that accepts, over a reload and to the end.
func TestHook(t *testing.T) {
	b, end := newBed(t), newBackend(t)
	b.load(end.hooked(""))
	p := publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/cam1?secret=s3", 3)
	published := end.next(t, "on_publish")
	if published.Param != "?secret=s3" || published.proto != "HTTP/2.0" || published.StreamID != "" {
		t.Errorf("on_publish is %+v", published)
	}
	site := "http://localhost:" + b.http + "/live/cam1"
	playHTTP(t, site+".flv")
	played := end.next(t, "on_play")
	if played.Stream != "cam1" || played.StreamID == "" || b.sessions()[played.Client].Protocol != live.ProtocolFLV {
		t.Errorf("on_play is %+v", played)
	}
	hls := playHLS(t, site+".m3u8?token=t")
	viewed := end.next(t, "on_play")
	if viewed.Stream != "cam1.m3u8" || viewed.Param != "?token=t" || b.sessions()[viewed.Client].Protocol != live.ProtocolHLS {
		t.Errorf("on_play is %+v", viewed)
	}
	if strings.Contains(hls.list, "hls_ctx="+viewed.Client+"&") {
		t.Error("client_id is the secret of the URLs")
	}
	hls.newest()
	hls.newest()
	end.quiet(t) // nothing is decided twice

	b.load(end.hooked("timeout 4s"))
	p.send(1)
	_ = p.client.Close()
	ends := map[string]string{published.Client: "on_unpublish", played.Client: "on_stop", viewed.Client: "on_stop"}
	for range 3 {
		select {
		case e := <-end.calls:
			if ends[e.Client] != e.Action {
				t.Errorf("the back end was told %+v", e)
			}
			delete(ends, e.Client)
		case <-time.After(patience):
			t.Fatalf("the back end was not told %v", ends)
		}
	}

	// The end of the server is the end of its sessions, which the back end learns before it is over.
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/cam2", 1)
	last := end.next(t, "on_publish")
	b.stop()
	if e := end.next(t, "on_unpublish"); e.Client != last.Client {
		t.Errorf("the back end was told %+v", e)
	}
}

// TestHookRefuses lets each protocol meet a back end that refuses, and tells clients why.
func TestHookRefuses(t *testing.T) {
	b, end := newBed(t), newBackend(t)
	b.load(end.hooked("events on_connect on_publish on_play"))
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/cam1", 3)
	end.next(t, "on_connect")
	end.next(t, "on_publish")
	end.answer("on_publish", `{"code":1,"msg":"pay first"}`)
	end.answer("on_play", `{"code":401,"msg":"log in"}`)
	if _, err := tryPublish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/cam2"); err == nil || !strings.Contains(err.Error(), "NetStream.Publish.Denied") ||
		!strings.Contains(err.Error(), "pay first") {
		t.Errorf("the publisher got %v", err)
	}
	for _, path := range []string{"/live/cam1.flv", "/live/cam1.ts", "/live/cam1.m3u8"} {
		resp := get(t, httpClient(t), "http://localhost:"+b.http+path)
		if status, body := text(t, resp); status != http.StatusUnauthorized || body != "log in\n" ||
			resp.Header.Get("Access-Control-Allow-Origin") != "*" || strings.Contains(body, end.URL) {
			t.Errorf("%s: %d %q %v", path, status, body, resp.Header)
		}
	}
	if n := len(b.sessions()); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// TestHookVerifies does not trust an authority that it was not told of, nor a wrong name.
func TestHookVerifies(t *testing.T) {
	b, end := newBed(t), newBackend(t)
	for name, config := range map[string]string{
		"unknown authority": strings.Replace(end.hooked(""), "trust_pool file "+end.ca, "", 1),
		"wrong name":        strings.Replace(end.hooked(""), "tls {", "tls {\nserver_name other.example.org", 1),
	} {
		b.load(config)
		_, err := tryPublish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/cam1")
		if err == nil || !strings.Contains(err.Error(), "could not decide") {
			t.Errorf("%s: %v", name, err)
		}
		end.quiet(t)
	}
	b.load(strings.Replace(end.hooked("on_error allow"), "trust_pool file "+end.ca, "", 1))
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/cam1", 1)
	b.load(strings.Replace(end.hooked(""), "trust_pool file "+end.ca, "insecure_skip_verify", 1))
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/cam2", 1)
	if len(b.logged("insecure_skip_verify")) == 0 {
		t.Error("there is no warning")
	}
}

// TestHookWarns tells the operator that nobody is asked about viewers of an app whose HLS has no sessions.
func TestHookWarns(t *testing.T) {
	b, end := newBed(t), newBackend(t)
	b.load(strings.Replace(end.hooked(""), "server 127", "app open {\nhls {\nsessions off\n}\n}\napp closed\nserver 127", 1))
	if lines := b.logged("no hook is asked"); len(lines) != 1 || lines[0]["app"] != "open" {
		t.Errorf("the warnings are %v", lines)
	}
}

// TestHookHeartbeat sends heartbeats while a configuration is in force, with one service over a reload.
func TestHookHeartbeat(t *testing.T) {
	b := newBed(t)
	beats := make(chan map[string]any, 100)
	end := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var beat map[string]any
		if err := json.NewDecoder(r.Body).Decode(&beat); err != nil {
			t.Error(err)
		}
		beats <- beat
	}))
	defer end.Close()
	config := func(id string) string {
		return "{\n$OPTIONS\nrtmp {\nserver 127.0.0.1:$RTMP\nheartbeat " + end.URL + " {\ninterval 200ms\nsummaries\ndevice_id " + id + "\n}\n}\n}\n"
	}
	b.load(config("one"))
	first := <-beats
	summaries, _ := first["summaries"].(map[string]any)
	if data, _ := summaries["data"].(map[string]any); first["device_id"] != "one" || data["self"] == nil || first["service"] == "" {
		t.Errorf("the heartbeat is %v", first)
	}
	b.load(config("two"))
	eventually(t, "the new configuration's heartbeat comes", func() bool {
		beat := <-beats
		return beat["device_id"] == "two" && beat["service"] == first["service"]
	})
}
