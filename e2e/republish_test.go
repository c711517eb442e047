package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// TestRepublish lets the publisher leave and come back. Who watches a continuous stream sees a clean end; who plays HLS
// goes on behind a discontinuity, at numbers that only rise, even over a restart of the server.
func TestRepublish(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	address := s.url("rtmp", "/live/test")
	players := []*player{}
	for round := range 3 {
		encoder := s.publish(address)
		relayed := relayTo(t, s.address(s.rtmp), "")
		a := &audience{
			rtmp: []*watcher{s.play(address), s.play("rtmp://" + relayed.Addr().String() + "/live/test")},
			flv:  []*viewer{s.watch(http1, s.url("http", "/live/test.flv")), s.watch(http2, s.url("https", "/live/test.flv"))},
			ts:   []*viewer{s.watch(http1, s.url("https", "/live/test.ts")), s.watch(h3, s.url("https", "/live/test.ts"))},
		}
		if round == 0 {
			players = []*player{s.tune(http1, s.url("http", "/live/test.m3u8")), s.tune(http2, s.url("https", "/live/test/index.m3u8"))}
		}
		a.hls = players
		goesOn(t, a.everybody()...)
		encoder.stop(t)
		a.checkEnd(t)
		if !strings.Contains(relayed.answers.String(), "NetStream.Play.UnpublishNotify") {
			t.Error("the RTMP viewer was not told that the publisher has left")
		}
		a.checkSeams(t, round)
	}
	s.restart(address, players[0])
}

// TestReconnectWindow kills the publisher, and starts another within the window: everybody stays, and goes on at its first
// key frame.
func TestReconnectWindow(t *testing.T) {
	t.Parallel()
	s := serve(t, in("app live", "\t\t\treconnect_window 30s"))
	encoder := s.publish(s.url("rtmp", "/live/test"))
	a := s.gather()
	goesOn(t, a.everybody()...)
	ids := viewers(s.awaitClients(a.kinds))
	if err := encoder.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	delete(a.kinds, "fmle-publish")
	s.awaitClients(a.kinds)
	s.publish(s.url("rtmps", "/live/test"))
	a.kinds["fmle-publish"] = 1
	goesOn(t, a.everybody()...)
	if now := viewers(s.awaitClients(a.kinds)); !slices.Equal(now, ids) {
		t.Errorf("the viewers are %v, before they were %v", now, ids)
	}
	for _, w := range a.rtmp {
		checkSeam(t, w.name, w.seen())
	}
	for _, v := range a.flv {
		checkSeam(t, v.name, readFLV(t, v.Bytes()))
	}
	a.checkSeams(t, 1)
}

// viewers returns the ids of all clients but the publisher, in order.
func viewers(rows map[string]clientRow) (ids []string) {
	for id, row := range rows {
		if row.Type != "fmle-publish" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// checkSeam checks that the time of no track falls, and that the picture goes on with a key frame behind the one place where
// a configuration is given again.
func checkSeam(t testing.TB, name string, frames []*live.Frame) {
	t.Helper()
	checkTimes(t, name, frames)
	configs, waiting := 0, false
	for _, f := range frames {
		switch {
		case f.Kind != live.KindVideo:
		case f.Config:
			configs++
			waiting = true
		case f.Media():
			if waiting && !f.Key {
				t.Errorf("%s goes on at %d without a key frame", name, f.Time)
			}
			waiting = false
		}
	}
	if configs != 2 {
		t.Errorf("%s was given %d configurations, want one from each publisher", name, configs)
	}
}

// checkEnd checks that those who watch a continuous stream see a clean end, and have missed nothing.
func (a *audience) checkEnd(t testing.TB) {
	t.Helper()
	for _, v := range slices.Concat(a.flv, a.ts) {
		v.ended(t, 2*time.Second)
	}
	for _, w := range a.rtmp {
		if err := w.ended(t, 2*time.Second); err != nil {
			t.Errorf("%s ended with %v", w.name, err)
		}
		checkSmooth(t, w.name, w.seen())
	}
	for _, v := range a.flv {
		if b := v.Bytes(); len(cutFLV(b)) != len(b) {
			t.Errorf("%s ended within a tag", v.name)
		}
		checkSmooth(t, v.name, readFLV(t, v.Bytes()))
	}
	for _, v := range a.ts {
		if v.Len()%188 != 0 {
			t.Errorf("%s ended within a packet", v.name)
		}
	}
}

// checkSeams checks how many discontinuities the players have met.
func (a *audience) checkSeams(t testing.TB, want int) {
	t.Helper()
	for _, p := range a.hls {
		if _, seams := p.position(); seams != want {
			t.Errorf("%s has %d discontinuities, want %d", p.name, seams, want)
		}
		if err := p.running(); err != nil {
			t.Error(err)
		}
	}
}

// restart starts the server anew, where a new player must find higher numbers than an old one has seen.
func (s *server) restart(address string, old *player) {
	s.t.Helper()
	s.end()
	s.run()
	s.publish(address)
	p := s.tune(http1, s.url("http", "/live/test.m3u8"))
	eventually(s.t, "HLS plays after a restart", func() error {
		if p.length() == 0 {
			return fmt.Errorf("nothing was played: %w", p.running())
		}
		return nil
	})
	before, _ := old.position()
	if p.start() < before {
		s.t.Errorf("segments are numbered from %d after a restart, the one before had come to %d", p.start(), before)
	}
	if now, then := p.discontinuities(), old.discontinuities(); now < then {
		s.t.Errorf("the discontinuity sequence number is %d after a restart, and was %d before", now, then)
	}
}
