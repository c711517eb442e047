package stats_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/stats"
)

// Sequence headers as FLV tag bodies: H.264 High 3.1 of 1280x720, and AAC LC of 48 kHz in one channel, the FLV header of
// which says 44.1 kHz in two, as it always does.
const (
	avcTag = "1700000000" + "0164001fffe1001967" + "64001facd9405005bb016c80000003008000001e078c18cb" + "010000"
	aacTag = "af00" + "1188"
)

// A site is a hub with an API, for a test within a bubble of testing/synctest.
type site struct {
	*stats.API
	t *testing.T
}

func newSite(t *testing.T) *site {
	t.Helper()
	return &site{t: t, API: &stats.API{
		Hub:     new(live.Hub),
		Server:  "vid-3k20x1a",
		Service: "8mt41q0c",
		Version: "0.1.2",
	}}
}

func (s *site) publish(name string) *live.Publisher {
	s.t.Helper()
	p, err := s.Hub.Publish(s.t.Context(), live.Request{
		Protocol: live.ProtocolRTMP,
		Key:      live.Key{App: "live", Name: name},
		Remote:   netip.MustParseAddrPort("[::ffff:203.0.113.7]:50123"),
		TCURL:    "rtmp://a.example/live",
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *site) view(r live.Request) *live.Session {
	s.t.Helper()
	ses, err := s.Hub.Admit(s.t.Context(), r)
	if err != nil {
		s.t.Fatal(err)
	}
	return ses
}

func (s *site) get(url string) string {
	s.t.Helper()
	rec := s.do(http.MethodGet, url)
	if rec.Code != http.StatusOK {
		s.t.Errorf("GET %s: status %d", url, rec.Code)
	}
	return rec.Body.String()
}

func (s *site) do(method, url string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	return rec
}

func write(t *testing.T, p *live.Publisher, kind live.Kind, tag string) {
	t.Helper()
	writeAt(t, p, kind, 0, tag)
}

func writeAt(t *testing.T, p *live.Publisher, kind live.Kind, ms uint32, tag string) {
	t.Helper()
	body, err := hex.DecodeString(tag)
	if err != nil {
		t.Fatal(err)
	}
	f, err := live.ParseTag(kind, ms, body)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WriteFrame(f); err != nil {
		t.Fatal(err)
	}
}

func TestStreamWithoutPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		key := live.Key{App: "live", Name: "later"}
		first := s.view(live.Request{Protocol: live.ProtocolTS, Key: key, Host: "2001:db8::2"})
		defer first.Close(nil)
		time.Sleep(time.Second)
		second := s.view(live.Request{Protocol: live.ProtocolRTMP, Key: key, TCURL: "rtmp://other/live"})
		defer second.Close(nil)
		got := s.get("/api/v1/streams/" + first.Stream().ID())
		for _, part := range []string{
			`"tcUrl":"http://[2001:db8::2]/live"`, `"clients":2`, `"publish":{"active":false}`, `"video":null,"audio":null,"dropped":{"broken_tags":0,"skips":0,"skips_by_bytes":0,"skipped_bytes":0},"repaired_frames":0,"last_error":null,"tracks":[],"latency":{"batch_ms":100,"formats":[]}}`,
		} {
			if !strings.Contains(got, part) {
				t.Errorf("%s is not in %s", part, got)
			}
		}
	})
}

func TestClientTypes(t *testing.T) {
	s := newSite(t)
	s.Hub.Activate(&live.Policy{Vhosts: map[string]string{"v.example": "v.example"}})
	key := live.Key{Vhost: "v.example", App: "live", Name: "x"}
	for protocol, want := range map[string]string{
		live.ProtocolRTMP: "rtmp-play",
		live.ProtocolFLV:  "flv-play",
		live.ProtocolTS:   "flv-play",
		live.ProtocolAAC:  "flv-play",
		live.ProtocolMP3:  "flv-play",
		live.ProtocolHLS:  "hls-play",
		"pigeon":          "Unknown",
	} {
		v := s.view(live.Request{Protocol: protocol, Key: key})
		got := s.get("/api/v1/clients/" + v.ID)
		if !strings.Contains(got, `"type":"`+want+`","publish":false`) || !strings.Contains(got, `"url":"v.example/live/x"`) {
			t.Errorf("%s: %s", protocol, got)
		}
		v.Close(nil)
	}
}

// TestGrant shows what a guard has said of a client, and nothing where it has said nothing.
func TestGrant(t *testing.T) {
	s := newSite(t)
	var grant live.Grant
	s.Hub.Activate(&live.Policy{Guard: live.GuardFunc(func(context.Context, *live.Request) (live.Grant, error) {
		return grant, nil
	})})
	key := live.Key{App: "live", Name: "x"}
	v := s.view(live.Request{Protocol: live.ProtocolFLV, Key: key})
	defer v.Close(nil)
	if got := s.get("/api/v1/clients/" + v.ID); !strings.HasSuffix(got, `"dropped":{"broken_tags":0,"skips":0,"skips_by_bytes":0,"skipped_bytes":0}}}`) {
		t.Errorf("without a grant: %s", got)
	}
	grant = live.Grant{User: "ann", Note: "gold", Expires: time.Date(2999, 1, 2, 3, 4, 5, 6, time.UTC)}
	v = s.view(live.Request{Protocol: live.ProtocolFLV, Key: key})
	defer v.Close(nil)
	if got := s.get("/api/v1/clients/" + v.ID); !strings.HasSuffix(got, `},"user":"ann","note":"gold","expires":"2999-01-02T03:04:05Z"}}`) {
		t.Errorf("with a grant: %s", got)
	}
}

func TestPages(t *testing.T) {
	s := newSite(t)
	for i := range 12 {
		v := s.view(live.Request{Protocol: live.ProtocolHLS, Key: live.Key{App: "live", Name: fmt.Sprint(i)}})
		t.Cleanup(func() { v.Close(nil) })
	}
	var all []string
	for _, info := range s.Hub.Snapshot().Sessions {
		all = append(all, info.ID)
	}
	if !slices.IsSorted(all) {
		t.Fatal("the snapshot is not sorted")
	}
	for query, want := range map[string][]string{
		"":                                  all[:10],
		"?start=10":                         all[10:],
		"?count=3":                          all[:3],
		"?start=2&count=1":                  all[2:3],
		"?start=-1&count=0":                 all[:1],
		"?start=99":                         {},
		"?count=9223372036854775807":        all,
		"?count=9223372036854775808":        all,
		"?start=x&count=x":                  all[:10],
		"?start=9223372036854775807":        {},
		"?start=11&count=99999999999999999": all[11:],
	} {
		body := s.get("/api/v1/clients/" + query)
		var page struct {
			Total   int
			Clients []struct{ ID string }
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, c := range page.Clients {
			got = append(got, c.ID)
		}
		if page.Total != len(all) || !slices.Equal(got, want) {
			t.Errorf("%q: total %d, %v; want %v", query, page.Total, got, want)
		}
	}
	if got := strings.Count(s.get("/api/v1/streams?start=10"), `"live_ms"`); got != 2 {
		t.Errorf("second page of streams has %d rows", got)
	}
}

func TestKick(t *testing.T) {
	s := newSite(t)
	p := s.publish("cam1")
	rec := s.do(http.MethodDelete, "/api/v1/clients/"+p.Session().ID)
	if rec.Code != http.StatusOK {
		t.Errorf("status %d", rec.Code)
	}
	s.golden("kicked", rec.Body.String())
	if err := p.Session().Err(); !errors.Is(err, live.ErrKicked) {
		t.Errorf("the session ended with %v", err)
	}
	p.Close(nil)
	for _, id := range []string{p.Session().ID, "nobody", ""} {
		if got := s.do(http.MethodDelete, "/api/v1/clients/"+id).Body.String(); got != `{"code":2049}` {
			t.Errorf("kick of %q: %s", id, got)
		}
	}
}

func TestErrors(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct {
		method, url string
		status      int
		body        string
	}{
		{"GET", "/api/v1/vhosts/nobody", 200, `{"code":2014}`},
		{"GET", "/api/v1/streams/nobody", 200, `{"code":2048}`},
		{"GET", "/api/v1/clients/nobody/", 200, `{"code":2049}`},
		{"DELETE", "/api/v1/vhosts/", 405, "Method Not Allowed"},
		{"POST", "/api/v1/streams/x", 405, "Method Not Allowed"},
		{"PUT", "/api/v1/clients/x", 405, "Method Not Allowed"},
		{"GET", "/api/v1/nothing", 404, "Not Found"},
		{"GET", "/api/v1/versions/1", 404, "Not Found"},
		{"GET", "/v1/versions", 404, "Not Found"},
		{"GET", "/api/v1/streams/a/b", 404, "Not Found"},
		{"GET", "/api/../api/v1/versions", 400, "Bad Request"},
		{"GET", "/api/v1/streams/%2e%2e/x", 400, "Bad Request"},
		{"GET", "/api/v1/streams/nobody?callback=a(b", 200, `{"code":4058}`},
		{"GET", "/api/v1/streams/nobody?callback=a.b-c_1", 200, `a.b-c_1({"code":2048})`},
	} {
		rec := s.do(c.method, c.url)
		if rec.Code != c.status || rec.Body.String() != c.body {
			t.Errorf("%s %s: %d %s", c.method, c.url, rec.Code, rec.Body)
		}
		if text := rec.Header().Get("Content-Type") == "text/plain; charset=utf-8"; text != (c.status != 200) {
			t.Errorf("%s %s: %s", c.method, c.url, rec.Header())
		}
		if allow := rec.Header().Get("Allow"); (allow != "") != (c.status == 405) {
			t.Errorf("%s %s: Allow: %s", c.method, c.url, allow)
		}
	}
}

func TestJSONP(t *testing.T) {
	s := newSite(t)
	p := s.publish("cam1")
	defer p.Close(nil)
	url := "/api/v1/clients/" + p.Session().ID
	rec := s.do(http.MethodGet, url+"?callback=cb&method=GET")
	if got := rec.Header().Get("Content-Type"); got != "text/javascript" {
		t.Error(got)
	}
	if got := rec.Body.String(); !strings.HasPrefix(got, `cb({"code":0,`) || !strings.HasSuffix(got, "})") {
		t.Error(got)
	}

	kick := url + "?callback=cb&method=DELETE"
	if rec := s.do(http.MethodGet, kick); rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("a kick that nobody allowed: %d", rec.Code)
	}
	s.AllowJSONPChanges = func(r *http.Request) bool { return r.Header.Get("Token") == "x" }
	if rec := s.do(http.MethodGet, kick); rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("a kick that was not allowed: %d", rec.Code)
	}
	for _, harmless := range []string{url + "?method=DELETE", url + "?callback=&method=DELETE"} {
		if got := s.do(http.MethodGet, harmless, "Token", "x").Body.String(); !strings.Contains(got, `"client":`) {
			t.Errorf("%s: %s", harmless, got)
		}
	}
	if p.Session().Err() != nil {
		t.Fatal("the client was kicked")
	}
	if got := s.do(http.MethodGet, kick, "Token", "x").Body.String(); !strings.HasPrefix(got, `cb({"code":0,`) {
		t.Error(got)
	}
	if !errors.Is(p.Session().Err(), live.ErrKicked) {
		t.Error("the client was not kicked")
	}
}

func TestCORS(t *testing.T) {
	s := newSite(t)
	if rec := s.do(http.MethodGet, "/api/v1/versions"); rec.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without Origin: %s", rec.Header())
	}
	for _, method := range []string{http.MethodGet, http.MethodOptions} {
		rec := s.do(method, "/api/v1/versions", "Origin", "https://a.example", "Access-Control-Request-Private-Network", "true")
		if rec.Code != http.StatusOK || (rec.Body.Len() == 0) != (method == http.MethodOptions) {
			t.Errorf("%s: %d %s", method, rec.Code, rec.Body)
		}
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin":          "*",
			"Access-Control-Allow-Headers":         "Authorization, Content-Type",
			"Access-Control-Allow-Methods":         "GET, HEAD, POST, PUT, DELETE, OPTIONS",
			"Access-Control-Expose-Headers":        "Location, *",
			"Access-Control-Allow-Credentials":     "false",
			"Access-Control-Allow-Private-Network": "true",
			"Vary":                                 "Origin",
		} {
			if got := rec.Header().Get(name); got != want {
				t.Errorf("%s: %s: %q", method, name, got)
			}
		}
	}
}

func TestUnderLoad(t *testing.T) {
	s := newSite(t)
	s.System = new(stats.System)
	s.Rates = stats.NewRates(s.Hub)
	defer s.Rates.Close()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			p := s.publish(fmt.Sprint(i % 3))
			write(t, p, live.KindVideo, avcTag)
			v := s.view(live.Request{Protocol: live.ProtocolFLV, Key: p.Stream().Key()})
			v.Sent(100)
			v.Close(nil)
			p.Close(nil)
		}
	}()
	for range 50 {
		for _, name := range []string{
			"summaries", "vhosts", "streams", "clients", "rusages", "self_proc_stats", "vhosts?sort=-clients", "streams?sort=-frames&app=live",
			"clients?sort=-send_bytes&type=flv-play",
		} {
			if body := s.get("/api/v1/" + name); !json.Valid([]byte(body)) {
				t.Error(body)
			}
		}
	}
	stop()
	<-done
}

func Example() {
	hub := new(live.Hub)
	rates := stats.NewRates(hub) // beside the hub, as long as it
	defer rates.Close()
	api := &stats.API{Hub: hub, Rates: rates, Server: "vid-3k20x1a", Service: stats.NewID(8), Version: "0.1.0"}
	srv := httptest.NewServer(api)
	defer srv.Close()

	res, err := http.Get(srv.URL + "/api/v1/versions?callback=show")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	_, data, _ := strings.Cut(string(body), `"data":`)
	fmt.Println(res.Status, data)
	// Output: 200 OK {"major":0,"minor":1,"revision":0,"version":"0.1.0"}})
}
