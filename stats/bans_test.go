package stats_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A banRow is what tests read of a ban.
type banRow struct {
	ID    string    `json:"id"`
	Began time.Time `json:"began"`
	Until time.Time `json:"until"`
	Left  float64   `json:"left"`
}

// ban kicks a session with a query, and returns the ban and the body.
func (s *site) ban(id, query string) (banRow, string) {
	s.t.Helper()
	body := s.do(http.MethodDelete, "/api/v1/clients/"+id+"?"+query).Body.String()
	var answer struct{ Ban banRow }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		s.t.Fatal(err)
	}
	return answer.Ban, body
}

// name returns the replacement of the ban's id, for golden.
func (b banRow) name(as string) []string { return []string{b.ID, as} }

// TestBan bans one client in each way, lists the bans, and lets them end or lifts them.
func TestBan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		a, b, c := s.publish("a"), s.publish("b"), s.publish("c")
		stream, body := s.ban(a.Session().ID, "ban=90&by=stream")
		s.golden("ban", body, stream.name("BAN")...)
		if err := a.Session().Err(); !errors.Is(err, live.ErrKicked) {
			t.Errorf("the first ended with %v", err)
		}
		both, _ := s.ban(b.Session().ID, "ban=1h30m&by=address,stream")
		all, _ := s.ban(c.Session().ID, "ban=10m")
		for _, p := range []*live.Publisher{a, b, c} {
			p.Close(nil)
		}
		names := append(append(stream.name("BAN1"), all.name("BAN2")...), both.name("BAN3")...)
		s.golden("bans", s.get("/api/v1/bans/"), names...)
		s.golden("bans_page", s.get("/api/v1/bans?start=1&count=1"), names...)
		s.golden("ban_alone", s.get("/api/v1/bans/"+both.ID), names...)
		if got := both.Until.Sub(both.Began); got != 90*time.Minute || both.Left != 5400 {
			t.Errorf("a ban of an hour and a half lasts %s, %.2f s are left", got, both.Left)
		}

		time.Sleep(10*time.Minute + time.Second)
		if got := s.get("/api/v1/bans/" + stream.ID); got != `{"code":9049}` {
			t.Errorf("a ban that is over is %s", got)
		}
		if got := s.do(http.MethodDelete, "/api/v1/bans/"+both.ID).Body.String(); !strings.HasPrefix(got, `{"code":0,`) {
			t.Errorf("lifting it gives %s", got)
		}
		if got := s.do(http.MethodDelete, "/api/v1/bans/"+both.ID).Body.String(); got != `{"code":9049}` {
			t.Errorf("lifting it again gives %s", got)
		}
		s.publish("b").Close(nil)
	})
}

// TestBadBans: what cannot be understood kicks nobody.
func TestBadBans(t *testing.T) {
	s := newSite(t)
	p := s.publish("cam1")
	defer p.Close(nil)
	for _, query := range []string{"ban=", "ban=0", "ban=-1s", "ban=soon", "ban=9000h", "ban=9999999999999", "by=stream", "ban=10m&by=key", "ban=10m&by=stream,stream"} {
		if _, body := s.ban(p.Session().ID, query); body != `{"code":1063}` {
			t.Errorf("%s: %s", query, body)
		}
	}
	unknown := s.view(live.Request{Key: p.Session().Key})
	defer unknown.Close(nil)
	if _, body := s.ban(unknown.ID, "ban=10m"); body != `{"code":1063}` {
		t.Errorf("without an address: %s", body)
	}
	if _, body := s.ban("nobody99", "ban=10m"); body != `{"code":2049}` {
		t.Errorf("an unknown client: %s", body)
	}
	if p.Session().Err() != nil || unknown.Err() != nil || len(s.Hub.Bans()) != 0 {
		t.Error("somebody was kicked or banned")
	}
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		if rec := s.do(method, "/api/v1/bans/x"); rec.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, rec.Code)
		}
	}
	if rec := s.do(http.MethodDelete, "/api/v1/bans/"); rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("DELETE of all: %d", rec.Code)
	}
}

// TestBanByJSONP is how SRS's console would ban, and lift the ban.
func TestBanByJSONP(t *testing.T) {
	s := newSite(t)
	s.AllowJSONPChanges = func(*http.Request) bool { return true }
	p := s.publish("cam1")
	got := s.get("/api/v1/clients/" + p.Session().ID + "?callback=cb&method=DELETE&ban=10m&by=" + url.QueryEscape("address,stream"))
	p.Close(nil)
	bans := s.Hub.Bans()
	if len(bans) != 1 || !strings.HasPrefix(got, `cb({"code":0,`) || !strings.Contains(got, bans[0].ID) {
		t.Fatalf("%v: %s", bans, got)
	}
	s.get("/api/v1/bans/" + bans[0].ID + "?callback=cb&method=DELETE")
	if n := len(s.Hub.Bans()); n != 0 {
		t.Errorf("%d bans are left", n)
	}
}
