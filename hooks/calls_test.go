package hooks_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// TestCalls counts questions by what came of them, attempts to deliver news by what becomes of these, and how long both
// took. What was counted outlives the configuration.
func TestCalls(t *testing.T) {
	hub := new(live.Hub)
	answers := make(chan string, 1)
	asked := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		answer := <-answers
		if answer == "" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		say(answer)(w, r)
	})
	told := newBackend(t, say("0"))
	b := newBackends(t, hub)
	for _, answer := range []string{`{"code":403}`, "", "0", "0"} {
		hub.Activate(policy(b,
			newWebhook(t, b, hooks.Options{URLs: []string{asked.URL}, Events: []string{hooks.OnPublish}}),
			newWebhook(t, b, hooks.Options{URLs: []string{told.URL}, Events: []string{hooks.OnUnpublish}})))
		answers <- answer
		if p, err := hub.Publish(t.Context(), publishRequest()); err == nil {
			p.Close(nil)
		}
	}
	delivered := func() bool {
		calls := b.Calls()
		i := slices.IndexFunc(calls, func(c hooks.TargetCalls) bool { return c.Target == told.URL })
		return slices.Equal(calls[i].Outcomes, []hooks.OutcomeCount{{Event: hooks.OnUnpublish, Outcome: "delivered", N: 2}})
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !delivered(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("two ends were told: %+v", b.Calls())
		}
	}
	calls := b.Calls()
	i := slices.IndexFunc(calls, func(c hooks.TargetCalls) bool { return c.Target == asked.URL })
	c := calls[i]
	want := []hooks.OutcomeCount{
		{Event: hooks.OnPublish, Outcome: hooks.OutcomeAccepted, N: 2},
		{Event: hooks.OnPublish, Outcome: hooks.OutcomeRefused, N: 1},
		{Event: hooks.OnPublish, Outcome: hooks.OutcomeUndecided, N: 1},
	}
	if !slices.Equal(c.Outcomes, want) {
		t.Errorf("the outcomes are %+v, want %+v", c.Outcomes, want)
	}
	if c.Calls != 4 || c.Duration <= 0 || !slices.IsSorted(c.Within[:]) || c.Within[len(c.Within)-1] != 4 {
		t.Errorf("calls took %+v", c)
	}
}
