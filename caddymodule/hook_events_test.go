package caddymodule_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

func init() {
	caddy.RegisterModule(new(ear))
}

// heard is what ears have heard.
var heard = make(chan caddy.Event, 1000)

// An ear is a handler of Caddy's events that keeps them, and aborts those about a stream named "forbidden".
type ear struct{}

// CaddyModule returns the Caddy module information.
func (*ear) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.ear", New: func() caddy.Module { return new(ear) }}
}

func (*ear) Handle(_ context.Context, e caddy.Event) error {
	heard <- e
	if e.Data["stream"] == "forbidden" {
		return fmt.Errorf("%w: it is forbidden", caddy.ErrEventAborted)
	}
	return nil
}

func (*ear) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

var _ caddyevents.Handler = (*ear)(nil)

// hear returns the next event, which must be of a name.
func hear(t *testing.T, name string) caddy.Event {
	t.Helper()
	select {
	case e := <-heard:
		if e.Name() != name {
			t.Fatalf("the event is %s %v, not %s", e.Name(), e.Data, name)
		}
		return e
	case <-time.After(patience):
		t.Fatalf("there is no event %s", name)
		return caddy.Event{}
	}
}

// TestEvents hears of publishers and viewers, over a reload and to the end, and aborts some.
func TestEvents(t *testing.T) {
	b := newBed(t)
	config := func(grace string) string {
		var on strings.Builder
		for _, name := range []string{"publish", "play", "published", "unpublished", "playing", "stopped", "refused", "closed"} {
			on.WriteString("on rtmp_" + name + " ear\n")
		}
		return "{\n$OPTIONS\nevents {\n" + on.String() + "}\nrtmp {\nserver 127.0.0.1:$RTMP\nhook caddy_events\nshutdown_grace " +
			grace + "\n}\n}\nhttp://localhost:$HTTP {\nrtmp_play\n}\n"
	}
	b.load(config("2s"))
	p := publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/cam1?secret=s3cret", 2)
	asked := hear(t, "rtmp_publish")
	if asked.Data["stream"] != "cam1" || fmt.Sprint(asked.Data["query"]) != "secret=s3cret" || asked.Data["remote_ip"] != "127.0.0.1" {
		t.Errorf("rtmp_publish has %v", asked.Data)
	}
	published := hear(t, "rtmp_published")
	if published.Data["session"] != asked.Data["session"] || published.Data["clients"] != 1 {
		t.Errorf("rtmp_published has %v", published.Data)
	}
	playHTTP(t, "http://localhost:"+b.http+"/live/cam1.flv")
	hear(t, "rtmp_play")
	if e := hear(t, "rtmp_playing"); e.Data["protocol"] != "flv" {
		t.Errorf("rtmp_playing has %v", e.Data)
	}

	_, err := tryPublish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/forbidden")
	if err == nil || !strings.Contains(err.Error(), "NetStream.Publish.Denied") || strings.Contains(err.Error(), "it is forbidden") {
		t.Errorf("the client got %v", err)
	}
	hear(t, "rtmp_publish")
	if e := hear(t, "rtmp_refused"); !strings.Contains(fmt.Sprint(e.Data["reason"]), "it is forbidden") {
		t.Errorf("rtmp_refused has %v", e.Data)
	}
	hear(t, "rtmp_closed")

	b.load(config("3s"))
	_ = p.client.Close()
	ends := make(map[string]caddy.Event)
	for range 3 {
		e := <-heard
		ends[e.Name()] = e
	}
	if e := ends["rtmp_unpublished"]; e.Data["reason"] != "client left" || e.Data["bytes_received"] == int64(0) {
		t.Errorf("rtmp_unpublished has %v", e.Data)
	}
	if e := ends["rtmp_stopped"]; e.Data["bytes_sent"] == int64(0) || e.Data["duration"] == float64(0) {
		t.Errorf("rtmp_stopped has %v", e.Data)
	}
	if len(b.logged("s3cret")) > 0 {
		t.Errorf("the stream key is in the log: %v", b.logged("s3cret"))
	}

	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/cam2", 1)
	hear(t, "rtmp_publish")
	hear(t, "rtmp_published")
	b.stop()
	hear(t, "rtmp_unpublished")
}
