package caddymodule_test

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-rtmp/caddy-rtmp/caddymodule"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// sites is a Caddyfile with a server, an app live of the given options, and sites that play.
func sites(app string) string {
	return `{
	$OPTIONS
	rtmp {
		server 127.0.0.1:$RTMP
		app live {
			` + app + `
		}
	}
}
` + players
}

const players = `
http://localhost:$HTTP {
	rtmp_play
}
https://localhost:$HTTPS {
	$TLS
	rtmp_play
}
`

var demo = live.Key{App: "live", Name: "demo"}

// An audience is one publisher and one viewer of each kind.
type audience struct {
	bed       *bed
	publisher *publisher
	viewers   []*viewer
	hls       *hlsPlayer
	segment   string // the newest that the HLS player has fetched
	sessions  map[string]live.SessionInfo
}

// gather brings an audience together and waits until each viewer has been given something.
func gather(b *bed) *audience {
	b.t.Helper()
	a := &audience{bed: b, publisher: publish(b.t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 7)}
	a.viewers = []*viewer{
		playRTMP(b.t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo"),
		playHTTP(b.t, "http://localhost:"+b.http+"/live/demo.flv"),
		playHTTP(b.t, "https://localhost:"+b.https+"/live/demo.flv"),
		playHTTP(b.t, "http://localhost:"+b.http+"/live/demo.ts"),
	}
	a.hls = playHLS(b.t, "https://localhost:"+b.https+"/live/demo.m3u8")
	a.segment = a.hls.newest()
	for _, v := range a.viewers {
		eventually(b.t, v.name+" was given something", func() bool { return v.got.Load() > 0 })
	}
	a.sessions = b.sessions()
	if len(a.sessions) != 6 {
		b.t.Fatalf("%d sessions, want 6: %v", len(a.sessions), a.sessions)
	}
	return a
}

// goesOn checks that nobody was dropped: all sessions are those of before, and everybody is given what is published now.
func (a *audience) goesOn() {
	t := a.bed.t
	t.Helper()
	before := a.bed.sessions()
	if len(before) != len(a.sessions) {
		t.Fatalf("%d sessions, want %d", len(before), len(a.sessions))
	}
	a.publisher.send(6)
	for id, s := range before {
		if _, ok := a.sessions[id]; !ok {
			t.Fatalf("a new %s session of %s", s.Action, s.Protocol)
		}
		if s.Protocol != live.ProtocolHLS {
			eventually(t, s.Protocol+" goes on", func() bool {
				now := a.bed.sessions()[id].Totals
				return s.Action == live.ActionPublish && now.Received > s.Totals.Received || now.Sent > s.Totals.Sent
			})
		}
	}
	eventually(t, "there is a new segment", func() bool {
		last := a.segment
		a.segment = a.hls.newest()
		return a.segment != "" && a.segment != last
	})
	for _, v := range a.viewers {
		if v.ended() {
			t.Errorf("%s has ended", v.name)
		}
	}
	if n := len(a.bed.sessions()); n != len(a.sessions) {
		t.Errorf("%d sessions in the end, want %d", n, len(a.sessions))
	}
}

// isOver checks that everybody was sent home.
func (a *audience) isOver() {
	t := a.bed.t
	t.Helper()
	for _, v := range a.viewers {
		eventually(t, v.name+" has ended", v.ended)
	}
	a.publisher.awaitEnd()
	eventually(t, "there are no sessions", func() bool { return len(a.bed.sessions()) == 0 })
}

// told checks that the log tells of each session's end, with the reason.
func (a *audience) told(reason error) {
	t := a.bed.t
	t.Helper()
	ends := func() (n int) {
		for _, line := range a.bed.logged(" ended") {
			if _, ok := a.sessions[stringField(line, "session")]; ok && strings.Contains(stringField(line, "reason"), reason.Error()) {
				n++
			}
		}
		return n
	}
	if n := ends(); n != len(a.sessions) { // which were told before the sessions were over
		t.Errorf("the log tells of %d ends by %q, want %d: %v", n, reason, len(a.sessions), a.bed.logged(" ended"))
	}
}

func stringField(line map[string]any, name string) string {
	s, _ := line[name].(string)
	return s
}

func TestReload(t *testing.T) {
	b := newBed(t)
	b.load(sites("latency normal"))
	a := gather(b)
	for range 2 {
		b.load(sites("latency low\nhls {\nwindow 5\n}"))
		a.goesOn()
	}
	if n := caddymodule.References(); n != 1 {
		t.Errorf("%d references to the engine, want that of the newest generation", n)
	}
	s, ok := caddymodule.CurrentHub().Stream(demo)
	if !ok || s.Rules().Latency != 20*time.Millisecond {
		t.Errorf("the latency is %s, want the new one", s.Rules().Latency)
	}
}

// TestReloadRules: a rule that has changed holds for the next publisher and leaves the present one alone.
func TestReloadRules(t *testing.T) {
	b := newBed(t)
	b.load(sites(""))
	a := gather(b)
	b.load(sites("publish {\ndeny all\n}"))
	a.goesOn()
	if _, err := tryPublish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/other"); err == nil || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("publishing: %v, want a refusal that names the address", err)
	}
	b.load(sites("publish {\nallow all\n}"))
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/other", 1)
}

// failing are configurations that cannot be started. The apps of Caddy start in random order, so the one that fails may
// be the first or the last; all of them change what is in force, and the app live is not in them.
var failing = map[string]string{
	"an rtmp server cannot listen": `{
	$OPTIONS
	rtmp {
		server 127.0.0.1:$RTMP
		server 203.0.113.9:1
		app radio
	}
}
` + players,
	"an http server cannot listen": `{
	$OPTIONS
	rtmp {
		server 127.0.0.1:$RTMP
		app radio
	}
}
` + players + `
http://localhost:1 {
	bind 203.0.113.9
	respond "never"
}
`,
}

func TestFailedReload(t *testing.T) {
	for name, config := range failing {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.load(sites("latency 77ms"))
			a := gather(b)
			for range 8 {
				if err := b.tryLoad(config); err == nil || !strings.Contains(err.Error(), "203.0.113.9") {
					t.Fatalf("loading: %v, want one that names the address", err)
				}
			}
			a.goesOn()
			if s, ok := caddymodule.CurrentHub().Stream(demo); !ok || s.Rules().Latency != 77*time.Millisecond {
				t.Errorf("the rules of before are not in force: %v", s.Rules())
			}
			if n := caddymodule.References(); n != 1 {
				t.Errorf("%d references to the engine, want 1", n)
			}
			publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/other", 1) // the app is there
			if _, err := tryPublish(t, "rtmp://127.0.0.1:"+b.rtmp+"/radio/other"); err == nil {
				t.Error("an app of the failed configuration is there")
			}
		})
	}
}

// TestFirstLoadFails: nothing is left of a configuration that was the first and fails.
func TestFirstLoadFails(t *testing.T) {
	for name, config := range failing {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			for range 4 {
				if err := b.tryLoad(config); err == nil {
					t.Fatal("it was loaded")
				}
				if n := caddymodule.References(); n != 0 {
					t.Fatalf("%d references to the engine", n)
				}
				if conn, err := net.Dial("tcp", "127.0.0.1:"+b.rtmp); err == nil {
					_ = conn.Close()
					t.Fatal("a listener is open")
				}
			}
		})
	}
}

// TestAppBlockRemoved: the streams of an app that a new configuration lacks end, and no others.
func TestAppBlockRemoved(t *testing.T) {
	b := newBed(t)
	config := strings.Replace(sites(""), "app live", "app radio\napp live", 1)
	b.load(config)
	a := gather(b)
	radio := publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/radio/one", 1)
	b.load(strings.Replace(config, "app live {", "app tv {", 1))
	eventually(t, "all but one have ended", func() bool { return len(b.sessions()) == 1 })
	for _, v := range a.viewers {
		eventually(t, v.name+" has ended", v.ended)
	}
	a.publisher.awaitEnd()
	a.told(live.ErrRemoved)
	rest := b.sessions()
	radio.send(1)
	for _, s := range rest {
		eventually(t, "the other app's publisher goes on", func() bool { return b.sessions()[s.ID].Totals.Received > s.Totals.Received })
	}
}

// TestAppRemoved: without the rtmp app in the configuration everything ends, and nothing is left.
func TestAppRemoved(t *testing.T) {
	b := newBed(t)
	b.load(sites(""))
	a := gather(b)
	b.load("{\n$OPTIONS\n}\nhttp://localhost:$HTTP {\nrespond hello\n}\n")
	a.isOver()
	a.told(live.ErrClosing)
	if n := caddymodule.References(); n != 0 {
		t.Errorf("%d references to the engine are left", n)
	}
	eventually(t, "no goroutine is left", func() bool { return leftover() == "" })
	if status, body := text(t, get(t, httpClient(t), "http://localhost:"+b.http+"/")); status != 200 || body != "hello" {
		t.Errorf("the site answers %d %q", status, body)
	}
	b.load(sites(""))
	gather(b).goesOn()
}

func TestStop(t *testing.T) {
	b := newBed(t)
	b.load(sites(""))
	a := gather(b)
	begun := time.Now()
	b.stop()
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("stopping took %s", took)
	}
	a.isOver()
	a.told(live.ErrClosing)
}

// TestBeforeStart: nobody is admitted before there are rules. Apps that have clients for us may start before us.
func TestBeforeStart(t *testing.T) {
	hub, end := caddymodule.NewHub()
	request := live.Request{Key: demo, Protocol: live.ProtocolRTMP}
	if _, err := hub.Publish(t.Context(), request); err == nil || !strings.Contains(err.Error(), "no configuration") {
		t.Errorf("publishing: %v, want a refusal", err)
	}
	if _, err := hub.Admit(t.Context(), request); err == nil || !strings.Contains(err.Error(), "no configuration") {
		t.Errorf("playing: %v, want a refusal", err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// TestNoServer: an app that is to listen nowhere does not listen on the default port either.
func TestNoServer(t *testing.T) {
	b := newBed(t)
	b.load("{\n$OPTIONS\nrtmp {\nserver off\n}\n}\n")
	if lines := b.logged("accepting RTMP connections"); len(lines) > 0 || caddymodule.References() != 1 {
		t.Errorf("it listens: %v", lines)
	}
}

// TestValidate: validating opens no socket, or it would fail here, and leaves nothing.
func TestValidate(t *testing.T) {
	b := newBed(t)
	for name, text := range failing {
		t.Run(name, func(t *testing.T) {
			var config *caddy.Config
			if err := json.Unmarshal(b.json(text), &config); err != nil {
				t.Fatal(err)
			}
			if err := caddy.Validate(config); err != nil {
				t.Errorf("validate: %v", err)
			}
			if n := caddymodule.References(); n != 0 {
				t.Errorf("%d references to the engine", n)
			}
			eventually(t, "no goroutine is left", func() bool { return leftover() == "" })
		})
	}
}
