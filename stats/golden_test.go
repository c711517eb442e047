package stats_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/stats"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a body with a file, in which names stand for the random ids.
func (s *site) golden(file, body string, names ...string) {
	s.t.Helper()
	names = append(names, fmt.Sprintf(`"pid":"%d"`, os.Getpid()), `"pid":"PID"`)
	got := strings.NewReplacer(names...).Replace(body) + "\n"
	path := filepath.Join("testdata", file+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if got != string(want) {
		s.t.Errorf("%s:\n got %s\nwant %s", file, got, want)
	}
}

func TestGoldenBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.Rates = stats.NewRates(s.Hub)
		defer s.Rates.Close()
		s.HLS = func(vhost string) (time.Duration, bool) { return 2 * time.Second, vhost == live.DefaultVhost }
		time.Sleep(1500 * time.Millisecond)
		p := s.publish("cam1")
		defer p.Close(nil)
		write(t, p, live.KindVideo, avcTag)
		write(t, p, live.KindAudio, aacTag)
		write(t, p, live.KindVideo, "1701000000"+"00000001"+"65")
		write(t, p, live.KindAudio, "af01"+"21")
		write(t, p, live.KindAudio, "af01"+"21")
		writeAt(t, p, live.KindVideo, 40, "2701000000"+"00000001"+"41")
		writeAt(t, p, live.KindVideo, 80, "1701000000"+"00000001"+"65")
		for i := range 6 { // a further track
			writeTrack(t, p, 1, uint32(40*i), i == 0 || i == 4)
		}
		p.Drop(live.ErrTag)
		v := s.view(live.Request{
			Protocol: live.ProtocolFLV,
			Key:      p.Stream().Key(),
			Remote:   netip.MustParseAddrPort("[2001:db8::1]:443"),
			Host:     "play.example",
			PageURL:  "https://page.example/?a=<b>&c",
		})
		defer v.Close(nil)
		time.Sleep(8250 * time.Millisecond)
		p.Session().Received(1_000_000)
		v.Sent(2_000_000)
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()

		stream, pub, view := p.Stream().ID(), p.Session().ID, v.ID
		names := []string{stream, "STREAM", pub, "PUBLISHER", view, "VIEWER", s.Hub.Snapshot().Vhosts[0].ID, "VHOST"}
		for file, url := range map[string]string{
			"root":      "/",
			"api":       "/api/",
			"authors":   "/api/v1/authors",
			"raw":       "/api/v1/raw?rpc=raw",
			"clusters":  "/api/v1/clusters?ip=127.0.0.1&vhost=a.example&app=live&stream=cam1&coworker=b.example:9090",
			"perf":      "/api/v1/perf",
			"configs":   "/api/v1/configs",
			"index":     "/api/v1/",
			"versions":  "/api/v1/versions",
			"vhosts":    "/api/v1/vhosts/",
			"vhost":     "/api/v1/vhosts/" + s.Hub.Snapshot().Vhosts[0].ID,
			"streams":   "/api/v1/streams/",
			"stream":    "/api/v1/streams/" + stream,
			"clients":   "/api/v1/clients/?sort=type",
			"publisher": "/api/v1/clients/" + pub,
			"viewer":    "/api/v1/clients/" + view,
		} {
			s.golden(file, s.get(url), names...)
			s.golden(file, s.get(otherSlash(url)), names...)
		}
	})
}

// writeTrack writes a picture of AV1, of a further track.
func writeTrack(t *testing.T, p *live.Publisher, number uint8, ms uint32, key bool) {
	t.Helper()
	body := []byte("\xa3av01 a picture")
	if key {
		body[0] = 0x93
	}
	f, err := live.ParseTag(live.KindVideo, ms, body)
	if err != nil {
		t.Fatal(err)
	}
	f.Track = number
	if err := p.WriteFrame(f); err != nil {
		t.Fatal(err)
	}
}

// otherSlash returns the URL without the last slash of its path if it has one, and with one if it has none.
func otherSlash(url string) string {
	path, query, _ := strings.Cut(url, "?")
	other := strings.TrimSuffix(path, "/")
	if other == path || other == "" {
		other += "/"
	}
	if query != "" {
		other += "?" + query
	}
	return other
}

// TestKinds compares the bodies that differ from machine to machine: their keys, the order of these and what kind of value
// each has.
func TestKinds(t *testing.T) {
	s := newSite(t)
	s.System = new(stats.System)
	for file, url := range map[string]string{
		"summaries":         "/api/v1/summaries",
		"rusages":           "/api/v1/rusages",
		"self_proc_stats":   "/api/v1/self_proc_stats",
		"system_proc_stats": "/api/v1/system_proc_stats",
		"meminfos":          "/api/v1/meminfos",
		"features":          "/api/v1/features",
		"requests":          "/api/v1/requests?a=b",
		"tests_requests":    "/api/v1/tests/requests?a=b",
	} {
		s.golden(file, kinds(t, s.get(url)))
		s.golden(file, kinds(t, s.get(otherSlash(url))))
	}
	// Without a System, or where there is no /proc, everything is there too.
	s.System = nil
	for _, file := range []string{"summaries", "rusages", "self_proc_stats", "system_proc_stats", "meminfos"} {
		body := s.get("/api/v1/" + file)
		s.golden(file, kinds(t, body))
		if !strings.Contains(body, `"data":{"ok":false,`) {
			t.Errorf("%s says %s", file, body)
		}
	}
}

// kinds returns a line for each value of a JSON text, in their order: its path and its kind. SRS has two kinds of numbers.
func kinds(t *testing.T, text string) string {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var lines []string
	var walk func(path string)
	walk = func(path string) {
		token, err := dec.Token()
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		switch v := token.(type) {
		case json.Delim:
			if v != '{' {
				t.Fatalf("a list in %s", text)
			}
			for dec.More() {
				key, err := dec.Token()
				if err != nil {
					t.Fatalf("%v in %s", err, text)
				}
				walk(strings.TrimPrefix(path+"."+fmt.Sprint(key), "."))
			}
			_, _ = dec.Token() // it ends, or there would be more
		case json.Number:
			kind := "integer"
			if strings.Contains(v.String(), ".") {
				kind = "number"
			}
			lines = append(lines, path+" "+kind)
		default:
			lines = append(lines, fmt.Sprintf("%s %T", path, v))
		}
	}
	walk("")
	return strings.Join(lines, "\n")
}

// TestProbes asks what has no golden file.
func TestProbes(t *testing.T) {
	s := newSite(t)
	s.Others = []stats.Link{{Name: "hooks", About: "what back ends were told"}}
	for url, want := range map[string]string{
		"/api/v1/tests/errors":   `{"code":100}`,
		"/api/v1/raw":            `{"code":1061}`,
		"/api/v1/raw?rpc=reload": `{"code":1061}`,
		"/api/v1/raw?rpc=query":  `{"code":1061}`,
	} {
		if got := s.get(url); got != want {
			t.Errorf("%s: %s", url, got)
		}
	}
	rec := s.do(http.MethodGet, "/api/v1/tests/redirects")
	if rec.Code != http.StatusMovedPermanently || rec.Header().Get("Location") != "/api/v1/tests/errors" {
		t.Errorf("redirect: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
	if got := s.get("/api/v1"); !strings.Contains(got, `"hooks":"what back ends were told","openapi.json":"`) {
		t.Errorf("index: %s", got)
	}
	got := s.do(http.MethodGet, "/api/v1/requests?token=geheim&a=b", "Authorization", "Bearer geheim", "X-Test", "1").Body.String()
	if strings.Contains(got, "geheim") || !strings.Contains(got, `"X-Test":"1"`) || !strings.Contains(got, `"METHOD":"GET"`) {
		t.Errorf("request: %s", got)
	}
}

func TestEmptyListsAreArrays(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"vhosts", "streams", "clients"} {
		s.golden("empty_"+name, s.get("/api/v1/"+name+"/"))
	}
}
