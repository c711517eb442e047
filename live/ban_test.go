package live_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// from returns a request for the key of the tests by somebody at an address.
func from(address string) live.Request {
	r := livetest.Request(livetest.Key)
	r.Remote = netip.AddrPortFrom(netip.MustParseAddr(address), 50000)
	return r
}

// admitFrom attaches a viewer and returns it with the error.
func admitFrom(t *testing.T, h *live.Hub, address string) (*live.Session, error) {
	t.Helper()
	s, err := h.Admit(t.Context(), from(address))
	if err == nil {
		t.Cleanup(func() { s.Close(nil) })
	}
	return s, err
}

// TestBan bans clients in each way, and looks who is ended, who is kept out, and until when.
func TestBan(t *testing.T) {
	const here, sameNet, elsewhere = "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"
	for name, c := range map[string]struct {
		by     live.BanBy
		ended  string // of the kicked viewer, its neighbor, the one elsewhere, and the neighbor on another stream
		banned string // whom of them, and a publisher of here
	}{
		"address": {live.BanAddress, "xx.x", "xx.xx"},
		"default": {0, "xx.x", "xx.xx"},
		"stream":  {live.BanStream, "xxx.", "xxx.."},
		"both":    {live.BanAddress | live.BanStream, "xx..", "xx..."},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, rec := watched(func(*live.Rules) {})
				other := from(sameNet)
				other.Key.Name = "other"
				requests := []live.Request{from(here), from(sameNet), from(elsewhere), other}
				var viewers []*live.Session
				for _, r := range requests {
					s, err := h.Admit(t.Context(), r)
					isErr(t, "before", err, nil)
					viewers = append(viewers, s)
				}
				ban, err := h.Ban(viewers[0].ID, c.by, time.Minute)
				isErr(t, "ban", err, nil)
				var ended strings.Builder
				for _, s := range viewers {
					ended.WriteString(mark(errors.Is(s.Err(), live.ErrKicked)))
					s.Close(nil)
				}
				equal(t, "ended", ended.String(), c.ended)
				equal(t, "told why", strings.Contains(live.Description(viewers[0].Err()), "not let in again before"), true)

				tryAll := func() string {
					var banned strings.Builder
					for _, r := range requests {
						s, err := h.Admit(t.Context(), r)
						banned.WriteString(mark(errors.Is(err, live.ErrBanned) && errors.Is(err, live.ErrDenied)))
						if err == nil {
							s.Close(nil)
						} else if rec.last().Type != live.EventRefuse {
							t.Errorf("the refusal was not told, but %v", rec.last())
						}
					}
					p, err := h.Publish(t.Context(), from(here))
					banned.WriteString(mark(errors.Is(err, live.ErrBanned)))
					if err == nil {
						p.Close(nil)
					}
					return banned.String()
				}
				equal(t, "banned", tryAll(), c.banned)
				equal(t, "list", len(h.Bans()), 1)
				equal(t, "ban", h.Bans()[0], ban)
				time.Sleep(time.Minute - time.Second)
				equal(t, "banned at the end", tryAll(), c.banned)
				time.Sleep(2 * time.Second)
				equal(t, "banned later", tryAll(), ".....")
				equal(t, "list later", len(h.Bans()), 0)
			})
		})
	}
}

func mark(yes bool) string {
	if yes {
		return "x"
	}
	return "."
}

// TestBanIsLifted lifts a ban, after another for the same has taken its place, and keeps it over a change of policy.
func TestBanIsLifted(t *testing.T) {
	h, _ := watched(func(*live.Rules) {})
	a, err := admitFrom(t, h, "203.0.113.1")
	isErr(t, "first", err, nil)
	first, err := h.Ban(a.ID, live.BanAddress, time.Hour)
	isErr(t, "ban", err, nil)
	second, err := h.Ban(a.ID, live.BanAddress, 2*time.Hour) // it is on the list until it is closed
	isErr(t, "ban again", err, nil)
	h.Activate(new(live.Policy))
	equal(t, "bans", len(h.Bans()), 1)
	equal(t, "the first", h.LiftBan(first.ID), false)
	_, err = admitFrom(t, h, "::ffff:203.0.113.1")
	isErr(t, "banned", err, live.ErrBanned)
	later, _ := watched(func(*live.Rules) {})
	later.RestoreBans(append(h.Bans(), live.Ban{ID: "over", Key: livetest.Key, Until: time.Now()}))
	equal(t, "restored", len(later.Bans()), 1)
	_, err = admitFrom(t, later, "203.0.113.1")
	isErr(t, "banned later", err, live.ErrBanned)
	equal(t, "word", live.Reason(err), "banned")
	equal(t, "the second", h.LiftBan(second.ID), true)
	_, err = admitFrom(t, h, "203.0.113.1")
	isErr(t, "lifted", err, nil)
}

// TestBanWhileTheGuardThinks bans an address while the guard thinks about one of its clients.
func TestBanWhileTheGuardThinks(t *testing.T) {
	var bad *live.Session
	h := new(live.Hub)
	asked := 0
	h.Activate(&live.Policy{Guard: live.GuardFunc(func(context.Context, *live.Request) (live.Grant, error) {
		if asked++; asked > 1 {
			_, err := h.Ban(bad.ID, live.BanAddress, time.Minute)
			isErr(t, "ban", err, nil)
		}
		return live.Grant{}, nil
	})})
	bad, err := admitFrom(t, h, "203.0.113.1")
	isErr(t, "first", err, nil)
	_, err = admitFrom(t, h, "203.0.113.1")
	isErr(t, "second", err, live.ErrBanned)
	_, err = admitFrom(t, h, "203.0.113.1")
	isErr(t, "third", err, live.ErrBanned)
	equal(t, "asked", asked, 2)
}

// TestBanByAnotherName: a stream is banned by the name that it has, not by the one that was asked for.
func TestBanByAnotherName(t *testing.T) {
	h := new(live.Hub)
	h.Activate(&live.Policy{Guard: live.GuardFunc(func(context.Context, *live.Request) (live.Grant, error) {
		return live.Grant{Stream: "secret"}, nil
	})})
	p, err := h.Publish(t.Context(), from("203.0.113.1"))
	isErr(t, "publish", err, nil)
	ban, err := h.Ban(p.Session().ID, live.BanStream, time.Minute)
	isErr(t, "ban", err, nil)
	equal(t, "stream", ban.Key.Name, "secret")
	p.Close(nil)
	_, err = h.Publish(t.Context(), from("203.0.113.2"))
	isErr(t, "again", err, live.ErrBanned)
}

// TestNoBan: what cannot be banned is not kicked either.
func TestNoBan(t *testing.T) {
	h, _ := watched(func(*live.Rules) {})
	_, err := h.Ban("nobody99", live.BanAddress, time.Minute)
	isErr(t, "unknown", err, live.ErrNoSession)
	s, err := h.Admit(t.Context(), live.Request{Key: livetest.Key})
	isErr(t, "no address", err, nil)
	defer s.Close(nil)
	_, err = h.Ban(s.ID, live.BanAddress, time.Minute)
	isErr(t, "no address", err, live.ErrNoAddress)
	isErr(t, "not ended", s.Err(), nil)
	_, err = h.Ban(s.ID, live.BanStream, time.Minute)
	isErr(t, "stream", err, nil)
	isErr(t, "ended", s.Err(), live.ErrKicked)
}

// TestBansAreBounded makes as many bans as there may be, and more when some are over.
func TestBansAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := watched(func(*live.Rules) {})
		ban := func(i int) error {
			addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			s, err := h.Admit(t.Context(), from(addr.String()))
			isErr(t, "admit", err, nil)
			defer s.Close(nil)
			_, err = h.Ban(s.ID, live.BanAddress, time.Minute)
			return err
		}
		for i := range live.MaxBans {
			isErr(t, "ban", ban(i), nil)
		}
		isErr(t, "one more", ban(live.MaxBans), live.ErrTooManyBans)
		time.Sleep(time.Minute)
		isErr(t, "later", ban(live.MaxBans), nil)
		equal(t, "list", len(h.Bans()), 1)
	})
}
