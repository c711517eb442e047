package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
)

func TestDelivery(t *testing.T) {
	for name, path := range map[string]string{"durable": file(t), "best effort": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := new(sink)
				o := open(t, outbox.Options{Path: path})
				o.SetTargets(map[string]outbox.Sender{"a": s})
				put(t, o, to("a", "x", "1"), to("a", "x", "2"), to("a", "x", "3"))
				synctest.Wait()
				same(t, "delivered", s.events(), []string{"x 1", "x 2", "x 3"})
				if id := s.got[0].ID; !strings.HasPrefix(id, "msg_") || len(id) != 30 || id == s.got[1].ID {
					t.Errorf("ids %q, %q", id, s.got[1].ID)
				}
				if len(o.Pending()) != 0 {
					t.Errorf("pending: %v", o.Pending())
				}
				finish(t, o)
				if err := o.Put(to("a", "x", "4")); !errors.Is(err, outbox.ErrClosed) {
					t.Errorf("put after close: %v", err)
				}
			})
		})
	}
}

// TestRetry has a target fail for a while. The id stays, the order holds, and the pauses grow.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		s := &sink{answer: status(500)}
		var log logbook
		o := open(t, outbox.Options{Path: file(t), Logger: log.logger})
		defer finish(t, o)
		o.SetTargets(map[string]outbox.Sender{"a": s})
		put(t, o, to("a", "x", "1"), to("a", "x", "2"))
		time.Sleep(40 * time.Minute)
		if n := s.count(); n < 10 || n > 30 {
			t.Errorf("%d attempts in 40 minutes", n)
		}
		attempts := o.Attempts()
		for i, a := range attempts[:len(attempts)-1] {
			if gap := a.Time.Sub(attempts[i+1].Time); gap > 5*time.Minute+time.Second || gap < 500*time.Millisecond {
				t.Errorf("a pause of %s", gap)
			}
		}
		if a := attempts[0]; a.Outcome != outbox.OutcomeRetry || a.Status != 500 || a.Number != len(attempts) || a.Next.Before(a.Time) {
			t.Errorf("the last attempt is told as %+v", a)
		}
		s.set(nil)
		time.Sleep(6 * time.Minute)
		events := s.events()
		same(t, "the last two", events[len(events)-2:], []string{"x 1", "x 2"})
		for _, d := range s.got[:len(s.got)-1] {
			if d.ID != s.got[0].ID || !d.Created.Equal(begun) {
				t.Fatalf("%s of %s is not %s", d.ID, d.Created, s.got[0].ID)
			}
		}
		if text := log.String(); strings.Count(text, "was not delivered") != 1 || strings.Count(text, "delivered again") != 1 {
			t.Errorf("the log says: %s", text)
		}
	})
}

// TestRecovery has a target with many streams come back: all of them are told at once, not when each one's pause is over.
func TestRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{answer: func(*outbox.Delivery) outbox.Result { return outbox.Result{Err: errors.New("refused")} }}
		o := open(t, outbox.Options{Path: file(t)})
		defer finish(t, o)
		o.SetTargets(map[string]outbox.Sender{"a": s})
		for i := range 100 {
			put(t, o, to("a", fmt.Sprint(i), "end"))
		}
		time.Sleep(time.Hour)
		s.set(nil)
		put(t, o, to("a", "new", "end"))
		synctest.Wait()
		if pending := o.Pending(); len(pending) != 0 {
			t.Errorf("%d are pending", len(pending))
		}
	})
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{answer: func(*outbox.Delivery) outbox.Result {
			return outbox.Result{Status: 429, RetryAfter: 20 * time.Minute}
		}}
		o := open(t, outbox.Options{Path: file(t)})
		defer finish(t, o)
		o.SetTargets(map[string]outbox.Sender{"a": s})
		put(t, o, to("a", "x", "1"))
		time.Sleep(19 * time.Minute)
		if s.count() != 1 {
			t.Errorf("%d attempts", s.count())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s.count() != 2 {
			t.Errorf("%d attempts", s.count())
		}
	})
}

// TestIndependence has one target hang and one stream fail at the other.
func TestIndependence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &sink{took: time.Hour}
		picky := &sink{answer: func(d *outbox.Delivery) outbox.Result {
			if d.Stream == "bad" {
				return outbox.Result{Status: 503}
			}
			return outbox.Result{Status: 201}
		}}
		o := open(t, outbox.Options{Path: file(t)})
		defer finish(t, o)
		o.SetTargets(map[string]outbox.Sender{"slow": slow, "picky": picky})
		for i := range 100 {
			for _, stream := range []string{"bad", "good"} {
				put(t, o, to("slow", stream, fmt.Sprint(i)), to("picky", stream, fmt.Sprint(i)))
			}
		}
		for i := range 50 {
			put(t, o, to("slow", fmt.Sprint("other", i), ""))
		}
		synctest.Wait()
		events := slices.DeleteFunc(picky.events(), func(e string) bool { return strings.HasPrefix(e, "bad ") })
		if len(events) != 100 || events[99] != "good 99" {
			t.Errorf("%d events of the good stream have come", len(events))
		}
		slow.mu.Lock()
		defer slow.mu.Unlock()
		if slow.most != 16 {
			t.Errorf("%d attempts at a time", slow.most)
		}
	})
}

// TestClients has viewers overtake each other, but neither themselves nor the stream.
func TestClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{answer: func(d *outbox.Delivery) outbox.Result {
			if d.Client == "c1" {
				return outbox.Result{Status: 500}
			}
			return outbox.Result{Status: 200}
		}}
		o := open(t, outbox.Options{Path: file(t)})
		defer finish(t, o)
		of := func(client, event string) outbox.Delivery {
			d := to("a", "x", event)
			d.Client = client
			return d
		}
		put(t, o, of("", "publish"), of("c1", "c1 stop"), of("c2", "c2 stop"), of("c2", "c2 again"), of("", "unpublish"), of("c3", "c3 stop"))
		o.SetTargets(map[string]outbox.Sender{"a": s})
		synctest.Wait()
		events := slices.DeleteFunc(s.events(), func(e string) bool { return e == "x c1 stop" })
		same(t, "before", events, []string{"x publish", "x c2 stop", "x c2 again"})

		// A new viewer waits for none of the others, unless something of the stream is in between.
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := o.Drain(ctx, "a", "x", "c3"); err == nil {
			t.Error("the unpublish is not waited for")
		}
		s.set(nil)
		time.Sleep(time.Minute)
		events = s.events()
		same(t, "after", events[len(events)-3:], []string{"x c1 stop", "x unpublish", "x c3 stop"})

		s.set(status(500))
		put(t, o, of("c1", "c1 stop"))
		time.Sleep(100 * time.Millisecond)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := o.Drain(ctx, "a", "x", "c4"); err != nil {
			t.Errorf("another viewer's end is waited for: %v", err)
		}
		if err := o.Drain(ctx, "a", "x", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the stream does not wait for its viewers: %v", err)
		}
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{took: time.Second}
		o := open(t, outbox.Options{Path: file(t)})
		defer finish(t, o)
		drain := func(within time.Duration) (time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			begun := time.Now()
			err := o.Drain(ctx, "a", "x", "")
			return time.Since(begun), err
		}
		if took, err := drain(0); err != nil || took != 0 {
			t.Errorf("nothing pending: %s, %v", took, err)
		}
		put(t, o, to("a", "x", "1"), to("a", "x", "2"), to("a", "y", "1"))
		if took, err := drain(time.Hour); !errors.Is(err, outbox.ErrFailing) || took != 0 {
			t.Errorf("no such target: %s, %v", took, err)
		}
		o.SetTargets(map[string]outbox.Sender{"a": s})
		if took, err := drain(time.Second / 2); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("too little time: %s, %v", took, err)
		}
		if took, err := drain(time.Hour); err != nil || took != 1500*time.Millisecond {
			t.Errorf("in order: %s, %v", took, err)
		}
		if events := s.events(); len(events) != 3 || events[2] != "x 2" {
			t.Errorf("came: %v", events)
		}

		// What has failed is tried again at once, as long as the target answers.
		failures := 0
		s.set(func(*outbox.Delivery) outbox.Result {
			if failures++; failures < 4 {
				return outbox.Result{Status: 500}
			}
			return outbox.Result{Status: 200}
		})
		put(t, o, to("a", "x", "3"))
		if took, err := drain(time.Hour); err != nil || took != 4750*time.Millisecond {
			t.Errorf("failing: %s, %v", took, err)
		}

		// When it does not answer nobody waits for it, and it is seen when it is there again.
		s.set(func(*outbox.Delivery) outbox.Result { return outbox.Result{Err: errors.New("no answer")} })
		put(t, o, to("a", "x", "4"))
		if took, err := drain(time.Hour); !errors.Is(err, outbox.ErrFailing) || took != 3500*time.Millisecond {
			t.Errorf("down: %s, %v", took, err)
		}
		if took, err := drain(time.Hour); !errors.Is(err, outbox.ErrFailing) || took != 0 {
			t.Errorf("down, as is known: %s, %v", took, err)
		}
		time.Sleep(10 * time.Minute)
		if time.Since(o.Attempts()[0].Time) < 3*time.Second {
			time.Sleep(3 * time.Second)
		}
		s.set(nil)
		if took, err := drain(time.Hour); err != nil || took != time.Second {
			t.Errorf("there again: %s, %v", took, err)
		}
	})
}

func TestRefusedAndExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := file(t)
		s := &sink{answer: func(d *outbox.Delivery) outbox.Result {
			switch d.Event {
			case "bad":
				return outbox.Result{Status: 422}
			case "late":
				return outbox.Result{Status: 502}
			}
			return outbox.Result{Status: 200}
		}}
		o := open(t, outbox.Options{Path: path})
		o.SetTargets(map[string]outbox.Sender{"a": s})
		late := to("a", "y", "late")
		late.Created = time.Now()
		late.Expires = late.Created.Add(outbox.SegmentLife)
		put(t, o, to("a", "x", "bad"), to("a", "x", "good"), late, to("a", "y", "good"), to("gone", "z", "lost"))
		synctest.Wait()
		if !slices.Contains(s.events(), "y late") {
			t.Errorf("came: %v", s.events())
		}
		if dead := o.Dead(); len(dead) != 1 || dead[0].Event != "bad" || dead[0].Reason != "refused with status 422" {
			t.Errorf("dead: %+v", dead)
		}
		sum := o.Summary()
		if sum.Dead != 1 || !sum.Oldest.Equal(late.Created) || sum.Totals.Put != 5 || len(sum.Targets) != 2 || sum.Targets[0].Pending != 2 {
			t.Errorf("summary: %+v", sum)
		}
		time.Sleep(time.Hour)
		if dead := o.Dead(); len(dead) != 2 || dead[0].Event != "late" || !strings.HasPrefix(dead[0].Reason, "expired: status 502") {
			t.Errorf("dead: %+v", dead)
		}
		same(t, "the last", s.events()[s.count()-1:], []string{"y good"})
		time.Sleep(24 * time.Hour)
		if dead := o.Dead(); len(dead) != 3 || dead[0].Event != "lost" || dead[0].Reason != "expired" || len(o.Pending()) != 0 {
			t.Errorf("dead: %+v, pending: %+v", dead, o.Pending())
		}
		finish(t, o)

		// They are there after a restart, and come with the same id when they are replayed.
		o = open(t, outbox.Options{Path: path})
		o.SetTargets(map[string]outbox.Sender{"a": s})
		dead := o.Dead()
		if len(dead) != 3 || dead[2].Event != "bad" || dead[2].Attempts != 1 || dead[2].Last.Status != 422 {
			t.Errorf("dead after a restart: %+v", dead)
		}
		s.set(nil)
		if err := o.Replay(dead[2].ID); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if last := s.got[len(s.got)-1]; last.ID != dead[2].ID || last.Event != "bad" || time.Until(last.Expires) != 24*time.Hour {
			t.Errorf("replayed: %+v", last)
		}
		if err := o.Replay(dead[2].ID); !errors.Is(err, outbox.ErrUnknown) {
			t.Errorf("replayed twice: %v", err)
		}
		if err := o.Discard(dead[1].ID); err != nil {
			t.Error(err)
		}
		finish(t, o)
		o = open(t, outbox.Options{Path: path})
		if dead := o.Dead(); len(dead) != 1 || dead[0].Event != "lost" || len(o.Pending()) != 0 {
			t.Errorf("dead after all: %+v", dead)
		}
		finish(t, o)
	})
}

func TestReplayAndDiscardPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{answer: status(500)}
		o := open(t, outbox.Options{Path: file(t)})
		defer finish(t, o)
		o.SetTargets(map[string]outbox.Sender{"a": s})
		put(t, o, to("a", "x", "1"), to("a", "x", "2"), to("a", "x", "3"))
		time.Sleep(time.Hour)
		n := s.count()
		pending := o.Pending()
		if err := o.Replay(pending[1].ID); err != nil { // 1 stands before it
			t.Error(err)
		}
		synctest.Wait()
		if s.count() != n+1 {
			t.Errorf("%d attempts by a replay", s.count()-n)
		}
		s.set(func(d *outbox.Delivery) outbox.Result {
			if d.Event == "1" {
				return outbox.Result{Status: 500}
			}
			return outbox.Result{Status: 200}
		})
		if err := errors.Join(o.Discard(pending[1].ID), o.Discard(pending[0].ID)); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		same(t, "the last", s.events()[s.count()-1:], []string{"x 3"})
		if err := o.Discard("nobody"); !errors.Is(err, outbox.ErrUnknown) {
			t.Error(err)
		}
	})
}

func TestBestEffort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{answer: status(500)}
		o := open(t, outbox.Options{})
		defer finish(t, o)
		o.SetTargets(map[string]outbox.Sender{"a": s})
		put(t, o, to("a", "x", "1"))
		if err := o.Begin("s", to("a", "x", "end")); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if s.count() != 3 || len(o.Pending()) != 0 || len(o.Dead()) != 0 {
			t.Errorf("%d attempts, %v, %v", s.count(), o.Pending(), o.Dead())
		}
		s.set(nil)
		if err := o.End("s", to("a", "x", "end")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		same(t, "the last", s.events()[3:], []string{"x end"})
	})
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := file(t)
		var log logbook
		o := open(t, outbox.Options{Path: path, MaxDeliveries: 10, Logger: log.logger})
		for i := range 8 {
			end := to("a", fmt.Sprint(i), "end")
			end.End = true
			put(t, o, end, to("a", fmt.Sprint(i), "hls"))
		}
		ends := 0
		for _, d := range o.Pending() {
			if d.End {
				ends++
			}
		}
		if n := len(o.Pending()); n != 10 || ends != 8 || o.Totals().Dropped != 6 {
			t.Errorf("%d pending, %d ends, %+v", n, ends, o.Totals())
		}
		if !strings.Contains(log.String(), "the outbox is full") {
			t.Errorf("the log says: %s", log.String())
		}
		finish(t, o)
		o = open(t, outbox.Options{Path: path, MaxBytes: 10_000})
		if n := len(o.Pending()); n != 10 {
			t.Errorf("%d pending after a restart", n)
		}
		big := to("a", "big", "hls")
		big.Body, big.End = make([]byte, 6000), true
		put(t, o, big)
		if n := len(o.Pending()); n != 7 {
			t.Errorf("%d pending besides a big one", n)
		}
		finish(t, o)
	})
}

// TestReload changes the targets, as another configuration does.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := &sink{took: time.Second}, new(sink)
		o := open(t, outbox.Options{Path: file(t)})
		defer finish(t, o)
		o.SetTargets(map[string]outbox.Sender{"a": before, "b": before})
		put(t, o, to("a", "x", "1"), to("a", "x", "2"), to("b", "x", "1"), to("b", "x", "2"))
		o.SetTargets(map[string]outbox.Sender{"a": after})
		time.Sleep(time.Hour)
		if n := before.count(); n != 2 {
			t.Errorf("the one before has got %d", n)
		}
		same(t, "the one after", after.events(), []string{"x 2"})
		if pending := o.Pending(); len(pending) != 1 || pending[0].Target != "b" {
			t.Errorf("pending: %+v", pending)
		}
		o.SetTargets(map[string]outbox.Sender{"b": after})
		synctest.Wait()
		same(t, "the one after", after.events(), []string{"x 2", "x 2"})
		if targets := o.Targets(); len(targets) != 1 || targets[0].Target != "b" || targets[0].Delivered != 2 {
			t.Errorf("targets: %+v", targets)
		}
	})
}

// TestClose delivers what can be delivered, and keeps the rest.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := file(t)
		s, slow, dead := &sink{took: time.Second}, &sink{took: time.Hour}, &sink{answer: status(500)}
		o := open(t, outbox.Options{Path: path})
		o.SetTargets(map[string]outbox.Sender{"a": s, "slow": slow, "dead": dead})
		put(t, o, to("a", "x", "1"), to("a", "x", "2"), to("a", "x", "3"), to("dead", "x", "1"))
		begun := time.Now()
		if err := o.Close(t.Context()); err != nil || time.Since(begun) != 3*time.Second {
			t.Errorf("close took %s, %v", time.Since(begun), err)
		}
		same(t, "came", s.events(), []string{"x 1", "x 2", "x 3"})

		o = open(t, outbox.Options{Path: path})
		if n := len(o.Pending()); n != 1 {
			t.Errorf("%d pending", n)
		}
		o.SetTargets(map[string]outbox.Sender{"slow": slow})
		put(t, o, to("slow", "x", "1"))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begun = time.Now()
		if err := o.Close(ctx); err != nil || time.Since(begun) != 3*time.Second {
			t.Errorf("close took %s, %v", time.Since(begun), err)
		}
		o = open(t, outbox.Options{Path: path})
		if n := len(o.Pending()); n != 2 {
			t.Errorf("%d pending", n)
		}
		finish(t, o)
	})
}

// TestOrder puts deliveries for several targets and streams, whose attempts fail by chance, and restarts by chance.
// Whatever happens, each arrives, and the first arrivals of a stream are in order.
func TestOrder(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			chance, luck := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
			path := file(t)
			s := new(sink)
			s.answer = func(*outbox.Delivery) outbox.Result {
				s.took = time.Duration(luck.IntN(3000)) * time.Millisecond
				return outbox.Result{Status: []int{200, 201, 500, 404, 503}[luck.IntN(5)]}
			}
			senders := map[string]outbox.Sender{"a": s, "b": s}
			o := open(t, outbox.Options{Path: path})
			o.SetTargets(senders)
			const n = 200
			for i := range n {
				d := to([]string{"a", "b"}[chance.IntN(2)], fmt.Sprint(chance.IntN(4)), fmt.Sprint(i))
				put(t, o, d)
				if chance.IntN(10) == 0 {
					time.Sleep(time.Duration(chance.IntN(5000)) * time.Millisecond)
				}
				if chance.IntN(40) == 0 {
					finish(t, o)
					o = open(t, outbox.Options{Path: path})
					o.SetTargets(senders)
				}
			}
			time.Sleep(12 * time.Hour)
			if pending := o.Pending(); len(pending) != 0 {
				t.Errorf("seed %d: %d are pending", seed, len(pending))
			}
			finish(t, o)
			checkOrder(t, seed, s.got, n)
		})
	}
}

func checkOrder(t *testing.T, seed uint64, got []outbox.Delivery, want int) {
	t.Helper()
	ids := make(map[string]string)
	newest := make(map[string]int)
	for _, d := range got {
		if id, ok := ids[d.Event]; ok {
			if id != d.ID {
				t.Fatalf("seed %d: event %s has the ids %s and %s", seed, d.Event, id, d.ID)
			}
			continue
		}
		ids[d.Event] = d.ID
		var i int
		_, _ = fmt.Sscan(d.Event, &i)
		key := d.Target + d.Stream
		if last, ok := newest[key]; ok && i < last {
			t.Fatalf("seed %d: %d came after %d", seed, i, last)
		}
		newest[key] = i
	}
	if len(ids) != want {
		t.Errorf("seed %d: %d of %d events came", seed, len(ids), want)
	}
}
