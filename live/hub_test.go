package live_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// watched returns a hub with the default rules but for what change does to them, and what its observer is told.
func watched(change func(*live.Rules)) (*live.Hub, *recorder) {
	h, rec := new(live.Hub), new(recorder)
	h.Activate(&live.Policy{Observer: rec, Rules: rulesOf(change)})
	return h, rec
}

func publish(h *live.Hub) (*live.Publisher, error) {
	return h.Publish(context.Background(), livetest.Request(livetest.Key))
}

func TestPublishAndPlay(t *testing.T) {
	h, rec := watched(func(*live.Rules) {})
	_, err := h.Play(t.Context(), livetest.Request(livetest.Key), 0)
	isErr(t, "nobody on air", err, live.ErrNotFound)
	equal(t, "asked and left", rec.String(), "play stop")
	p := livetest.Publish(t, h, livetest.Key)
	s := livetest.Play(t, h, live.Key{Vhost: live.DefaultVhost, App: "live", Name: "demo"})
	equal(t, "stream", s.Stream(), p.Stream())
	found, ok := h.Stream(livetest.Key)
	equal(t, "found", ok && found == p.Stream(), true)
	p.Close(nil)
	isErr(t, "ended", p.Stream().Err(), io.EOF)
	isErr(t, "write after the end", p.WriteFrame(key(0)), io.EOF)
	isErr(t, "viewer is not ended", s.Err(), nil)
	s.Close(nil)
	s.Close(live.ErrSlow)
	equal(t, "events", rec.String(), "play stop publish play unpublish stop")
	isErr(t, "reason", rec.last().Err, io.EOF)
	_, ok = h.Stream(livetest.Key)
	equal(t, "gone", ok, false)
	equal(t, "left over", len(h.Snapshot().Streams)+len(h.Snapshot().Sessions), 0)
}

func TestReasonOfEnd(t *testing.T) {
	h, rec := watched(func(*live.Rules) {})
	ctx, cancel := context.WithCancel(t.Context())
	for _, c := range []struct {
		end  func(*live.Session)
		want error
	}{
		{func(s *live.Session) { s.Close(nil) }, io.EOF},
		{func(s *live.Session) { s.Close(live.ErrSlow) }, live.ErrSlow},
		{func(s *live.Session) { s.End(live.ErrKicked); s.Close(io.EOF) }, live.ErrKicked},
		{func(s *live.Session) { cancel(); s.Close(s.Err()) }, io.EOF},
		{func(s *live.Session) { s.Close(live.ErrSlow) }, live.ErrSlow}, // a canceled context is no reason
	} {
		s, err := h.Admit(ctx, livetest.Request(livetest.Key))
		if err != nil {
			t.Fatal(err)
		}
		c.end(s)
		isErr(t, "told", rec.last().Err, c.want)
	}
}

func TestPlayWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, rec := watched(func(*live.Rules) {})
		start := time.Now()
		_, err := h.Play(t.Context(), livetest.Request(livetest.Key), 5*time.Second)
		isErr(t, "nobody came", err, live.ErrNotFound)
		equal(t, "after", time.Since(start), 5*time.Second)
		equal(t, "left over", len(h.Snapshot().Streams), 0)
		go func() {
			time.Sleep(2 * time.Second)
			livetest.Publish(t, h, livetest.Key)
		}()
		s, err := h.Play(t.Context(), livetest.Request(livetest.Key), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		s.Close(nil)
		equal(t, "after", time.Since(start), 7*time.Second)
		equal(t, "events", rec.String(), "play stop play publish stop")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = h.Play(ctx, livetest.Request(live.Key{App: "live", Name: "other"}), 5*time.Second)
		isErr(t, "gave up", err, context.DeadlineExceeded)
	})
}

func TestCloseWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, rec := watched(func(*live.Rules) {})
		go func() {
			time.Sleep(time.Second)
			isErr(t, "close", h.Close(t.Context()), nil)
			equal(t, "all told before Close returns", rec.String(), "play stop")
		}()
		_, err := h.Play(t.Context(), livetest.Request(livetest.Key), 5*time.Second)
		isErr(t, "play", err, live.ErrClosing)
	})
}

func TestConflict(t *testing.T) {
	for _, c := range []struct {
		rule   live.ConflictRule
		silent time.Duration
		busy   bool
	}{
		{live.ConflictAuto, 1999 * ms, true},
		{live.ConflictAuto, live.SilentAfter, false},
		{live.ConflictReject, time.Hour, true},
		{live.ConflictReplace, 0, false},
	} {
		t.Run(fmt.Sprint(c.rule, c.silent), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, rec := watched(func(r *live.Rules) { r.OnConflict = c.rule })
				old := livetest.Publish(t, h, livetest.Key)
				time.Sleep(time.Hour)
				livetest.Write(t, old, livetest.VideoConfig(), key(0))
				time.Sleep(c.silent)
				p, err := publish(h)
				if c.busy {
					isErr(t, "newcomer", err, live.ErrBusy)
					equal(t, "events", rec.String(), "publish refuse")
					livetest.Write(t, old, key(40))
					return
				}
				isErr(t, "newcomer", err, nil)
				defer p.Close(nil)
				equal(t, "the same stream", p.Stream(), old.Stream())
				isErr(t, "old", old.Session().Err(), live.ErrReplaced)
				isErr(t, "write of the old", old.WriteFrame(key(40)), live.ErrReplaced)
				old.Close(nil)
				equal(t, "events", rec.String(), "publish unpublish publish")
				isErr(t, "told", rec.events[1].Err, live.ErrReplaced)
				equal(t, "on air", p.Stream().Info().Publisher.ID, p.Session().ID)
			})
		})
	}
}

// TestConflictWhileTheGuardThinks has two newcomers that were both free to publish when they came.
func TestConflictWhileTheGuardThinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(live.Hub)
		h.Activate(&live.Policy{Guard: live.GuardFunc(func(context.Context, *live.Request) (live.Grant, error) {
			time.Sleep(time.Second)
			return live.Grant{}, nil
		})})
		var mu sync.Mutex
		var refused []error
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				p, err := publish(h)
				if err == nil {
					t.Cleanup(func() { p.Close(nil) })
					return
				}
				mu.Lock()
				defer mu.Unlock()
				refused = append(refused, err)
			})
		}
		wg.Wait()
		if len(refused) != 1 || !errors.Is(refused[0], live.ErrBusy) {
			t.Error(refused)
		}
	})
}

// TestGuardKnowsTheEnd has a publisher come while the observer is being told that the one before has gone. The guard is
// asked when the observer knows.
func TestGuardKnowsTheEnd(t *testing.T) {
	h := new(live.Hub)
	var told atomic.Bool
	second := make(chan error, 1)
	h.Activate(&live.Policy{
		Guard: live.GuardFunc(func(_ context.Context, r *live.Request) (live.Grant, error) {
			if r.UserAgent == "second" && !told.Load() {
				return live.Grant{}, live.Refuse(live.ErrDenied, "the guard was asked too early")
			}
			return live.Grant{}, nil
		}),
		Observer: live.ObserverFunc(func(e live.Event) {
			if e.Type != live.EventUnpublish || e.Session.UserAgent == "second" {
				return
			}
			go func() {
				req := livetest.Request(livetest.Key)
				req.UserAgent = "second"
				p, err := h.Publish(t.Context(), req)
				if err == nil {
					p.Close(nil)
				}
				second <- err
			}()
			for range 10_000 { // the other one's chance
				runtime.Gosched()
			}
			told.Store(true)
		}),
	})
	livetest.Publish(t, h, livetest.Key).Close(nil)
	isErr(t, "the second", <-second, nil)
}

// TestGrant is what a guard may say beyond yes.
func TestGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, rec := new(live.Hub), new(recorder)
		grant := live.Grant{Expires: time.Now().Add(time.Minute), Stream: "renamed", User: "ann", Note: "gold"}
		h.Activate(&live.Policy{Observer: rec, Guard: live.GuardFunc(func(_ context.Context, r *live.Request) (live.Grant, error) {
			equal(t, "password", r.Password, "secret")
			return grant, nil
		})})
		req := livetest.Request(livetest.Key)
		req.ID, req.Username, req.Password = "chosen", "ann", "secret"
		p, err := h.Publish(t.Context(), req)
		isErr(t, "publish", err, nil)
		info := rec.last().Session
		equal(t, "id", info.ID, "chosen")
		equal(t, "name", info.Key.Name, "renamed")
		equal(t, "grant", info.Grant, grant)
		equal(t, "password told", info.Password, "")
		time.Sleep(time.Minute - time.Nanosecond)
		isErr(t, "before the end", p.Session().Err(), nil)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		isErr(t, "at the end", p.Session().Err(), live.ErrExpired)
		p.Close(nil)
		isErr(t, "told", rec.last().Err, live.ErrExpired)

		grant = live.Grant{Stream: "a/b"}
		_, err = h.Publish(t.Context(), req)
		isErr(t, "bad name", err, live.ErrName)
	})
}

func TestGrantsTogether(t *testing.T) {
	soon, late := time.Unix(1, 0), time.Unix(2, 0)
	a := live.Grant{Expires: soon, User: "ann", Note: "first"}
	b := live.Grant{Expires: late, Stream: "x", Note: "second"}
	equal(t, "a and b", a.And(b), live.Grant{Expires: soon, Stream: "x", User: "ann", Note: "second"})
	equal(t, "b and a", b.And(a), live.Grant{Expires: soon, Stream: "x", User: "ann", Note: "first"})
	equal(t, "never", live.Grant{}.And(a).Expires, soon)
	equal(t, "and never", a.And(live.Grant{}).Expires, soon)
}

func TestGuard(t *testing.T) {
	h, rec := new(live.Hub), new(recorder)
	verdict := error(nil)
	h.Activate(&live.Policy{Observer: rec, Guard: live.GuardFunc(func(_ context.Context, r *live.Request) (live.Grant, error) {
		equal(t, "asked for", r.Key, live.Key{Vhost: live.DefaultVhost, App: "live", Name: "demo"})
		return live.Grant{}, verdict
	})})
	verdict = live.Refuse(live.ErrDenied, "not from %s", "here")
	_, err := publish(h)
	isErr(t, "publish", err, live.ErrDenied)
	equal(t, "description", live.Description(err), "not from here")
	equal(t, "asked to publish", rec.last().Session.Action, live.ActionPublish)
	_, err = h.Play(t.Context(), livetest.Request(livetest.Key), time.Hour)
	isErr(t, "play", err, live.ErrDenied)
	equal(t, "asked to play", rec.last().Session.Action, live.ActionPlay)

	verdict = errors.New("database secret is wrong")
	_, err = h.Admit(t.Context(), livetest.Request(livetest.Key))
	isErr(t, "undecided", err, live.ErrGuard)
	isErr(t, "undecided", err, verdict)
	equal(t, "description", live.Description(err), "the server could not decide about this request")
	equal(t, "events", rec.String(), "refuse refuse refuse")
	isErr(t, "told", rec.last().Err, verdict)
	equal(t, "no stream", rec.last().Session.StreamID+fmt.Sprint(len(h.Snapshot().Streams)), "0")
}

func TestRefusedNameIsPrintable(t *testing.T) {
	h, rec := watched(func(*live.Rules) {})
	_, err := h.Publish(t.Context(), livetest.Request(live.Key{App: "live", Name: "a\x00\n\xff\u202e\""}))
	isErr(t, "publish", err, live.ErrName)
	equal(t, "told", rec.last().Session.Key.Name, `a\x00\n\xff\u202e\"`)
	equal(t, "events", rec.String(), "refuse")
}

func TestKickEndsAndCloseDetaches(t *testing.T) {
	h, rec := watched(func(*live.Rules) {})
	p := livetest.Publish(t, h, livetest.Key)
	s := livetest.Play(t, h, livetest.Key)
	equal(t, "kicked", h.Kick(p.Session().ID), true)
	isErr(t, "write", p.WriteFrame(key(0)), live.ErrKicked)
	equal(t, "not yet told", rec.String(), "publish play")
	p.Close(io.EOF)
	isErr(t, "told", rec.last().Err, live.ErrKicked)
	_, err := s.Stream().NewReader(live.Tracks{}).ReadFrame(t.Context())
	isErr(t, "viewer", err, io.EOF)
	equal(t, "gone", h.Kick(p.Session().ID), false)
}

// TestKickoffForIdle ends a publisher that nobody watches, counted from when the last viewer has left.
func TestKickoffForIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := func(r *live.Rules) { r.KickoffForIdle = time.Minute }
		h := newHub(rules)
		p := livetest.Publish(t, h, livetest.Key)
		ended := func(what string, want error) {
			t.Helper()
			synctest.Wait()
			isErr(t, what, p.Session().Err(), want)
		}
		time.Sleep(59 * time.Second)
		viewer := livetest.Play(t, h, livetest.Key)
		other := livetest.Play(t, h, livetest.Key)
		time.Sleep(time.Hour)
		ended("watched", nil)
		viewer.Close(nil)
		time.Sleep(time.Hour)
		ended("watched by another", nil)
		other.Close(nil)
		time.Sleep(59 * time.Second)
		ended("unwatched", nil)
		h.Activate(&live.Policy{Rules: rulesOf(rules)})
		time.Sleep(time.Second)
		ended("for a minute", live.ErrUnwatched)
		p.Close(nil)

		p = livetest.Publish(t, h, livetest.Key)
		time.Sleep(59 * time.Second)
		h.Activate(&live.Policy{Rules: rulesOf(func(r *live.Rules) { r.KickoffForIdle = 2 * time.Minute })})
		time.Sleep(119 * time.Second)
		ended("under another limit", nil)
		time.Sleep(time.Second)
		ended("under another limit", live.ErrUnwatched)
	})
}

func TestReconnectWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, rec := watched(func(r *live.Rules) { r.ReconnectWindow = 5 * time.Second })
		p := livetest.Publish(t, h, livetest.Key)
		livetest.Write(t, p, livetest.VideoConfig(), livetest.AudioConfig(), key(7000), sound(7010), inter(7040))
		s := livetest.Play(t, h, livetest.Key)
		r := s.Stream().NewReader(live.Tracks{})
		equal(t, "before", readable(r), "V A k0 a10 v40")
		p.Close(nil)
		time.Sleep(4999 * ms)
		equal(t, "in the gap", readable(r), "")
		_, err := h.Play(t.Context(), livetest.Request(livetest.Key), 0)
		isErr(t, "newcomer in the gap", err, live.ErrNotFound)
		found, ok := h.Stream(livetest.Key)
		equal(t, "still there", ok && found == s.Stream(), true)

		p = livetest.Publish(t, h, livetest.Key)
		// A time shortly after the old one is a seam too: it is of another clock.
		livetest.Write(t, p, livetest.VideoConfig(), key(9000), inter(9040))
		equal(t, "after", readable(r), "V k60 v100")
		equal(t, "the new one has no sound", len(p.Stream().Setup().Tracks()), 1)
		time.Sleep(10 * time.Second)
		isErr(t, "the window is over", p.Stream().Err(), nil)
		p.Close(live.ErrIdle)
		time.Sleep(5001 * ms)
		equal(t, "end", readable(r), ".")
		s.Close(nil)
		equal(t, "events", rec.String(), "publish play unpublish play stop publish unpublish stop")
		equal(t, "left over", len(h.Snapshot().Streams), 0)
	})
}

func TestReconnectWindowEndsWithTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := watched(func(r *live.Rules) { r.ReconnectWindow = time.Hour })
		p := livetest.Publish(t, h, livetest.Key)
		s := livetest.Play(t, h, livetest.Key)
		p.Close(nil)
		go func() {
			<-s.Done()
			s.Close(nil)
		}()
		isErr(t, "close", h.Close(t.Context()), nil)
		isErr(t, "stream", s.Stream().Err(), live.ErrClosing)
		isErr(t, "viewer", s.Err(), live.ErrClosing)
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, rec := watched(func(*live.Rules) {})
		p := livetest.Publish(t, h, livetest.Key)
		s := livetest.Play(t, h, livetest.Key)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() {
			<-s.Done()
			s.Close(io.EOF)
		}()
		isErr(t, "publisher hangs", h.Close(ctx), context.DeadlineExceeded)
		isErr(t, "publisher", p.WriteFrame(key(0)), live.ErrClosing)
		_, err := publish(h)
		isErr(t, "new publisher", err, live.ErrClosing)
		_, err = h.Admit(t.Context(), livetest.Request(livetest.Key))
		isErr(t, "new viewer", err, live.ErrClosing)
		go p.Close(io.EOF)
		isErr(t, "close again", h.Close(t.Context()), nil)
		isErr(t, "and again", h.Close(t.Context()), nil)
		equal(t, "events", rec.String(), "publish play stop refuse refuse unpublish")
		isErr(t, "told", rec.last().Err, live.ErrClosing)
	})
	isErr(t, "zero hub", new(live.Hub).Close(t.Context()), nil)
}

func TestCloseReturnsAfterTheLastEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, told := new(live.Hub), false
		h.Activate(&live.Policy{Observer: live.ObserverFunc(func(e live.Event) {
			if e.Type == live.EventUnpublish {
				time.Sleep(time.Second)
				told = true
			}
		})})
		p := livetest.Publish(t, h, livetest.Key)
		go p.Close(nil)
		isErr(t, "close", h.Close(t.Context()), nil)
		equal(t, "told", told, true)
	})
}

func TestCountersAddUpAndStay(t *testing.T) {
	h := newHub(func(*live.Rules) {})
	p := livetest.Publish(t, h, livetest.Key)
	s := livetest.Play(t, h, livetest.Key)
	other := livetest.Publish(t, h, live.Key{Vhost: "tv.example", App: "live", Name: "demo"})
	p.Session().Received(1000)
	livetest.Write(t, p, livetest.VideoConfig(), key(0), sound(0), inter(40))
	p.Drop(live.ErrTag)
	s.Sent(300)
	other.Session().Received(10)
	want := live.Totals{Sent: 300, Received: 1000, VideoFrames: 2, AudioFrames: 1, BrokenTags: 1}
	equal(t, "session", p.Session().Info().Totals, live.Totals{Received: 1000, VideoFrames: 2, AudioFrames: 1, BrokenTags: 1})
	equal(t, "stream", p.Stream().Info().Totals, want)
	s.Sent(7)
	want.Sent += 7
	for _, end := range []func(error){p.Close, s.Close, other.Close} {
		snap := h.Snapshot()
		equal(t, "vhost", snap.Vhosts[0].Totals, want)
		equal(t, "other vhost", snap.Vhosts[1].Totals, live.Totals{Received: 10})
		all := want
		all.Received += 10
		equal(t, "server", snap.Totals, all)
		end(nil)
	}
	equal(t, "server after all", h.Snapshot().Totals.Received, 1010)
}

func TestSnapshot(t *testing.T) {
	h := newHub(func(*live.Rules) {})
	p := livetest.Publish(t, h, livetest.Key)
	livetest.Write(t, p, livetest.GOPs(1)...)
	livetest.Play(t, h, livetest.Key)
	livetest.Publish(t, h, live.Key{App: "live", Name: "b"})
	waiting, err := h.Admit(t.Context(), livetest.Request(live.Key{Vhost: "tv.example", App: "live", Name: "c"}))
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close(nil)
	snap := h.Snapshot()
	equal(t, "sessions", len(snap.Sessions), 4)
	equal(t, "streams", len(snap.Streams), 3)
	equal(t, "vhosts", len(snap.Vhosts), 2)
	equal(t, "default", fmt.Sprint(snap.Vhosts[0].Name, snap.Vhosts[0].Streams, snap.Vhosts[0].Sessions), "__defaultVhost__2 3")
	equal(t, "declared", fmt.Sprint(snap.Vhosts[1].Name, snap.Vhosts[1].Streams, snap.Vhosts[1].Sessions), "tv.example0 1")
	for _, s := range snap.Streams {
		switch s.Key.Name {
		case "demo":
			equal(t, "sessions", s.Sessions, 2)
			equal(t, "publisher", s.Publisher.ID, p.Session().ID)
			equal(t, "tracks", len(s.Setup.Tracks()), 2)
		case "c":
			equal(t, "no publisher", s.Publisher, nil)
		}
	}
	p.Close(nil)
	snap = h.Snapshot()
	equal(t, "the viewer of an ended stream still counts", snap.Vhosts[0].Sessions, 2)
}

// TestEventsArePairedAndOrdered lets many publishers and viewers of one name come, replace each other and go. An observer
// must never see a publisher begin before the one before it has ended, nor anybody end who has not begun.
func TestEventsArePairedAndOrdered(t *testing.T) {
	for _, window := range []time.Duration{0, time.Second} {
		h := new(live.Hub)
		var mu sync.Mutex
		open := map[string]live.Action{}
		publishers := 0
		observe := func(e live.Event) {
			mu.Lock()
			defer mu.Unlock()
			id := e.Session.ID
			_, begun := open[id]
			switch e.Type {
			case live.EventPublish, live.EventPlay:
				equal(t, "begun twice", begun, false)
				open[id] = e.Session.Action
			case live.EventUnpublish, live.EventStop:
				equal(t, "begun before its end", begun, true)
				delete(open, id)
			}
			switch e.Type {
			case live.EventPublish:
				publishers++
			case live.EventUnpublish:
				publishers--
			}
			if publishers < 0 || publishers > 1 {
				t.Errorf("%d publishers at %s", publishers, e.Type)
			}
		}
		h.Activate(&live.Policy{Observer: live.ObserverFunc(observe), Rules: rulesOf(func(r *live.Rules) {
			r.OnConflict, r.ReconnectWindow = live.ConflictReplace, window
		})})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 200 {
					comeAndGo(h, i)
				}
			})
		}
		wg.Wait()
		isErr(t, "close", h.Close(t.Context()), nil)
		equal(t, "left open", len(open), 0)
		equal(t, "left on air", publishers, 0)
	}
}

func comeAndGo(h *live.Hub, i int) {
	if i%4 == 3 {
		if s, err := h.Admit(context.Background(), livetest.Request(livetest.Key)); err == nil {
			h.Kick(s.ID)
			s.Close(nil)
		}
		return
	}
	p, err := publish(h)
	if err != nil {
		return
	}
	_ = p.WriteFrame(livetest.Video(0))
	p.Close(nil)
}
