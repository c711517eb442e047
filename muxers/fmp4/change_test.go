package fmp4

import (
	"bytes"
	"slices"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec/codectest"
)

// Another configuration of the picture makes another initialization segment; the sound, which is the same, goes on.
func TestChange(t *testing.T) {
	config := *livetest.VideoConfig()
	config.Body = append(slices.Clone(config.Body), 0)
	config.Time = 1000
	frames := codectest.Read(t, slices.Concat(livetest.GOPs(1), []*live.Frame{&config}, livetest.Media(1, 2)))
	frames = slices.DeleteFunc(frames, func(f *live.Frame) bool { return !f.Media() })
	i := slices.IndexFunc(frames, func(f *live.Frame) bool { return f.Setup() == frames[len(frames)-1].Setup() })
	var m Muxer
	if !m.Begin(frames[i-1].Setup(), frames) || m.Begin(frames[i-1].Setup(), frames) {
		t.Error("the first setup is no news, or twice")
	}
	first := m.Init()
	m.Append(nil, frames[:i], -1)
	end := m.tracks[1].clock.end
	if !m.Begin(frames[i].Setup(), frames[i:]) || bytes.Equal(first, m.Init()) {
		t.Error("another configuration has the same initialization segment")
	}
	m.Append(nil, frames[i:], -1)
	if at := m.tracks[1].samples[0].time; at != end {
		t.Errorf("the sound goes on at %d, it had ended at %d", at, end)
	}
	if m.Picture().String() != "avc1.42c00a" || m.Sound().String() != "mp4a.40.2" {
		t.Errorf("%s and %s", m.Picture(), m.Sound())
	}
}

// A track whose configuration does not tell all is left out until a key frame has come.
func TestTold(t *testing.T) {
	tags, _ := codectest.Film{Video: "vp9", Seconds: 1}.Movie(t)
	frames := slices.DeleteFunc(codectest.Read(t, tags), func(f *live.Frame) bool { return !f.Media() })
	setup := frames[len(frames)-1].Setup()
	var m Muxer
	if m.Begin(setup, nil); m.Picture() != nil || m.Sound() == nil {
		t.Errorf("without a frame %v and %v are carried", m.Picture(), m.Sound())
	}
	if !m.Begin(setup, frames) || m.Picture() == nil {
		t.Error("the key frame has not been seen")
	}
	if m.Begin(setup, nil) {
		t.Error("what was known is so no more")
	}
}

// Without a track that can be carried there is nothing.
func TestNothing(t *testing.T) {
	var m Muxer
	if m.Begin(nil, nil) || m.Init() != nil || len(m.Append(nil, nil, -1)) > 0 || m.Picture() != nil || m.Sound() != nil {
		t.Error("something out of nothing")
	}
}
