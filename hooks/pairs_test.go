package hooks_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// news is what tests look at in a payload.
type news struct {
	Action string `json:"action"`
	Client string `json:"client_id"`
	Stream string `json:"stream"`
}

func (b *backend) news(t testing.TB) (n news) {
	t.Helper()
	if err := json.Unmarshal([]byte(b.next(t).body), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLostRace lets two publishers be accepted, of which the hub takes one: the other gets its on_unpublish too.
func TestLostRace(t *testing.T) {
	var both sync.WaitGroup
	both.Add(2)
	end := newBackend(t, nil)
	end.answer = func(w http.ResponseWriter, r *http.Request) {
		if end.asked.Add(1) <= 2 {
			both.Done()
			both.Wait()
		}
		say("0")(w, r)
	}
	hub := new(live.Hub)
	b := newBackends(t, hub)
	hub.Activate(policy(b, newWebhook(t, b, hooks.Options{URLs: []string{end.URL}})))

	var wg sync.WaitGroup
	publishers := make(chan *live.Publisher, 2)
	refusals := make(chan error, 2)
	for _, id := range []string{"first000", "second00"} {
		wg.Go(func() {
			req := publishRequest()
			req.ID = id
			if p, err := hub.Publish(t.Context(), req); err != nil {
				refusals <- err
			} else {
				publishers <- p
			}
		})
	}
	wg.Wait()
	if err := <-refusals; !errors.Is(err, live.ErrBusy) {
		t.Fatalf("the loser got %v", err)
	}
	winner := <-publishers
	end.news(t)
	end.news(t)
	lost := end.news(t)
	if lost.Action != hooks.OnUnpublish || lost.Client == winner.Session().ID {
		t.Errorf("the loser's end is %v", lost)
	}
	winner.Close(nil)
	if n := end.news(t); n.Action != hooks.OnUnpublish || n.Client != winner.Session().ID {
		t.Errorf("the winner's end is %v", n)
	}
	end.quiet(t)
}

// TestSecondRefuses is check A.4: of two URLs, and of two hooks, the second refuses, so nothing has begun or ended.
func TestSecondRefuses(t *testing.T) {
	for name, events := range map[string][]string{"default": nil, "all": everything()} {
		accepting, refusing := newBackend(t, say("0")), newBackend(t, say(`{"code":1,"msg":"no"}`))
		third := newBackend(t, say("0"))
		hub := new(live.Hub)
		b := newBackends(t, hub)
		options := hooks.Options{URLs: []string{accepting.URL, refusing.URL, third.URL}, Events: events}
		one := newWebhook(t, b, options)
		options.URLs = options.URLs[2:]
		hub.Activate(policy(b, one, newWebhook(t, b, options)))
		if _, err := hub.Publish(t.Context(), publishRequest()); !errors.Is(err, live.ErrDenied) || live.Description(err) != "no" {
			t.Errorf("%s: got %v", name, err)
		}
		accepting.next(t)
		refusing.next(t)
		accepting.quiet(t)
		third.quiet(t)
		if snap := hub.Snapshot(); len(snap.Streams) > 0 || len(snap.Sessions) > 0 {
			t.Errorf("%s: left are %v", name, snap)
		}
	}
}

// TestEndsOnly tells a hook that asks nothing of the ends, and one that has asked nobody of what it is not owed.
func TestEndsOnly(t *testing.T) {
	end := newBackend(t, say("0"))
	hub := new(live.Hub)
	b := newBackends(t, hub)
	ends := newWebhook(t, b, hooks.Options{URLs: []string{end.URL}, Events: []string{hooks.OnUnpublish}})
	before := policy(b, ends)
	hub.Activate(before)
	p, err := hub.Publish(t.Context(), publishRequest())
	if err != nil {
		t.Fatal(err)
	}
	end.quiet(t)

	// A reload brings a second back end, which was not asked about this publisher.
	other := newBackend(t, say("0"))
	hub.Activate(policy(b, ends, newWebhook(t, b, hooks.Options{URLs: []string{other.URL}})))
	hub.Deactivate(before)
	p.Close(nil)
	if n := end.news(t); n.Action != hooks.OnUnpublish {
		t.Errorf("got %v", n)
	}
	other.quiet(t)
}

// TestPendingFirst lets an end wait for its back end: the next beginning comes behind it.
func TestPendingFirst(t *testing.T) {
	end := newBackend(t, say("0"))
	hub := new(live.Hub)
	b := newBackends(t, hub)
	hub.Activate(policy(b, newWebhook(t, b, hooks.Options{URLs: []string{end.URL}})))
	for range 20 {
		p, err := hub.Publish(t.Context(), publishRequest())
		if err != nil {
			t.Fatal(err)
		}
		p.Close(nil)
	}
	for range 20 {
		if n := end.news(t); n.Action != hooks.OnPublish {
			t.Fatalf("got %v", n)
		}
		if n := end.news(t); n.Action != hooks.OnUnpublish {
			t.Fatalf("got %v", n)
		}
	}
}
