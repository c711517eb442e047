package rtmpapp_test

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// onAir returns a publisher of demo that has written a key frame and three more pictures.
func (w *world) onAir() *live.Publisher {
	w.t.Helper()
	pub := livetest.Publish(w.t, w.Hub, livetest.Key)
	livetest.Write(w.t, pub, livetest.Configs()...)
	for n := range 4 {
		livetest.Write(w.t, pub, livetest.Video(n))
	}
	return pub
}

// picture is how a viewer hears the n-th picture.
func picture(n int) string {
	head := "2701"
	if n%livetest.GOPFrames == 0 {
		head = "1701"
	}
	return fmt.Sprintf("1: media 9 @%d %s", n*livetest.FrameInterval, head)
}

// join is what a viewer of onAir hears first. The configurations are dated as the key frame is.
func join(time int) []string {
	return []string{
		"1: onMetaData {}",
		fmt.Sprintf("1: media 9 @%d 1700", time), fmt.Sprintf("1: media 8 @%d af00", time),
	}
}

func TestPlay(t *testing.T) {
	w := newWorld(t, nil, nil)
	pub := w.onAir()
	p := w.peer().play("demo")
	p.hear(join(0)...)
	p.hear(picture(0), picture(1), picture(2), picture(3))
	livetest.Write(t, pub, livetest.Video(4))
	p.hear(picture(4))
	late := w.peer().play("demo")
	late.hear(join(0)...)
	late.hear(picture(0), picture(1))
	p.say(wire.Command(0, "deleteStream", 0, nil, 1))
	e := w.await(live.EventStop)
	equal(t, "sent", e.Session.Totals.Sent > 0, true)
	p.say(playing("demo")) // and again on the same connection
	p.hear(playStart...)
	p.hear(join(0)...)
}

func TestPlayListGoesOn(t *testing.T) {
	w := newWorld(t, nil, nil)
	w.onAir()
	p := w.peer().play("demo")
	p.say(playing("demo"))
	w.await(live.EventStop)
	w.awaitNth(live.EventPlay, 2)
	p.hearStatus("NetStream.Play.Reset")
}

func TestPlayNotFound(t *testing.T) {
	p := newWorld(t, nil, nil).peer().connect()
	p.say(playing("demo"))
	contains(t, "description", p.hearStatus("NetStream.Play.StreamNotFound"), "no publisher is on air for /live/demo")
	p.hear("end")
}

// The feeds that viewers can have made are few.
func TestPlayOnOddMessageStreams(t *testing.T) {
	w := newWorld(t, nil, nil)
	w.onAir()
	p := w.peer().connect()
	p.say(wire.Command(9, "play", 0, nil, "demo"))
	p.hear("9: onStatus 0 <nil> NetStream.Play.Failed{}")
	p.say(wire.Command(8, "play", 0, nil, "demo"))
	p.hear("event 0 8", "8: onStatus 0 <nil> NetStream.Play.Reset{}")
}

func TestPause(t *testing.T) {
	w := newWorld(t, nil, nil)
	pub := w.onAir()
	p := w.peer().play("demo")
	p.hear(join(0)...)
	p.hear(picture(0), picture(1), picture(2), picture(3))
	pause := func(on bool) wire.Message { return wire.Command(1, "pause", 0, nil, on, 0) }
	p.say(pause(false), pause(true), pause(true)) // the first and the last change nothing
	p.hear("1: onStatus 0 <nil> NetStream.Pause.Notify{}")
	livetest.Write(t, pub, livetest.Video(4), livetest.Video(25), livetest.Video(26))
	p.say(wire.Command(1, "pause", 0, nil))
	p.say(pause(false))
	p.hear("1: onStatus 0 <nil> NetStream.Unpause.Notify{}")
	p.hear(join(1000)...)
	p.hear(picture(25), picture(26))

	p.say(pause(true))
	p.hear("1: onStatus 0 <nil> NetStream.Pause.Notify{}")
	pub.Close(nil)
	p.hear(playEnd...)
}

var playEnd = []string{
	"1: onStatus 0 <nil> NetStream.Play.UnpublishNotify{}", "1: onStatus 0 <nil> NetStream.Play.Stop{}", "event 1 1", "end",
}

func TestPlayEndsWithTheStream(t *testing.T) {
	w := newWorld(t, nil, nil)
	pub := w.onAir()
	p := w.peer().play("demo")
	p.hear(join(0)...)
	livetest.Write(t, pub, livetest.Video(4))
	pub.Close(nil)
	for n := range 5 {
		p.hear(picture(n)) // to the last one
	}
	p.hear(playEnd...)
	isErr(t, "reason", w.await(live.EventStop).Err, live.ErrEnded)
}

func TestKickedViewer(t *testing.T) {
	w := newWorld(t, nil, nil)
	w.onAir()
	p := w.peer().play("demo")
	p.hear(join(0)...)
	w.Hub.Kick(w.await(live.EventPlay).Session.ID)
	equal(t, "description", p.hearStatus("NetStream.Play.Failed"), "kicked")
	p.hear("end")
	isErr(t, "reason", w.await(live.EventStop).Err, live.ErrKicked)
}

// pass lets time pass on a fake clock.
func pass(d time.Duration) { time.Sleep(d) }

// timed runs f on the fake clock.
func timed(t *testing.T, rules func(*live.Rules), f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t, rules, nil)) })
}

// near checks a time with the second of grace that deadlines have.
func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got < want || got > want+2*time.Second {
		t.Errorf("%s came after %s, not %s", what, got, want)
	}
}

// stuck makes the peer read nothing until the returned function is called.
func (p *peer) stuck() (release func()) {
	p.hold <- struct{}{}
	return func() { <-p.hold }
}

func TestSlowViewer(t *testing.T) {
	timed(t, func(r *live.Rules) { r.WriteTimeout = 3 * time.Second }, func(t *testing.T, w *world) {
		pub := w.onAir()
		p := w.peer().play("demo")
		p.hear(join(0)...)
		release := p.stuck()
		begun := time.Now()
		for n := 4; n < 10; n++ {
			livetest.Write(t, pub, livetest.Video(n))
			time.Sleep(time.Second)
		}
		e := w.await(live.EventStop)
		isErr(t, "reason", e.Err, live.ErrSlow)
		near(t, "the end", e.Time.Sub(begun), 3*time.Second)
		release()
		p.hearEnd()
	})
}

// What a viewer that takes nothing is kicked from, or leaves from, is not waited for.
func TestStuckViewerEnds(t *testing.T) {
	ends := map[string]func(w *world, p *peer){
		"kick":  func(w *world, _ *peer) { w.Hub.Kick(w.await(live.EventPlay).Session.ID) },
		"leave": func(_ *world, p *peer) { _ = p.conn.Close() },
		"hub":   func(w *world, _ *peer) { go func() { _ = w.Hub.Close(w.t.Context()) }() },
		"chunk": func(_ *world, p *peer) { _, _ = p.conn.Write([]byte{0xff}) },
	}
	for name, end := range maps.Clone(ends) {
		ends[name+" in a write"] = end
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			timed(t, func(r *live.Rules) { r.WriteTimeout = 0 }, func(t *testing.T, w *world) {
				pub := w.onAir()
				p := w.peer().play("demo")
				p.hear(join(0)...)
				release := p.stuck()
				livetest.Write(t, pub, livetest.Video(4))
				time.Sleep(time.Hour)
				if strings.HasSuffix(name, "in a write") {
					livetest.Write(t, pub, livetest.Video(5))
					time.Sleep(time.Second)
				}
				begun := time.Now()
				end(w, p)
				e := w.await(live.EventStop)
				equal(t, "the end came in time", e.Time.Sub(begun) <= time.Second, true)
				release()
				p.hearEnd()
			})
		})
	}
}

func TestSilentPublisher(t *testing.T) {
	for _, c := range []struct {
		name  string
		sends []*live.Frame
		limit time.Duration
	}{
		{"nothing", nil, 20 * time.Second},
		{"metadata alone", []*live.Frame{livetest.Metadata()}, 20 * time.Second},
		{"some", livetest.GOPs(1), 7 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			timed(t, func(r *live.Rules) { r.IdleTimeout = 7 * time.Second }, func(t *testing.T, w *world) {
				p := w.peer().publish("demo")
				begun := time.Now()
				for _, f := range c.sends {
					p.say(media(f))
				}
				contains(t, "description", p.hearStatus("NetStream.Publish.Rejected"), "no audio or video came for "+c.limit.String())
				p.hear("end")
				near(t, "the end", time.Since(begun), c.limit)
				err := w.await(live.EventUnpublish).Err
				isErr(t, "reason", err, live.ErrIdle)
				contains(t, "reason", err.Error(), "no audio or video came for "+c.limit.String())
			})
		})
	}
}

// A publisher that sends now and then stays.
func TestSlowPublisher(t *testing.T) {
	timed(t, nil, func(t *testing.T, w *world) {
		p := w.peer().publish("demo")
		p.say(media(livetest.VideoConfig()))
		for n := range 20 {
			time.Sleep(9 * time.Second)
			p.say(media(livetest.Video(n)))
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		equal(t, "events", len(w.events), 1)
	})
}

func TestTimeouts(t *testing.T) {
	for name, c := range map[string]struct {
		begin func(p net.Conn)
		limit time.Duration
	}{
		"nothing":            {func(net.Conn) {}, 5 * time.Second},
		"half of C1":         {func(c net.Conn) { _, _ = c.Write(append([]byte{3}, make([]byte, 99)...)) }, 5 * time.Second},
		"handshake alone":    {func(c net.Conn) { _ = wire.Connect(c) }, 10 * time.Second},
		"half of a command":  {func(c net.Conn) { _ = wire.Connect(c); _, _ = c.Write(chunks(connectTo("live"))[:20]) }, 10 * time.Second},
		"media for a minute": {talk, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			timed(t, nil, func(t *testing.T, w *world) {
				ours, theirs := net.Pipe()
				begun := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() { c.begin(ours) })
				_ = w.ServeConn(theirs)
				near(t, "the end", time.Since(begun), c.limit)
				_ = ours.Close()
				wg.Wait()
			})
		})
	}
}

// talk sends what needs no publisher.
func talk(c net.Conn) {
	_ = wire.Connect(c)
	for range 60 {
		if _, err := c.Write(chunks(media(livetest.Video(0)))); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

func TestAfterUnpublishTheConnectTimeoutHolds(t *testing.T) {
	timed(t, nil, func(t *testing.T, w *world) {
		p := w.peer().publish("demo")
		p.say(media(livetest.VideoConfig()), wire.Command(0, "deleteStream", 0, nil, 1))
		begun := time.Now()
		p.hear("1: onStatus 0 <nil> NetStream.Unpublish.Success{}", "0: onStatus 0 <nil> NetStream.Failed{}", "end")
		near(t, "the end", time.Since(begun), 10*time.Second)
	})
}

// multitrack returns the tags of an encoder that sends two pictures and two sounds, with a main one of each kind.
func multitrack() []wire.Message {
	video := func(body string) wire.Message {
		return wire.Message{Type: wire.TypeVideo, Stream: 1, Body: []byte(body)}
	}
	audio := func(body string) wire.Message {
		return wire.Message{Type: wire.TypeAudio, Stream: 1, Body: []byte(body)}
	}
	return []wire.Message{
		video("\x90av01V0"), video("\x96\x00av01\x01V1"), audio("\xaf\x00A0"), audio("\x95\x00mp4a\x01A1"),
		video("\x93av01k0"), video("\x96\x03av01\x01k1"), audio("\xaf\x01a0"), audio("\x95\x01mp4a\x01a1"),
	}
}

// TestMultitrack has players get the main tracks, those they name, or all of them if they can tell them apart.
func TestMultitrack(t *testing.T) {
	for _, c := range []struct {
		name   string
		caps   float64
		wanted []string
	}{
		{"demo", 0, []string{"\xaf\x00A0", "\x90av01V0", "\x93av01k0", "\xaf\x01a0"}},
		{"demo?video_track=1&audio_track=1", 0, []string{"\x90av01V1", "\x90mp4aA1", "\x93av01k1", "\x91mp4aa1"}},
		{"demo?video=0", 14, []string{"\xaf\x00A0", "\xaf\x01a0"}},
		{"demo", 14, []string{
			"\x90av01V0", "\xaf\x00A0", "\x96\x00av01\x01V1", "\x95\x00mp4a\x01A1",
			"\x93av01k0", "\x96\x03av01\x01k1", "\xaf\x01a0", "\x95\x01mp4a\x01a1",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil, nil)
			w.peer().publish("demo").say(multitrack()...)
			p := w.peer()
			p.say(wire.Command(0, "connect", 1, wire.Object{{Key: "app", Value: "live"}, {Key: "capsEx", Value: c.caps}}))
			p.hear(connected...)
			p.say(playing(c.name))
			var got []string
			for len(got) < len(c.wanted) {
				m, ok := p.next()
				if !ok {
					t.Fatalf("the connection ended after %q", got)
				}
				if m.Type == wire.TypeVideo || m.Type == wire.TypeAudio {
					got = append(got, string(m.Body))
				}
			}
			slices.Sort(got)
			slices.Sort(c.wanted)
			equal(t, "tags", fmt.Sprintf("%q", got), fmt.Sprintf("%q", c.wanted))
		})
	}
	p := newWorld(t, nil, nil).peer().connect()
	p.say(playing("demo?video_track=x"))
	equal(t, "description", p.hearStatus("NetStream.Play.StreamNotFound"), "video_track must be a number from 0 to 255")
}

// TestEnhancedConnect has clients of Enhanced RTMP told what is understood, and nobody else.
func TestEnhancedConnect(t *testing.T) {
	for _, c := range []struct {
		asks wire.Property
		told bool
	}{
		{wire.Property{Key: "fourCcList", Value: []any{"hvc1", "av01"}}, true},
		{wire.Property{Key: "videoFourCcInfoMap", Value: wire.Object{{Key: "*", Value: 4}}}, true},
		{wire.Property{Key: "capsEx", Value: 2}, true},
		{wire.Property{Key: "videoCodecs", Value: 252}, false},
	} {
		p := newWorld(t, nil, nil).peer()
		p.say(wire.Command(0, "connect", 1, wire.Object{{Key: "app", Value: "live"}, c.asks}))
		o := p.hearConnected()
		if !c.told {
			equal(t, "told", o.Get("capsEx"), nil)
			continue
		}
		equal(t, "extensions", o.Get("capsEx"), any(float64(2|4|8)))
		list, _ := o.Get("fourCcList").([]any)
		for _, name := range []string{"avc1", "hvc1", "av01", "vp09", "Opus", "fLaC", "ac-3", "ec-3"} {
			equal(t, "lists "+name, slices.Contains(list, any(name)), true)
		}
		for _, key := range []string{"videoFourCcInfoMap", "audioFourCcInfoMap"} {
			codecs, _ := o.Get(key).(wire.Object)
			equal(t, "forwards all of "+key, codecs.Get("*"), any(float64(4)))
		}
	}
}
