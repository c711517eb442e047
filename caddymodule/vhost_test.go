package caddymodule_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
)

// vhosted is a Caddyfile with an open app on the default vhost, a vhost tv.example with a key and an app of its own, and a
// vhost empty.example that has but one app. The sites play everything, and one vhost.
func vhosted(tv string) string {
	return `{
	$OPTIONS
	rtmp {
		server 127.0.0.1:$RTMP
		app live {
			wait 0
		}
		vhost ` + tv + ` {
			app live {
				wait 0
				publish {
					authenticate token {
						secret s3cret
					}
				}
				hls {
					segment 4s
				}
			}
			app own {
				wait 0
			}
		}
		vhost empty.example {
			app other
		}
	}
}
http://:$HTTP {
	rtmp_play
	rtmp_api {
		auth loopback
	}
}
http://one.example:$HTTP, http://tv.example:$HTTP {
	rtmp_play {
		vhost tv.example
	}
	respond next 299
}
`
}

const tvNames = "tv.example www.tv.example *.cdn.example"

// A client reaches a vhost's streams only by the vhost's own rules, in whichever way it names the vhost, and the streams
// of one vhost are none of another's.
func TestVhostRules(t *testing.T) {
	b := newBed(t)
	b.load(vhosted(tvNames))
	host := "rtmp://127.0.0.1:" + b.rtmp
	for _, c := range []struct{ url, code, why string }{
		{"/live/a?vhost=tv.example", "NetStream.Publish.Denied", "a token is needed"},
		{"/live/a?domain=www.tv.example", "NetStream.Publish.Denied", "a token is needed"},
		{"/live/a?vhost=x.cdn.example&token=wrong", "NetStream.Publish.Denied", "is wrong"},
		{"/live/a?vhost=tv.example&vhost=none.example", "NetStream.Publish.Denied", "a token is needed"},
		{"/live/a?vhost=none.example&vhost=tv.example", "", ""}, // the default vhost's
		{"/live...vhost...tv.example/a", "NetStream.Publish.Denied", "a token is needed"},
		{"/live...vhost...tv.example/b?vhost=none.example", "", ""},
		{"/live/c?vhost=tv.example&token=s3cret", "", ""},
		{"/live/c", "", ""}, // not the one before
		{"/live/d?vhost=empty.example", "NetStream.Publish.BadName", `there is no app "live" on the vhost empty.example`},
		{"/own/a", "NetStream.Publish.BadName", `there is no app "own" on this server`},
		{"/own/a?vhost=tv.example", "", ""},
		{"/other/a?vhost=tv.example", "NetStream.Publish.BadName", `there is no app "other" on the vhost tv.example`},
		{"/nowhere/a", "NetConnection.Connect.Rejected", `there is no app "nowhere"`},
	} {
		_, err := tryPublish(t, host+c.url)
		var status *rtmpapp.StatusError
		switch errors.As(err, &status); {
		case c.code == "" && err != nil:
			t.Errorf("%s: %v", c.url, err)
		case c.code != "" && (status == nil || status.Code != c.code || !strings.Contains(status.Description, c.why)):
			t.Errorf("%s: %v, want %s: …%s…", c.url, err, c.code, c.why)
		}
	}
	var onAir []string
	for _, s := range b.sessions() {
		onAir = append(onAir, s.Key.URL())
	}
	slices.Sort(onAir)
	want := "/live/a /live/b /live/c tv.example/live/c tv.example/own/a"
	if got := strings.Join(onAir, " "); got != want {
		t.Errorf("on air are\n %s, want\n %s", got, want)
	}
}

func TestVhostPlay(t *testing.T) {
	b := newBed(t)
	b.load(vhosted(tvNames))
	host := "rtmp://127.0.0.1:" + b.rtmp
	publish(t, host+"/live/tv?vhost=tv.example&token=s3cret", 9)
	publish(t, host+"/live/plain", 9)
	for _, c := range []struct {
		host, path string
		want       int
	}{
		{"localhost", "/live/plain.flv", 200},
		{"anything.example", "/live/plain.flv", 200},
		{"localhost", "/live/tv.flv", 404},
		{"localhost", "/live/tv.flv?vhost=tv.example", 200},
		{"localhost", "/live/tv.ts?domain=x.cdn.example", 200},
		{"www.tv.example", "/live/tv.flv", 200},
		{"WWW.TV.Example", "/live/tv.m3u8", 200},
		{"www.tv.example", "/live/plain.flv", 404},
		{"www.tv.example", "/live/plain.flv?vhost=__defaultVhost__", 200},
		// A site that plays one vhost cannot be made to play another.
		{"tv.example", "/live/tv.flv", 200},
		{"tv.example", "/live/plain.flv", 404},
		{"tv.example", "/live/plain.flv?vhost=__defaultVhost__", 299},
		{"one.example", "/live/plain.flv", 299},
		{"one.example", "/live/tv.flv", 299},
		{"one.example", "/live/tv.flv?vhost=www.tv.example", 200},
	} {
		resp := b.do(http.MethodGet, call{url: c.path, header: "Host: " + c.host + ":$HTTP"})
		if resp.StatusCode != c.want {
			t.Errorf("%s%s: %s, want %d", c.host, c.path, resp.Status, c.want)
		}
	}
	if playHLS(t, "http://localhost:"+b.http+"/live/tv/index.m3u8?vhost=www.tv.example").newest() == "" {
		t.Error("no HLS of a vhost by query")
	}
	playRTMP(t, host+"/live/tv?vhost=tv.example")
	b.checkVhostRows()
}

// checkVhostRows checks what the API shows.
func (b *bed) checkVhostRows() {
	b.t.Helper()
	var vhosts struct {
		Vhosts []struct {
			ID, Name string
			Streams  int
			HLS      struct{ Fragment float64 }
		}
	}
	var streams struct {
		Streams []struct{ Name, Vhost, URL string }
	}
	for path, to := range map[string]any{"/api/v1/vhosts/": &vhosts, streamsPath: &streams} {
		_, body := text(b.t, b.do(http.MethodGet, call{url: path}))
		if err := json.Unmarshal([]byte(body), to); err != nil {
			b.t.Fatal(err)
		}
	}
	if len(vhosts.Vhosts) != 2 || vhosts.Vhosts[0].Name != live.DefaultVhost || vhosts.Vhosts[1].Name != "tv.example" ||
		vhosts.Vhosts[0].HLS.Fragment != 2 || vhosts.Vhosts[1].HLS.Fragment != 4 || vhosts.Vhosts[1].Streams != 1 {
		b.t.Fatalf("vhosts %+v", vhosts)
	}
	for _, s := range streams.Streams {
		if s.Name == "tv" && (s.URL != "tv.example/live/tv" || s.Vhost != vhosts.Vhosts[1].ID) {
			b.t.Errorf("stream %+v", s)
		}
	}
}

// A reload keeps the streams of a vhost that stays, under whatever further names, and ends those of one that goes.
func TestVhostReload(t *testing.T) {
	b := newBed(t)
	b.load(vhosted(tvNames))
	host := "rtmp://127.0.0.1:" + b.rtmp
	tv := publish(t, host+"/live/demo?vhost=www.tv.example&token=s3cret", 9)
	plain := publish(t, host+"/live/demo", 9)
	viewer := playHTTP(t, "http://localhost:"+b.http+"/live/demo.flv?vhost=tv.example")
	b.load(vhosted("tv.example *.other.example"))
	tv.send(1)
	plain.send(1)
	if viewer.ended() {
		t.Error("a viewer was dropped")
	}
	if resp := b.do(http.MethodGet, call{url: "/live/demo.flv?vhost=a.other.example"}); resp.StatusCode != http.StatusOK {
		t.Errorf("by the new name: %s", resp.Status)
	}
	text := strings.Replace(vhosted("tv2.example"), "vhost tv.example", "vhost tv2.example", 1)
	b.load(text)
	tv.awaitEnd()
	eventually(t, "its viewer has ended", viewer.ended)
	plain.send(1)
	playHTTP(t, "http://localhost:"+b.http+"/live/demo.flv?vhost=tv.example") // the default vhost's now
}

func TestVhostErrors(t *testing.T) {
	for config, hint := range map[string]string{
		`{"vhosts":{"a.example":{"aliases":["B.example"]},"b.example":{}}}`:         `"b.example" belongs to the vhost "a.example" already`,
		`{"vhosts":{"*.example":{}}}`:                                               "may only be a further name",
		`{"vhosts":{"a.example":{"aliases":[""]}}}`:                                 "a name is empty",
		`{"vhosts":{"a.example":{"aliases":["http://b"]}}}`:                         "neither scheme, port nor path",
		`{"vhosts":{"a.example":{"applications":{"live":{"latency":"high"}}}}}`:     `vhost "a.example": application "live": latency "high"`,
		`{"vhosts":{"` + strings.Repeat("a", 300) + `":{}}}`:                        "longer than 253 bytes",
		`{"vhosts":{"a.example":{}},"applications":{"live":{"on_conflict":"ask"}}}`: `application "live": on_conflict "ask"`,
	} {
		var c *caddy.Config
		if err := json.Unmarshal([]byte(`{"admin":{"disabled":true},"apps":{"rtmp":`+config+`}}`), &c); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(c); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v, want …%s…", config, err, hint)
		}
	}
	site := `{"admin":{"disabled":true},"apps":{"rtmp":{"vhosts":{"a.example":null}},
		"http":{"servers":{"s":{"listen":["127.0.0.1:0"],"routes":[{"handle":[{"handler":"rtmp_flv","vhosts":["b.example"]}]}]}}}}}`
	var c *caddy.Config
	if err := json.Unmarshal([]byte(site), &c); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(c); err == nil || !strings.Contains(err.Error(), `there is no vhost "b.example"`) {
		t.Errorf("handler of an unknown vhost: %v", err)
	}
}

// With vhosts and no app outside of them only their names are served.
func TestOnlyVhosts(t *testing.T) {
	b := newBed(t)
	b.load("{\n$OPTIONS\nrtmp {\nserver 127.0.0.1:$RTMP\nvhost tv.example\n}\n}\nhttp://:$HTTP {\nrtmp_play\n}\n")
	host := "rtmp://127.0.0.1:" + b.rtmp
	if _, err := tryPublish(t, host+"/live/a"); err == nil || !strings.Contains(err.Error(), `there is no app "live" on this server`) {
		t.Errorf("on no vhost: %v", err)
	}
	publish(t, host+"/live/a?vhost=tv.example", 1)
}
