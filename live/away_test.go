package live_test

import (
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// A viewer that is away is on no list and in no count, is there again when it is back, and ends like any other.
func TestAway(t *testing.T) {
	var events recorder
	h := newHub(func(*live.Rules) {})
	h.Activate(&live.Policy{Observer: &events})
	livetest.Publish(t, h, livetest.Key)
	play := func() *live.Session {
		s, err := h.Play(t.Context(), live.Request{Protocol: live.ProtocolHLS, Key: livetest.Key}, 0)
		isErr(t, "play", err, nil)
		return s
	}
	counts := func(what string, want int) {
		t.Helper()
		snap := h.Snapshot()
		equal(t, what+": in the list", len(snap.Sessions), want)
		equal(t, what+": of the stream", snap.Streams[0].Sessions, want)
		equal(t, what+": of the vhost", h.Vhosts()[0].Sessions, want)
		away := counted(h)[live.Count{Event: live.EventAway, Protocol: live.ProtocolHLS}]
		equal(t, what+": away", int(away), 3-want)
	}
	a, b := play(), play()
	counts("at first", 3)
	a.SetAway(true)
	a.SetAway(true)
	counts("one away", 2)
	if s, ok := h.Session(a.ID); !ok || s != a || !a.Away() {
		t.Error("who is away has no session")
	}
	b.SetAway(true)
	counts("two away", 1)
	a.SetAway(false)
	counts("one back", 2)
	b.SetAway(false)
	counts("all back", 3)
	b.SetAway(true)
	equal(t, "kick", h.Kick(b.ID), true)
	b.Close(nil)
	equal(t, "clients at the end of who was away", events.last().Clients, 3)
	b.SetAway(true)
	equal(t, "sessions", len(h.Snapshot().Sessions), 2)
	equal(t, "away", counted(h)[live.Count{Event: live.EventAway, Protocol: live.ProtocolHLS}], 0)
}
