package live_test

import (
	"context"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

func TestNamedVhost(t *testing.T) {
	for _, c := range []struct {
		query string
		hosts []string
		want  string
	}{
		{"", nil, ""},
		{"", []string{"", "B.Example.", "c"}, "b.example"},
		{"vhost=a", []string{"b"}, "a"},
		{"domain=a", []string{"b"}, "a"},
		{"domain=a&vhost=b", nil, "b"},
		{"vhost=&domain=a", []string{"b"}, "a"},
		{"vhost=a&vhost=b", nil, "a"}, // the stream's own query stands before the tcUrl's
		{"k=%zz&vhost=A%2eexample", nil, "a.example"},
		{"vhost=%zz", []string{"b"}, "b"},
		{"xvhost=a&vhostx=c&VHOST=d", []string{"b"}, "b"},
	} {
		equal(t, c.query, live.NamedVhost(c.query, c.hosts...), c.want)
	}
}

// twoVhosts declares tv.example with aliases, beside the default vhost.
var twoVhosts = map[string]string{"tv.example": "tv.example", "www.tv.example": "tv.example", "*.cdn.example": "tv.example"}

func TestVhosts(t *testing.T) {
	h := new(live.Hub)
	h.Activate(&live.Policy{Vhosts: twoVhosts})
	key := func(vhost string) live.Key { return live.Key{Vhost: vhost, App: "live", Name: "demo"} }
	livetest.Publish(t, h, key("10.0.0.1"))
	livetest.Publish(t, h, key("www.tv.example"))
	for name, want := range map[string]string{
		"": live.DefaultVhost, live.DefaultVhost: live.DefaultVhost, "other.example": live.DefaultVhost,
		"tv.example": "tv.example", "www.tv.example": "tv.example", "a.cdn.example": "tv.example",
		"cdn.example": live.DefaultVhost, "a.b.cdn.example": live.DefaultVhost,
	} {
		ses := livetest.Play(t, h, key(name))
		equal(t, "session on "+name, ses.Key.Vhost, want)
		equal(t, "stream on "+name, ses.Stream().Key().Vhost, want)
		equal(t, "resolved "+name, h.Resolve(key(name)), key(want))
	}
}

// A vhost that is gone must not turn into another one for those who hold its keys.
func TestVhostRemoved(t *testing.T) {
	h := new(live.Hub)
	undeclared := func(k live.Key) (live.Rules, error) {
		if k.Vhost != live.DefaultVhost {
			return live.Rules{}, live.Refuse(live.ErrApp, "no such vhost")
		}
		return live.DefaultRules(), nil
	}
	h.Activate(&live.Policy{Vhosts: twoVhosts})
	key := live.Key{Vhost: "tv.example", App: "live", Name: "demo"}
	gone := livetest.Publish(t, h, key)
	stays := livetest.Publish(t, h, live.Key{App: "live", Name: "demo"})
	h.Activate(&live.Policy{Rules: undeclared})
	isErr(t, "its publisher", gone.Session().Err(), live.ErrRemoved)
	isErr(t, "the other's", stays.Session().Err(), nil)
	_, ok := h.Stream(key)
	equal(t, "found by its key", ok, false)
	_, err := h.Rules(key)
	isErr(t, "rules", err, live.ErrApp)
	equal(t, "new clients", livetest.Play(t, h, key).Stream(), stays.Stream())
}

func TestGuardIsAskedForTheVhostThatIsUsed(t *testing.T) {
	h := new(live.Hub)
	asked := make(chan live.Key, 1)
	h.Activate(&live.Policy{Vhosts: twoVhosts, Guard: live.GuardFunc(func(_ context.Context, r *live.Request) (live.Grant, error) {
		asked <- r.Key
		return live.Grant{}, live.Refuse(live.ErrDenied, "no")
	})})
	_, err := h.Publish(t.Context(), livetest.Request(live.Key{Vhost: "www.tv.example", App: "live", Name: "demo"}))
	isErr(t, "refused", err, live.ErrDenied)
	equal(t, "asked for", (<-asked).Vhost, "tv.example")
}

func TestCheckApp(t *testing.T) {
	h := new(live.Hub)
	isErr(t, "no policy", h.CheckApp("live"), nil)
	h.Activate(&live.Policy{Vhosts: twoVhosts, Rules: func(k live.Key) (live.Rules, error) {
		if k.App == "live" || k.App == "tv" && k.Vhost == "tv.example" {
			return live.DefaultRules(), nil
		}
		return live.Rules{}, live.Refuse(live.ErrApp, "no such app on %s", k.Vhost)
	}})
	isErr(t, "on every vhost", h.CheckApp("live"), nil)
	isErr(t, "on one", h.CheckApp("tv"), nil)
	isErr(t, "on none", h.CheckApp("radio"), live.ErrApp)
	isErr(t, "no name", h.CheckApp("a/b"), live.ErrName)
}
