package load

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A tally counts what the viewers of one protocol receive.
type tally struct {
	protocol Protocol
	viewers  int // at once

	joins    atomic.Int64 // viewers that have come
	active   atomic.Int64 // that receive something now
	bytes    atomic.Int64
	frames   atomic.Int64 // of sound and pictures
	marks    atomic.Int64
	stalls   atomic.Int64
	cut      atomic.Int64 // stuck viewers that the server has ended
	join     histogram    // from the request to the first key frame
	latency  histogram    // from a picture's mark to its arrival, or from a segment's program date-time
	register register
}

// A watch checks what one viewer sees, from its request on. It is for one goroutine; the tally is everybody's.
type watch struct {
	tally *tally
	bytes *atomic.Int64 // of the viewer's place
	stall time.Duration // the gap from which on one is counted
	looks bool          // whether the viewer does, and does not only count

	begins func() // called with the first picture, or the first bytes if the viewer does not look; may be nil

	begun   time.Time
	arrived time.Time // when something came last
	joined  bool      // a key frame has come
	media   bool      // anything has come
	last    [4]clock  // by live.Kind
	marked  bool      // a mark has come
	next    mark      // the one to come
}

// A clock is the newest time stamp of a track.
type clock struct {
	set  bool
	time int64
}

func newWatch(t *tally, bytes *atomic.Int64, stall time.Duration, looks bool) *watch {
	t.joins.Add(1)
	return &watch{tally: t, bytes: bytes, stall: stall, looks: looks, begun: time.Now()}
}

// received counts n bytes that have come in one piece.
func (w *watch) received(n int, now time.Time) {
	w.tally.bytes.Add(int64(n))
	w.bytes.Add(int64(n))
	if w.arrived.IsZero() {
		w.tally.active.Add(1)
		if !w.looks {
			w.begin()
		}
	} else if now.Sub(w.arrived) > w.stall {
		w.tally.stalls.Add(1)
	}
	w.arrived = now
}

func (w *watch) begin() {
	if w.begins != nil {
		w.begins()
	}
}

// leave ends the watch.
func (w *watch) leave() {
	if !w.arrived.IsZero() {
		w.tally.active.Add(-1)
	}
}

// frame looks at a frame of sound or picture: its decoding time as a number of so many bits that may wrap, and the
// beginning of its payload, where its mark would be.
func (w *watch) frame(kind live.Kind, time int64, bits int, key bool, head []byte, now time.Time) {
	w.tally.frames.Add(1)
	w.media = true
	w.pass(kind, time, bits)
	if kind != live.KindVideo {
		return
	}
	if key {
		w.keyFrame(now)
	}
	if m, _, ok := cutMark(head); ok {
		w.mark(m, now)
	}
}

// keyFrame ends the wait for a picture.
func (w *watch) keyFrame(now time.Time) {
	if !w.joined {
		w.joined = true
		w.tally.join.add(now.Sub(w.begun))
		w.begin()
	}
}

// pass checks that time does not go back within a track.
func (w *watch) pass(kind live.Kind, time int64, bits int) {
	c := &w.last[kind]
	if back := (c.time - time) << (64 - bits) >> (64 - bits); c.set && back > 0 {
		w.tally.register.add(1, fmt.Errorf("%s at %d came after %d", kind, time, c.time), faultTime)
	}
	*c = clock{set: true, time: time}
}

// mark checks that no picture of a publisher is missing, and how old it is if it was sent after the viewer had come.
func (w *watch) mark(m mark, now time.Time) {
	w.tally.marks.Add(1)
	if w.marked && m.origin == w.next.origin && m.number != w.next.number {
		n := max(m.number-w.next.number, 1)
		w.tally.register.add(n, fmt.Errorf("picture %d came where %d was expected", m.number, w.next.number), faultMissing)
	}
	w.marked, w.next = true, mark{origin: m.origin, number: m.number + 1}
	w.aged(m.sent, now)
}

// aged adds the latency of something that came into being at a time, if the viewer was there already.
func (w *watch) aged(since, now time.Time) {
	if since.After(w.begun) {
		w.tally.latency.add(now.Sub(since))
	}
}

// restart lets time begin anew, as it may after a discontinuity. The pictures' numbers go on
// if the publisher does.
func (w *watch) restart() { w.last = [4]clock{} }
