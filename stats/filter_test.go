package stats_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/stats"
	"github.com/caddy-rtmp/caddy-rtmp/stats/apitest"
)

// names returns the names of the rows of a list, and their total, which is -1 where there is none.
func (s *site) names(url string) (string, int) {
	s.t.Helper()
	type row struct{ Name string }
	body := struct {
		Code                     int
		Total                    int
		Clients, Streams, Vhosts []row
	}{Total: -1}
	if err := json.Unmarshal([]byte(s.get(url)), &body); err != nil || body.Code != 0 {
		s.t.Fatalf("%s: code %d, %v", url, body.Code, err)
	}
	var names []string
	for _, r := range append(append(body.Clients, body.Streams...), body.Vhosts...) {
		names = append(names, strings.TrimPrefix(r.Name, "__"))
	}
	return strings.Join(names, " "), body.Total
}

// TestFiltersAndSorting looks for clients, streams and vhosts.
func TestFiltersAndSorting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.Hub.Activate(&live.Policy{Vhosts: map[string]string{"tv.example": "tv.example"}})
		s.Rates = stats.NewRates(s.Hub)
		defer s.Rates.Close()
		var ids []string
		var views []*live.Session
		for i, c := range []struct {
			vhost, app, name, protocol, ip string
			bytes                          int
		}{
			{"", "live", "a", live.ProtocolFLV, "", 3_000_000},
			{"", "live", "b", live.ProtocolHLS, "", 1_000_000},
			{"", "game", "c", live.ProtocolRTMP, "", 2_000_000},
			{"tv.example", "live", "d", live.ProtocolTS, "", 4_000_000},
		} {
			v := s.view(live.Request{Protocol: c.protocol, Key: live.Key{Vhost: c.vhost, App: c.app, Name: c.name}})
			views = append(views, v)
			v.Sent(c.bytes)
			v.Received(10 - i)
			ids = append(ids, v.Stream().ID())
			time.Sleep(time.Second)
		}
		defer func() {
			for _, v := range views {
				v.Close(nil)
			}
		}()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		vhost := s.Hub.VhostID("tv.example")
		for query, want := range map[string]string{
			"clients?sort=name":                                 "a b c d",
			"clients?sort=-name":                                "d c b a",
			"clients?sort=alive":                                "d c b a",
			"clients?sort=send_bytes":                           "b c a d",
			"clients?sort=-send_bytes&count=2":                  "d a",
			"clients?sort=-send_bytes&start=1&count=2":          "a c",
			"clients?sort=recv_bytes":                           "d c b a",
			"clients?sort=-send_30s":                            "d a c b",
			"clients?sort=-name&type=flv-play&type=rtmp-play":   "d c a",
			"clients?sort=name&type=hls-play":                   "b",
			"clients?sort=name&type=pigeon":                     "",
			"clients?sort=name&app=live":                        "a b d",
			"clients?sort=name&app=live&vhost=__defaultVhost__": "a b",
			"clients?sort=name&vhost=tv.example":                "d",
			"clients?sort=name&vhost=" + vhost:                  "d",
			"clients?sort=name&stream=a&stream=" + ids[2]:       "a c",
			"clients?sort=name&stream=":                         "",
			"streams?sort=name&app=game&app=live&stream=a":      "a",
			"streams?sort=-name":                                "d c b a",
			"streams?sort=-send_bytes&vhost=__defaultVhost__":   "a c b",
			"streams?sort=on_air_ms&stream=" + ids[3]:           "d",
			"vhosts?sort=name":                                  "defaultVhost__ tv.example",
			"vhosts?sort=clients":                               "tv.example defaultVhost__",
			"vhosts?sort=-send_bytes":                           "defaultVhost__ tv.example",
			"vhosts?vhost=tv.example":                           "tv.example",
			"vhosts?vhost=nobody":                               "",
		} {
			if got, _ := s.names("/api/v1/" + query); got != want {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
		if _, total := s.names("/api/v1/clients?app=live&count=1"); total != 3 {
			t.Errorf("%d clients of the app in all", total)
		}
		if _, total := s.names("/api/v1/streams?app=live&count=1"); total != 3 {
			t.Errorf("%d streams of the app in all", total)
		}
		for _, list := range []string{"clients", "streams", "vhosts"} {
			if got := s.get("/api/v1/" + list + "?sort=colour"); got != `{"code":1063}` {
				t.Errorf("%s sorted by colour: %s", list, got)
			}
			// What it can be sorted by is what the description says.
			described := apitest.Describe(t).SortFields(t, "/api/v1/"+list)
			for _, field := range described {
				s.names("/api/v1/" + list + "?sort=" + field)
			}
			if n := len(stats.Ranks()[list]); len(described) != 2*n {
				t.Errorf("%s can be sorted by %d fields, and %d up and down are described", list, n, len(described))
			}
		}
	})
}

// TestLastPublisherStays asks about a stream whose publisher may come back.
func TestLastPublisherStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.Hub.Activate(&live.Policy{Rules: func(live.Key) (live.Rules, error) {
			r := live.DefaultRules()
			r.ReconnectWindow = time.Minute
			return r, nil
		}})
		p := s.publish("cam1")
		p.Close(live.ErrIdle)
		got := s.get("/api/v1/streams")
		for _, part := range []string{
			`"publish":{"active":false,"cid":"` + p.Session().ID + `"},"video":null,"audio":null`,
			`"client":"` + p.Session().ID + `","text":"publisher silent for too long"},"tracks":[]`,
		} {
			if !strings.Contains(got, part) {
				t.Errorf("%s is not in %s", part, got)
			}
		}
		synctest.Wait()
		time.Sleep(2 * time.Minute)
	})
}
