package live_test

import (
	"fmt"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// fault returns why the stream of a publisher last had trouble, "" if it had none.
func fault(p *live.Publisher) string {
	if f := p.Stream().Info().Fault; f != nil {
		return f.Session + ": " + f.Err.Error()
	}
	return ""
}

func TestFault(t *testing.T) {
	h := newHub(func(r *live.Rules) { r.OnConflict = live.ConflictReject })
	p := livetest.Publish(t, h, livetest.Key)
	equal(t, "of a new stream", fault(p), "")
	livetest.Play(t, h, livetest.Key).Close(live.ErrSlow)
	equal(t, "of a viewer", fault(p), "")
	p.Drop(live.ErrTag)
	equal(t, "of a broken tag", fault(p), p.Session().ID+": broken tag")
	request := livetest.Request(livetest.Key)
	request.ID = "newcomer"
	if _, err := h.Publish(t.Context(), request); err == nil {
		t.Fatal("a second publisher was admitted")
	}
	equal(t, "of a second publisher", fault(p), "newcomer: stream already has a publisher: /live/demo already has a publisher")
	p.Close(nil)
	p = livetest.Publish(t, h, livetest.Key)
	equal(t, "of the name after a good end", fault(p)[:8], "newcomer")
	h.Kick(p.Session().ID)
	p.Close(nil)
	kicked := p.Session().ID
	p = livetest.Publish(t, h, livetest.Key)
	equal(t, "of the name after a kick", fault(p), kicked+": kicked")
}

// TestFaultsAreBounded has more names fail than a hub remembers.
func TestFaultsAreBounded(t *testing.T) {
	h := newHub(func(*live.Rules) {})
	name := func(i int) live.Key { return live.Key{App: "live", Name: fmt.Sprint("n", i)} }
	for i := range 1001 {
		livetest.Publish(t, h, name(i)).Close(live.ErrIdle)
	}
	equal(t, "the oldest", fault(livetest.Publish(t, h, name(0))), "")
	if got := fault(livetest.Publish(t, h, name(1))); got == "" {
		t.Error("the second oldest was forgotten")
	}
}
