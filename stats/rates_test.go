package stats_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/stats"
)

func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		rates := stats.NewRates(s.Hub)
		defer rates.Close()
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		p := s.publish("cam1")
		v := s.view(live.Request{Protocol: live.ProtocolFLV, Key: p.Stream().Key()})
		vhost := s.Hub.Snapshot().Vhosts[0].ID
		check := func(when, id string, want stats.Kbps) {
			t.Helper()
			if got := rates.Of(id); got != want {
				t.Errorf("%s: %s has %+v, want %+v", when, id, got, want)
			}
		}
		// second lets a second pass in which n·125 bytes come in and twice as many go out, which is n and 2n kbit/s.
		second := func(n int) {
			p.Session().Received(125 * n)
			v.Sent(250 * n)
			pass(time.Second)
		}

		check("at the start", p.Session().ID, stats.Kbps{})
		for range 6 {
			second(1000)
		}
		// The look after 5 s saw what came in 5 seconds, or in 6 if it came second.
		got := rates.Of(p.Session().ID)
		if got.Recv < 1000 || got.Recv > 1200 || got.Send != 0 {
			t.Errorf("early estimate: %+v", got)
		}
		for range 60 {
			second(1000)
		}
		check("steady", p.Session().ID, stats.Kbps{Recv: 1000})
		check("steady", v.ID, stats.Kbps{Send: 2000})
		for _, id := range []string{p.Stream().ID(), vhost, ""} {
			check("steady", id, stats.Kbps{Recv: 1000, Send: 2000})
		}
		if got := rates.Server(); got != (stats.Kbps{Recv: 1000, Send: 2000}) {
			t.Errorf("server: %+v", got)
		}

		pass(15 * time.Second)
		if got := rates.Of(v.ID); got.Send < 900 || got.Send > 1100 {
			t.Errorf("half the window after it fell silent: %+v", got)
		}
		pass(30 * time.Second)
		check("silent", v.ID, stats.Kbps{})

		p.Close(nil)
		v.Close(nil)
		pass(5 * time.Second)
		check("gone", v.ID, stats.Kbps{})
		rates.Close()
	})
}

func TestRatesOfABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		rates := stats.NewRates(s.Hub)
		defer rates.Close()
		time.Sleep(4900 * time.Millisecond)
		v := s.view(live.Request{Protocol: live.ProtocolFLV, Key: live.Key{App: "live", Name: "x"}})
		defer v.Close(nil)
		v.Sent(625_000) // 1000 kbit/s over 5 s
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if got := rates.Of(v.ID); got.Send != 1000 {
			t.Errorf("%+v", got)
		}
	})
}

func TestNoRates(t *testing.T) {
	var rates *stats.Rates
	if rates.Server() != (stats.Kbps{}) {
		t.Error("a nil Rates has rates")
	}
}
