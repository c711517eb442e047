package rtmpapp_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

var goingOn = []string{"1: onStatus 0 <nil> NetStream.Seek.Notify{}", "1: onStatus 0 <nil> NetStream.Play.Start{}"}

// A viewer that wants no pictures, or no sound, gets none until it wants them again, and then from a key frame on.
func TestReceive(t *testing.T) {
	w := newWorld(t, nil, nil)
	pub := w.onAir()
	p := w.peer().play("demo")
	p.hear(join(0)...)
	p.hear(picture(0), picture(1), picture(2), picture(3))
	receive := func(kind string, on bool) wire.Message { return wire.Command(1, "receive"+kind, 0, nil, on) }
	p.say(receive("Video", true), receive("Video", false), receive("Video", false)) // the first and the last change nothing
	livetest.Write(t, pub, livetest.Audio(6))
	p.hear("1: onMetaData {}", "1: media 8 @139 af00", "1: media 8 @139 af01")
	livetest.Write(t, pub, livetest.Video(4), livetest.Video(25), livetest.Audio(50))
	p.hear("1: media 8 @1160 af01")
	p.say(receive("Video", true))
	p.hear(goingOn...)
	p.hear(join(1000)...)
	p.hear(picture(25), "1: media 8 @1160 af01")
	p.say(receive("Audio", false))
	p.hear("1: onMetaData {}", "1: media 9 @1000 1700", picture(25))
	livetest.Write(t, pub, livetest.Audio(51), livetest.Video(30))
	p.hear(picture(30))
	p.say(receive("Audio", true))
	p.hear(goingOn...)
}

// There is nothing to seek in a live stream, and nothing to refuse: it goes on at the newest key frame.
func TestSeek(t *testing.T) {
	w := newWorld(t, nil, nil)
	w.onAir()
	p := w.peer().play("demo")
	p.hear(join(0)...)
	p.hear(picture(0), picture(1), picture(2), picture(3))
	p.say(wire.Command(1, "seek", 0, nil, 17000))
	p.hear(goingOn...)
	p.hear(join(0)...)
	p.hear(picture(0))
}

func TestPlayArguments(t *testing.T) {
	for name, c := range map[string]struct {
		args     []any // after the name
		resets   bool
		duration time.Duration
	}{
		"none":               {nil, true, 0},
		"live or recorded":   {[]any{-2000}, true, 0},
		"live":               {[]any{-1000}, true, 0},
		"recorded":           {[]any{0}, true, 0},
		"all of it":          {[]any{-2000, -1}, true, 0},
		"one picture":        {[]any{-2000, 0}, true, 0},
		"five seconds":       {[]any{-2000, 5000}, true, 5 * time.Second},
		"beyond all":         {[]any{-2000, 1e300}, true, 0},
		"no number":          {[]any{"x", "y"}, true, 0},
		"with reset":         {[]any{-2000, -1, true}, true, 0},
		"without reset":      {[]any{-2000, -1, false}, false, 0},
		"something for flag": {[]any{-2000, -1, 3}, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil, nil)
				w.onAir()
				p := w.peer().connect()
				p.say(wire.Command(1, append([]any{"play", 5, nil, "demo"}, c.args...)...))
				begun := time.Now()
				for _, s := range playStart {
					if c.resets || s != playStart[1] {
						p.hear(s)
					}
				}
				p.hear(join(0)...)
				p.hear(picture(0), picture(1), picture(2), picture(3))
				if c.duration == 0 {
					return
				}
				p.hear("1: onPlayStatus NetStream.Play.Complete{}", "1: onStatus 0 <nil> NetStream.Play.Stop{}", "event 1 1", "end")
				near(t, "the end", time.Since(begun), c.duration)
			})
		})
	}
}

// Who comes before the publisher waits for it as long as the app's rule says.
func TestPlayBeforePublish(t *testing.T) {
	timed(t, func(r *live.Rules) { r.Wait = 5 * time.Second }, func(t *testing.T, w *world) {
		p := w.peer().connect()
		p.say(playing("demo"), wire.UserControl(3, 1)) // SetBufferLength comes at once, as from librtmp
		time.Sleep(4 * time.Second)
		w.onAir()
		p.hear(playStart...)
		p.hear(join(0)...)
		begun := time.Now()
		p = w.peer().connect()
		p.say(playing("none"))
		contains(t, "description", p.hearStatus("NetStream.Play.StreamNotFound"), "within 5s")
		p.hear("end")
		near(t, "the end", time.Since(begun), 5*time.Second)
	})
}

// A client that leaves while it waits, for a guard or for a publisher, is not waited for.
func TestLeavesWhileItWaits(t *testing.T) {
	for name, ask := range map[string]wire.Message{"publish": publishing("demo"), "play": playing("demo")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := make(chan struct{})
				w := newWorld(t, nil, func(ctx context.Context, _ *live.Request) (live.Grant, error) {
					close(asked)
					<-ctx.Done()
					return live.Grant{}, context.Cause(ctx)
				})
				p := w.peer().connect()
				p.say(ask, wire.Command(0, "createStream", 9, nil))
				<-asked
				time.Sleep(time.Hour) // no time-out of ours ends a guard
				begun := time.Now()
				_ = p.conn.Close()
				e := w.await(live.EventRefuse)
				isErr(t, "reason", e.Err, io.EOF)
				near(t, "the end", e.Time.Sub(begun), 0)
			})
		})
	}
	t.Run("publisher", func(t *testing.T) {
		timed(t, func(r *live.Rules) { r.Wait = time.Hour }, func(t *testing.T, w *world) {
			p := w.peer().connect()
			p.say(playing("demo"))
			w.await(live.EventPlay)
			_ = p.conn.Close()
			isErr(t, "reason", w.await(live.EventStop).Err, io.EOF)
		})
	})
}

// What a client says while it waits is done when it has its answer.
func TestSaysMoreWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		w := newWorld(t, nil, func(context.Context, *live.Request) (live.Grant, error) {
			<-answer
			return live.Grant{}, nil
		})
		p := w.peer().connect()
		p.say(publishing("demo"))
		time.Sleep(time.Minute)
		p.say(media(livetest.VideoConfig()), media(livetest.Video(0)), wire.Command(0, "createStream", 9, nil))
		time.Sleep(time.Minute)
		close(answer)
		p.hear("event 0 1", "1: onStatus 0 <nil> NetStream.Publish.Start{}", "0: _result 9 <nil> 1")
		equal(t, "frames", w.Hub.Snapshot().Sessions[0].Totals.VideoFrames, 1)
	})
}
