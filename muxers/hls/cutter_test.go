package hls

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec/codectest"
)

// dated returns the frame at another time.
func dated(f *live.Frame, ms int64) *live.Frame {
	g := *f
	g.Time = ms
	return &g
}

// pictures returns pictures of 40 ms from one time to another, with key frames at the given ones.
func pictures(from, to int64, keys func(ms int64) bool) (frames []*live.Frame) {
	for ms := from; ms < to; ms += 40 {
		n := 1
		if keys(ms) {
			n = 0
		}
		frames = append(frames, dated(livetest.Video(n), ms))
	}
	return frames
}

// sounds returns frames of sound of about 23 ms.
func sounds(from, to int64) (frames []*live.Frame) {
	for n := int64(0); ; n++ {
		ms := from + n*1024*1000/44100
		if ms >= to {
			return frames
		}
		frames = append(frames, dated(livetest.Audio(0), ms))
	}
}

func every(gop int64) func(int64) bool { return func(ms int64) bool { return ms%gop == 0 } }

// mixed sorts frames by time.
func mixed(lists ...[]*live.Frame) []*live.Frame {
	all := slices.Concat(lists...)
	slices.SortStableFunc(all, func(a, b *live.Frame) int { return int(a.Time - b.Time) })
	return all
}

// cuts runs a cutter over the frames, as a stream hands them out, and writes down what it does: lengths in milliseconds,
// and | for a discontinuity. The last length is that of the end.
func cuts(t *testing.T, wanted int64, frames []*live.Frame) (string, *cutter) {
	t.Helper()
	c := &cutter{wanted: wanted, longest: 10_000}
	var out []string
	note := func(d cut) {
		if d.ends {
			out = append(out, fmt.Sprint(d.length))
		}
		if d.seam {
			out = append(out, "|")
		}
	}
	for _, f := range codectest.Read(t, frames) {
		if f.Media() {
			note(c.next(f, false))
		}
	}
	note(c.end())
	return strings.Join(out, " "), c
}

func TestCutter(t *testing.T) {
	av := livetest.Configs()
	v := av[:2]
	a := []*live.Frame{livetest.AudioConfig()}
	changed := *livetest.VideoConfig()
	changed.Body = append(slices.Clone(changed.Body), 0)
	none := func(int64) bool { return false }
	for _, tt := range []struct {
		name   string
		wanted int64
		frames []*live.Frame
		want   string
		target int64
	}{
		{"GOPs of the wanted length", 2000, slices.Concat(av, mixed(pictures(0, 8000, every(2000)), sounds(0, 8000))), "2000 2000 2000 2000", 2},
		{"GOPs of half the length", 2000, slices.Concat(v, pictures(0, 6000, every(1000))), "2000 2000 2000", 2},
		{"GOPs a little shorter", 2000, slices.Concat(v, pictures(0, 6000, every(1920))), "1920 1920 1920 240", 2},
		{"long GOPs fix a long target", 2000, slices.Concat(v, pictures(0, 12000, every(4000))), "4000 4000 4000", 4},
		{"a longer GOP later is cut", 2000, slices.Concat(v, pictures(0, 2000, every(2000)), pictures(2000, 12000, func(ms int64) bool { return (ms-2000)%8000 == 0 })), "2000 2480 2480 2480 560 2000", 2},
		{"a GOP that would overstep is not begun", 2000, slices.Concat(v, pictures(0, 2000, every(2000)), pictures(2000, 8000, func(ms int64) bool { return (ms-2000)%1520 == 0 })), "2000 1520 1520 1520 1440", 2},
		{"one endless GOP", 2000, slices.Concat(v, pictures(0, 24000, func(ms int64) bool { return ms == 0 })), "10000 10480 3520", 10},
		{"sound alone", 2000, slices.Concat(a, sounds(0, 6000)), "2020 2020 1973", 2},
		{"the picture stops", 2000, slices.Concat(av, mixed(pictures(0, 3000, every(2000)), sounds(0, 9000))), "2000 2481 2484 2044", 2},
		{"late sound belongs to the beginning", 2000, slices.Concat(v, pictures(0, 200, every(2000)), a, mixed(sounds(200, 4000), pictures(200, 4000, every(2000)))), "2000 2000", 2},
		{"sound that comes later does not", 2000, slices.Concat(v, pictures(0, 1600, every(2000)), a, mixed(sounds(1600, 4000), pictures(1600, 4000, every(2000)))), "1600 | 2400", 2},
		{"a new configuration", 2000, slices.Concat(v, pictures(0, 3000, every(2000)), []*live.Frame{&changed}, pictures(3000, 5000, every(1000))), "2000 1000 | 2000", 2},
		{"a hole in time", 2000, slices.Concat(v, pictures(0, 3000, every(2000)), pictures(9000, 11000, every(1000))), "2000 1000 | 2000", 2},
		{"no key frame after the hole", 2000, slices.Concat(v, pictures(0, 2000, every(2000)), pictures(9000, 10000, none)), "2000 | 1000", 2},
		{"a single picture", 2000, slices.Concat(v, pictures(0, 40, every(2000))), "1", 2},
		{"half a second wanted more", 2500, slices.Concat(v, pictures(0, 6000, every(1000))), "3000 3000", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, c := cuts(t, tt.wanted, tt.frames)
			if got != tt.want || c.target != tt.target {
				t.Errorf("got %s, target %d; want %s, target %d", got, c.target, tt.want, tt.target)
			}
		})
	}
}

// A reader that has skipped, a huge GOP and an empty cutter.
func TestCutterEdges(t *testing.T) {
	frames := codectest.Read(t, append(livetest.Configs()[:2], pictures(0, 4000, every(1000))...))
	c := &cutter{wanted: 2000, longest: 10_000}
	if d := c.end(); d.ends {
		t.Errorf("an empty cutter ends something: %+v", d)
	}
	for _, f := range frames {
		if !f.Media() {
			continue
		}
		d := c.next(f, f.Time == 1000)
		if want := f.Time == 1000; d.ends != want && f.Time <= 1000 || d.seam != want {
			t.Errorf("at %d: %+v", f.Time, d)
		}
		if f.Time == 2000 {
			c.bytes = maxSegmentBytes + 1
		}
		if f.Time == 2040 && (!d.ends || d.length != 1040) {
			t.Errorf("a huge segment goes on: %+v", d)
		}
	}
}

// Whatever comes, no segment is longer than the target duration says, and none is empty.
func FuzzCutter(f *testing.F) {
	f.Add([]byte{1, 40, 0, 40, 0, 40, 1, 255, 2, 23, 3, 200})
	f.Fuzz(func(t *testing.T, script []byte) {
		frames := livetest.Configs()
		now := int64(0)
		for ; len(script) >= 2; script = script[2:] {
			now += int64(script[1]) * int64(script[0]>>4+1)
			switch script[0] & 3 {
			case 0, 1:
				frames = append(frames, dated(livetest.Video(1-int(script[0]&1)), now))
			case 2:
				frames = append(frames, dated(livetest.Audio(0), now))
			default:
				frames = append(frames, livetest.VideoConfig())
			}
		}
		c := &cutter{wanted: 2000, longest: 10_000}
		check := func(d cut) {
			if d.ends && (d.length < 1 || d.length > c.limit()) {
				t.Errorf("a segment of %d ms, limit %d", d.length, c.limit())
			}
		}
		for _, f := range codectest.Read(t, frames) {
			if f.Media() {
				check(c.next(f, false))
			}
		}
		check(c.end())
	})
}
