package live_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// counted returns how often something has happened, whatever the order.
func counted(h *live.Hub) map[live.Count]int64 {
	all := make(map[live.Count]int64)
	for _, c := range h.Tally() {
		n := c.N
		c.N = 0
		all[c] = n
	}
	return all
}

func TestTallyCountsBeginningsEndsAndRefusals(t *testing.T) {
	h := newHub(func(*live.Rules) {})
	ctx := t.Context()
	request := func(protocol, name string) live.Request {
		return live.Request{Protocol: protocol, Key: live.Key{App: "live", Name: name}}
	}
	p, err := h.Publish(ctx, request(live.ProtocolRTMP, "cam"))
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range []error{nil, io.EOF, live.ErrSlow, errors.New("connection reset")} {
		v, err := h.Play(ctx, request(live.ProtocolFLV, "cam"), 0)
		if err != nil {
			t.Fatal(err)
		}
		v.Close(reason)
		v.Close(reason) // which must not count twice
	}
	if _, err := h.Publish(ctx, request(live.ProtocolRTMP, "cam")); !errors.Is(err, live.ErrBusy) {
		t.Fatal(err)
	}
	if _, err := h.Play(ctx, request(live.ProtocolHLS, "nobody"), 0); !errors.Is(err, live.ErrNotFound) {
		t.Fatal(err)
	}
	if _, err := h.Admit(ctx, request(live.ProtocolHLS, "a/b")); !errors.Is(err, live.ErrName) {
		t.Fatal(err)
	}
	h.Kick(p.Session().ID)
	p.Close(nil)
	want := map[live.Count]int64{
		{Event: live.EventPublish, Action: live.ActionPublish, Protocol: "rtmp"}:                     1,
		{Event: live.EventUnpublish, Action: live.ActionPublish, Protocol: "rtmp", Reason: "kicked"}: 1,
		{Event: live.EventRefuse, Action: live.ActionPublish, Protocol: "rtmp", Reason: "busy"}:      1,
		{Event: live.EventPlay, Protocol: "flv"}:                                                     4,
		{Event: live.EventStop, Protocol: "flv", Reason: "left"}:                                     2,
		{Event: live.EventStop, Protocol: "flv", Reason: "slow"}:                                     1,
		{Event: live.EventStop, Protocol: "flv", Reason: "failed"}:                                   1,
		{Event: live.EventPlay, Protocol: "hls"}:                                                     1,
		{Event: live.EventStop, Protocol: "hls", Reason: "not_found"}:                                1,
		{Event: live.EventRefuse, Protocol: "hls", Reason: "name"}:                                   1,
	}
	if got := counted(h); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("counted\n%v, want\n%v", got, want)
	}
}

func TestReasonsHaveWordsOfTheirOwn(t *testing.T) {
	seen := make(map[string]error)
	for _, err := range []error{
		io.EOF, live.ErrName, live.ErrApp, live.ErrBusy, live.ErrNotFound, live.ErrDenied, live.ErrUnauthorized, live.ErrGuard,
		live.ErrKicked, live.ErrReplaced, live.ErrClosing, live.ErrRemoved, live.ErrSlow, live.ErrIdle, live.ErrUnwatched,
		live.ErrEnded, live.ErrExpired, live.ErrReloaded, errors.New("some other"),
	} {
		word := live.Reason(fmt.Errorf("wrapped: %w", err))
		if other := seen[word]; other != nil || word == "" {
			t.Errorf("%v has the word %q, as %v", err, word, other)
		}
		seen[word] = err
	}
}

func TestAppsKeepWhatTheirStreamsHaveCounted(t *testing.T) {
	h := newHub(func(*live.Rules) {})
	for _, name := range []string{"a", "b"} {
		p, err := h.Publish(t.Context(), live.Request{Key: live.Key{App: "live", Name: name}})
		if err != nil {
			t.Fatal(err)
		}
		p.Session().Received(100)
		p.Close(nil)
	}
	apps := h.Apps()
	want := live.AppInfo{Vhost: live.DefaultVhost, Name: "live", Publishes: 2, Totals: live.Totals{Received: 200}}
	if len(apps) != 1 || apps[0] != want {
		t.Errorf("the apps are %+v, want %+v", apps, want)
	}
}

func TestAppsThatClientsInventAreBounded(t *testing.T) {
	h := newHub(func(*live.Rules) {})
	const many = 1010
	for i := range many {
		s, err := h.Admit(t.Context(), live.Request{Key: live.Key{App: fmt.Sprint("app", i), Name: "x"}})
		if err != nil {
			t.Fatal(err)
		}
		s.Sent(1)
		s.Close(nil)
	}
	apps := h.Apps()
	var plays, sent int64
	for _, a := range apps {
		plays += a.Plays
		sent += a.Totals.Sent
		if a.Name == "" && (a.Plays != 10 || a.Vhost != live.DefaultVhost) {
			t.Errorf("beyond the bound: %+v", a)
		}
	}
	if len(apps) != 1001 || plays != many || sent != many || h.Totals().Sent != many {
		t.Errorf("%d apps, %d plays, %d bytes of %d", len(apps), plays, sent, h.Totals().Sent)
	}
}
