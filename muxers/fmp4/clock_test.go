package fmp4

import (
	"slices"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec/codectest"
)

// timed returns pictures or frames of sound of the synthetic stream at the given times.
func timed(t *testing.T, kind live.Kind, times ...uint32) []*live.Frame {
	t.Helper()
	config, body := livetest.AudioConfig(), livetest.AudioTag()
	if kind == live.KindVideo {
		config, body = livetest.VideoConfig(), livetest.VideoTag(0)
	}
	tags := []*live.Frame{config}
	for _, ms := range times {
		f, err := live.ParseTag(kind, ms, slices.Clone(body))
		if err != nil {
			t.Fatal(err)
		}
		tags = append(tags, f)
	}
	return slices.DeleteFunc(codectest.Read(t, tags), func(f *live.Frame) bool { return !f.Media() })
}

// placed returns the times and lengths, in ticks, of frames that come in chunks of n.
func placed(t *testing.T, frames []*live.Frame, n int) (times, lengths []int64) {
	t.Helper()
	var m Muxer
	m.Begin(frames[0].Setup(), frames)
	for chunk := range slices.Chunk(frames, n) {
		m.Append(nil, chunk, -1)
		for _, s := range m.tracks[0].samples {
			times, lengths = append(times, s.time), append(lengths, s.length)
		}
	}
	return times, lengths
}

// Sound whose time stamps are rounded, or shake by a few milliseconds, has no gaps and no overlaps.
func TestSoundRunsOn(t *testing.T) {
	for _, n := range []int{1, 3, 100} {
		times, lengths := placed(t, timed(t, live.KindAudio, 0, 23, 46, 75, 90, 116, 139, 163), n)
		for i := range times {
			if times[i] != int64(i)*1024 || lengths[i] != 1024 {
				t.Errorf("frame %d at %d for %d", i, times[i], lengths[i])
			}
		}
	}
}

// A hole in the sound stays one: the frame before it is stretched within a chunk, and between chunks nothing is there.
func TestHoleInSound(t *testing.T) {
	frames := timed(t, live.KindAudio, 0, 23, 1000, 1023)
	times, lengths := placed(t, frames, 4)
	if !slices.Equal(times, []int64{0, 1024, 44100, 45124}) || !slices.Equal(lengths, []int64{1024, 43076, 1024, 1024}) {
		t.Errorf("in one chunk at %v for %v", times, lengths)
	}
	times, lengths = placed(t, frames, 2)
	if !slices.Equal(times, []int64{0, 1024, 44100, 45124}) || !slices.Equal(lengths, []int64{1024, 1024, 1024, 1024}) {
		t.Errorf("in two chunks at %v for %v", times, lengths)
	}
}

// Sound that falls behind, since the source dates it by another clock, is pulled back when it is too far off, and no frame
// begins before the one before it has.
func TestSoundFallsBehind(t *testing.T) {
	var stamps []uint32
	for i := range uint32(200) {
		stamps = append(stamps, i*20)
	}
	for _, n := range []int{1, 5, 500} {
		times, lengths := placed(t, timed(t, live.KindAudio, stamps...), n)
		for i := range times {
			if i > 0 && times[i] != times[i-1]+lengths[i-1] {
				t.Fatalf("frame %d at %d, the one before ended at %d", i, times[i], times[i-1]+lengths[i-1])
			}
			if off := times[i] - int64(stamps[i])*441/10; off > 2*1024 || off < -1024 {
				t.Fatalf("frame %d is off by %d", i, off)
			}
		}
	}
}

// Pictures appear when their time stamps say, and chunks join to the tick, also where the last length was guessed wrongly.
func TestPicturesJoin(t *testing.T) {
	stamps := []uint32{0, 33, 67, 100, 120, 200, 233, 250, 267, 300, 300, 301}
	for _, n := range []int{1, 2, 3, 100} {
		frames := timed(t, live.KindVideo, stamps...)
		var m Muxer
		m.Begin(frames[0].Setup(), frames)
		end, i := int64(0), 0
		for chunk := range slices.Chunk(frames, n) {
			m.Append(nil, chunk, -1)
			for _, s := range m.tracks[0].samples {
				if s.time != end || s.length < 1 {
					t.Errorf("%d at a time: picture %d at %d for %d, the one before ended at %d", n, i, s.time, s.length, end)
				}
				if s.time+s.offset != int64(stamps[i])*90 {
					t.Errorf("%d at a time: picture %d is shown at %d", n, i, s.time+s.offset)
				}
				end = s.time + s.length
				i++
			}
		}
	}
}

// Where frames are missing, the next chunk begins at its time; the same behind a Reset, even if that is earlier.
func TestPicturesLeap(t *testing.T) {
	frames := timed(t, live.KindVideo, 0, 40, 5000, 5040)
	times, _ := placed(t, frames, 2)
	if !slices.Equal(times, []int64{0, 3600, 450000, 453600}) {
		t.Errorf("pictures at %v", times)
	}
	var m Muxer
	m.Begin(frames[0].Setup(), frames)
	m.Append(nil, frames[2:], -1)
	m.Reset()
	m.Append(nil, frames[:2], -1)
	if at := m.tracks[0].samples[0].time; at != 0 {
		t.Errorf("behind a reset at %d", at)
	}
}
