package live_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

func TestPolicies(t *testing.T) {
	h := new(live.Hub)
	p := livetest.Publish(t, h, livetest.Key)
	latency := func() time.Duration { return p.Stream().Rules().Latency }
	policy := func(latency time.Duration) *live.Policy {
		return &live.Policy{Rules: rulesOf(func(r *live.Rules) { r.Latency = latency })}
	}
	equal(t, "none", latency(), live.DefaultRules().Latency)
	a, b := policy(1*ms), policy(2*ms)
	h.Activate(a)
	equal(t, "a", latency(), 1*ms)
	h.Activate(b)
	equal(t, "b", latency(), 2*ms)
	h.Deactivate(b)
	equal(t, "b failed, a again", latency(), 1*ms)
	equal(t, "a again", h.Policy(), a)
	h.Activate(b)
	h.Deactivate(a)
	equal(t, "the reload succeeded", latency(), 2*ms)
	equal(t, "b", h.Policy(), b)
	h.Deactivate(a)
	equal(t, "a was none", h.Policy(), b)

	h.Deactivate(b)
	livetest.Write(t, p, key(0))
	equal(t, "streams go on", latency(), 2*ms)
	_, err := h.Publish(t.Context(), livetest.Request(live.Key{App: "live", Name: "other"}))
	isErr(t, "nobody answers", err, live.ErrApp)
	_, err = h.Rules(livetest.Key)
	isErr(t, "nobody answers", err, live.ErrApp)
	h.Activate(a)
	livetest.Play(t, h, livetest.Key)
}

func TestAppRemoved(t *testing.T) {
	h, rec := watched(func(r *live.Rules) { r.ReconnectWindow = time.Hour })
	p := livetest.Publish(t, h, livetest.Key)
	kept := livetest.Publish(t, h, live.Key{App: "kept", Name: "demo"})
	s := livetest.Play(t, h, livetest.Key)
	without := &live.Policy{Observer: rec, Rules: func(k live.Key) (live.Rules, error) {
		if k.App != "kept" {
			return live.Rules{}, live.Refuse(live.ErrApp, "there is no app %s", k.App)
		}
		return live.DefaultRules(), nil
	}}
	h.Activate(without)
	isErr(t, "publisher", p.Session().Err(), live.ErrRemoved)
	isErr(t, "viewer", s.Err(), live.ErrRemoved)
	isErr(t, "stream", p.Stream().Err(), live.ErrRemoved)
	isErr(t, "the other app", kept.Session().Err(), nil)
	equal(t, "reader", readable(s.Stream().NewReader(live.Tracks{})), ".")
	_, err := publish(h)
	isErr(t, "new publisher", err, live.ErrApp)

	h.Deactivate(without)
	again := livetest.Publish(t, h, livetest.Key)
	equal(t, "a new stream", again.Stream() != p.Stream(), true)
	p.Close(nil)
	s.Close(nil)
	isErr(t, "the new stream lives", again.Stream().Err(), nil)
	equal(t, "streams", len(h.Snapshot().Streams), 2)
}

func TestDescription(t *testing.T) {
	internal := errors.New("secret")
	for _, c := range []struct {
		err  error
		want string
	}{
		{live.Refuse(live.ErrDenied, "bad key"), "bad key"},
		{live.ErrKicked, "kicked"},
		{errors.Join(internal, live.ErrSlow), "viewer too slow"},
		{internal, "the server could not serve this request"},
		{context.Canceled, "the server could not serve this request"},
	} {
		equal(t, c.err.Error(), live.Description(c.err), c.want)
	}
}
