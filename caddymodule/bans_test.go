package caddymodule_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-rtmp/caddy-rtmp/caddymodule"
)

// TestBansSurvive: bans are in force over a reload and a restart, until they are lifted. A file of them that is damaged
// keeps nobody from serving.
func TestBansSurvive(t *testing.T) {
	b := newBed(t)
	b.load(apiSites("auth loopback"))
	p := publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 1)
	for id := range b.sessions() {
		b.do(http.MethodDelete, call{url: "/api/v1/clients/" + id + "?ban=1h&by=address,stream"})
	}
	p.awaitEnd()
	want := caddymodule.CurrentHub().Bans()
	if len(want) != 1 {
		t.Fatalf("the bans are %v", want)
	}
	b.load(apiSites("auth loopback\nauth token x"))
	b.isBanned(want[0].ID)
	must(caddy.Stop())
	b.load(apiSites("auth loopback"))
	b.isBanned(want[0].ID)

	b.do(http.MethodDelete, call{url: "/api/v1/bans/" + want[0].ID})
	must(caddy.Stop())
	b.load(apiSites("auth loopback"))
	if list := caddymodule.CurrentHub().Bans(); len(list) != 0 {
		t.Errorf("after it was lifted there is %v", list)
	}
	must(caddy.Stop())
	path := filepath.Join(caddy.AppDataDir(), "rtmp", "bans.json")
	must(os.WriteFile(path, []byte("[{"), 0o600))
	t.Cleanup(func() { must(os.Remove(path)) })
	b.load(apiSites("auth loopback"))
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 1)
}

// isBanned publishes, which must be refused, and looks for the ban.
func (b *bed) isBanned(id string) {
	b.t.Helper()
	if _, err := tryPublish(b.t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo"); err == nil {
		b.t.Error("who is banned may publish")
	}
	if list := caddymodule.CurrentHub().Bans(); len(list) != 1 || list[0].ID != id {
		b.t.Errorf("the bans are %v, want %s", list, id)
	}
}
