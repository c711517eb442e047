package fmp4

import "github.com/caddy-rtmp/caddy-rtmp/live"

// A clock places the frames of one track in time, in ticks. See the package's comment for its rules.
type clock struct {
	running bool
	end     int64 // where the last sample ends: nothing later begins before
	step    int64 // between the last two samples
	before  int64 // between the two before
}

// Bounds of what a clock bridges.
const (
	maxDrift   = 40  // of sound, in milliseconds
	minDrift   = 2   // likewise: what rounding to milliseconds makes, twice
	maxStretch = 100 // of a picture whose length was guessed
	usualStep  = 40  // the length of a picture of which nothing is known
)

// ticks returns a stream time of milliseconds and nanoseconds, to the nearest tick.
func (t *track) ticks(ms int64, nano uint32) int64 {
	scale := int64(t.scale)
	return (ms*scale + (int64(nano)*scale+5e5)/1e6 + 500) / 1000
}

func (t *track) stamp(f *live.Frame) int64 { return t.ticks(f.Time, f.Nano) }

func (t *track) millis(n int64) int64 { return n * int64(t.scale) / 1000 }

// nominal returns how long f plays by itself, 0 if only the next one tells.
func (t *track) nominal(f *live.Frame) int64 {
	if t.sound == nil {
		return 0
	}
	return int64(t.sound.Samples(f.Payload()))
}

// place returns where a frame begins that comes first in a chunk: where the track has ended, unless frames are missing.
func (t *track) place(f *live.Frame) int64 {
	stamp := t.stamp(f)
	if !t.clock.running {
		return stamp
	}
	if t.sound != nil && t.near(f, stamp, t.clock.end) {
		return t.clock.end
	}
	if t.sound == nil && stamp-t.clock.end < t.millis(maxStretch) {
		return t.clock.end
	}
	return max(stamp, t.clock.end)
}

// follow returns where a frame begins that comes in a chunk after the sample s.
func (t *track) follow(f *live.Frame, s *sample) int64 {
	stamp := t.stamp(f)
	if n := t.nominal(s.frame); n > 0 && t.near(f, stamp, s.time+n) {
		return s.time + n
	}
	return max(stamp, s.time+1)
}

// near tells whether a stamp of sound is what rounding and a source's jitter make of a time: less than three quarters of a
// frame away from it.
func (t *track) near(f *live.Frame, stamp, expected int64) bool {
	drift := max(min(t.nominal(f)*3/4, t.millis(maxDrift)), t.millis(minDrift))
	return expected-stamp <= drift && stamp-expected <= drift
}

// arrange gives the samples of a chunk their times. end is where the chunk ends, in milliseconds; negative if not known.
func (t *track) arrange(end int64) {
	n := len(t.samples)
	if n == 0 {
		return
	}
	t.samples[0].time = t.place(t.samples[0].frame)
	for i := 1; i < n; i++ {
		s := &t.samples[i-1]
		t.samples[i].time = t.follow(t.samples[i].frame, s)
		t.close(s, t.samples[i].time)
	}
	last := &t.samples[n-1]
	switch {
	case t.sound != nil:
		t.close(last, t.soundEnd(last))
	case end >= 0:
		t.close(last, t.ticks(end, 0))
	default:
		t.close(last, last.time+t.clock.guess(t.millis(usualStep)))
	}
	t.clock.running, t.clock.end = true, last.time+last.length
}

// soundEnd returns where the last frame of sound of a chunk ends: where its codec says, but earlier if it began too late for
// its time stamp, so that what follows is not late as well.
func (t *track) soundEnd(s *sample) int64 {
	n, stamp := t.nominal(s.frame), t.stamp(s.frame)
	if t.near(s.frame, stamp, s.time) {
		return s.time + n
	}
	return stamp + n
}

// close ends a sample.
func (t *track) close(s *sample, end int64) {
	s.length = max(end-s.time, 1)
	t.clock.before, t.clock.step = t.clock.step, s.length
	if t.sound == nil {
		s.offset = t.stamp(s.frame) + int64(s.frame.Offset)*videoScale/1000 - s.time
	}
}

// guess returns the lesser of the last two distances, so that one hole does not count.
func (c *clock) guess(usual int64) int64 {
	switch {
	case c.step == 0:
		return usual
	case c.before == 0:
		return c.step
	}
	return min(c.step, c.before)
}
