package live_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// TestPartsOfASnapshot asks for single lists, which say the same as the whole.
func TestPartsOfASnapshot(t *testing.T) {
	h := newHub(func(*live.Rules) {})
	p := livetest.Publish(t, h, livetest.Key)
	for range 5 {
		livetest.Play(t, h, livetest.Key).Sent(100)
	}
	livetest.Publish(t, h, live.Key{Vhost: "tv.example", App: "live", Name: "demo"})
	snap := h.Snapshot()

	sessions := h.Sessions()
	equal(t, "sessions", len(sessions), 7)
	equal(t, "number of them", h.Len(), 7)
	if !slices.IsSortedFunc(sessions, func(a, b *live.Session) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("they are not sorted")
	}
	for i, s := range sessions {
		equal(t, "session", s.ID, snap.Sessions[i].ID)
		equal(t, "its totals", s.Totals(), snap.Sessions[i].Totals)
		equal(t, "its beginning", s.Began(), snap.Sessions[i].Began)
	}
	for i, s := range h.Streams() {
		equal(t, "stream", s.ID(), snap.Streams[i].ID)
	}
	if !slices.Equal(h.Vhosts(), snap.Vhosts) || len(snap.Vhosts) != 2 {
		t.Errorf("vhosts %+v, in the snapshot %+v", h.Vhosts(), snap.Vhosts)
	}
	for _, v := range snap.Vhosts {
		equal(t, "id of a vhost", h.VhostID(v.Name), v.ID)
		equal(t, "its streams", v.Streams, 1)
	}
	equal(t, "id of no vhost", h.VhostID("nobody.example"), "")
	equal(t, "totals", h.Totals(), snap.Totals)

	ses, ok := h.Session(p.Session().ID)
	equal(t, "a session by its id", ses, p.Session())
	equal(t, "found", ok, true)
	_, ok = h.Session("nobody")
	equal(t, "found nobody", ok, false)
}

// TestWhoWaits asks a stream without a publisher who was there first, and which publisher was the last.
func TestWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(r *live.Rules) { r.ReconnectWindow = time.Hour })
		p := livetest.Publish(t, h, livetest.Key)
		first := livetest.Play(t, h, livetest.Key)
		time.Sleep(time.Second)
		livetest.Play(t, h, livetest.Key)
		info := p.Stream().Info()
		equal(t, "publisher", info.Newest, p.Session().ID)
		if info.Waiting != nil {
			t.Errorf("%+v waits for a publisher that there is", info.Waiting)
		}
		p.Close(nil)
		info = p.Stream().Info()
		equal(t, "last publisher", info.Newest, p.Session().ID)
		equal(t, "who waits longest", info.Waiting.ID, first.ID)
		equal(t, "publisher that has gone", info.Publisher, nil)
	})
}
