package fmp4

import (
	"slices"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec/codectest"
)

// A chunk of 200 ms as low latency has it: five pictures and about nine frames of sound.
func BenchmarkAppend(b *testing.B) {
	frames := slices.DeleteFunc(codectest.Read(b, codectest.Film{}.Frames(b)), func(f *live.Frame) bool { return !f.Media() })
	var m Muxer
	m.Begin(frames[len(frames)-1].Setup(), frames)
	chunk := frames[:14]
	buf := make([]byte, 0, m.Size(chunk))
	size := len(m.Append(buf, chunk, 200))
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		m.Append(buf[:0], chunk, 200)
	}
}

// Chunks are made without allocations.
func TestAllocations(t *testing.T) {
	frames := slices.DeleteFunc(codectest.Read(t, codectest.Film{Seconds: 1}.Frames(t)), func(f *live.Frame) bool { return !f.Media() })
	var m Muxer
	m.Begin(frames[len(frames)-1].Setup(), frames)
	buf := make([]byte, 0, m.Size(frames))
	m.Append(buf, frames, -1)
	if n := testing.AllocsPerRun(100, func() { m.Append(buf[:0], frames, -1) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
