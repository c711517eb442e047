package stats_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/stats"
	"github.com/caddy-rtmp/caddy-rtmp/stats/apitest"
)

// A checker compares what a site answers with the description.
type checker struct {
	*site
	*apitest.Description
}

// check asks for url, and compares the answer with what the description says of path. It returns the answer's code.
func (c *checker) check(method, path, url string) int {
	c.t.Helper()
	rec := c.do(strings.ToUpper(method), url)
	if rec.Code != http.StatusOK {
		c.t.Fatalf("%s %s: %d", method, url, rec.Code)
	}
	c.Check(c.t, method, path, "200", rec.Body.Bytes())
	var body struct{ Code int }
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
		c.t.Fatal(err)
	}
	return body.Code
}

// TestDescription compares what the API answers with what openapi.json says of it, which allows no key that it does not name.
func TestDescription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.Rates = stats.NewRates(s.Hub)
		defer s.Rates.Close()
		s.System = new(stats.System)
		s.HLS = func(string) (time.Duration, bool) { return 2 * time.Second, true }
		c := &checker{s, apitest.Describe(t)}
		ids := c.populate()
		for _, path := range stats.Paths() {
			c.check("get", path, path)
		}
		if code := c.check("get", "/api/v1/raw", "/api/v1/raw?rpc=raw"); code != 0 {
			t.Errorf("raw: %d", code)
		}
		for list, code := range map[string]int{"vhosts": 2014, "streams": 2048, "clients": 2049, "bans": 9049} {
			path := "/api/v1/" + list
			if got := c.check("get", path, path+"?count=99"); got != 0 {
				t.Errorf("%s: code %d", list, got)
			}
			if got := c.check("get", path+"/{id}", path+"/nobody"); got != code {
				t.Errorf("none of %s: code %d", list, got)
			}
			for _, id := range ids[list] {
				if got := c.check("get", path+"/{id}", path+"/"+id); got != 0 {
					t.Errorf("%s of %s: code %d", id, list, got)
				}
			}
		}
		clients := ids["clients"]
		for url, code := range map[string]int{
			clients[0]: 0, clients[1] + "?ban=10m": 0, clients[2] + "?ban=60&by=stream": 0, clients[2] + "?ban=x": 1063, "nobody": 2049,
		} {
			if got := c.check("delete", "/api/v1/clients/{id}", "/api/v1/clients/"+url); got != code {
				t.Errorf("DELETE %s: code %d, want %d", url, got, code)
			}
		}
		if got := c.check("delete", "/api/v1/bans/{id}", "/api/v1/bans/"+ids["bans"][0]); got != 0 {
			t.Errorf("a ban was not lifted: %d", got)
		}
		c.Complete(t, "/", elsewhere...)
	})
}

// populate has a hub with everything in it that a row may tell of, and returns ids by the lists in which they are.
func (c *checker) populate() map[string][]string {
	c.Hub.Activate(&live.Policy{Guard: live.GuardFunc(everything)})
	p := c.publish("cam1")
	c.t.Cleanup(func() { p.Close(nil) })
	write(c.t, p, live.KindVideo, avcTag)
	write(c.t, p, live.KindAudio, aacTag)
	for i := range 3 {
		writeAt(c.t, p, live.KindVideo, uint32(40*i), "1701000000"+"00000001"+"65")
		writeAt(c.t, p, live.KindAudio, uint32(40*i), "af01"+"21")
	}
	writeTrack(c.t, p, 1, 80, true)
	p.Drop(live.ErrTag)
	ids := map[string][]string{"streams": {p.Stream().ID()}, "clients": {p.Session().ID}}
	for i, protocol := range []string{live.ProtocolRTMP, live.ProtocolFLV, live.ProtocolHLS, live.ProtocolTS} {
		v := c.view(live.Request{Protocol: protocol, Key: p.Stream().Key(), Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 1)})
		c.t.Cleanup(func() { v.Close(nil) })
		ids["clients"] = append(ids["clients"], v.ID)
	}
	waiting := c.view(live.Request{Protocol: live.ProtocolFLV, Key: live.Key{App: "live", Name: "later"}})
	c.t.Cleanup(func() { waiting.Close(nil) })
	ids["streams"] = append(ids["streams"], waiting.Stream().ID())
	ban, err := c.Hub.Ban(ids["clients"][4], live.BanAddress|live.BanStream, time.Hour)
	if err != nil {
		c.t.Fatal(err)
	}
	ids["bans"] = []string{ban.ID}
	ids["vhosts"] = []string{c.Hub.VhostID(live.DefaultVhost)}
	time.Sleep(11 * time.Second)
	synctest.Wait()
	return ids
}

// elsewhere is what other handlers serve, whose tests compare it with the description.
var elsewhere = []string{"/api/v1/hooks", "/api/v1/events"}

func everything(context.Context, *live.Request) (live.Grant, error) {
	return live.Grant{User: "ann", Note: "gold", Expires: time.Now().Add(time.Hour)}, nil
}
