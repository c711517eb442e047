package fmp4

import (
	"encoding/binary"
	"slices"
	"testing"

	reader "github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec/codectest"
)

// heads are how the tags of coded frames begin, without composition offset.
var heads = []string{"\x17\x01", "\x91hvc1", "\x91av01", "\x91vp09", "\xaf\x01", "\x2f", "\x91Opus", "\x91fLaC", "\x91ac-3", "\x91ec-3"}

// FuzzAppend makes chunks of frames of each codec with any bytes for a body, under any configuration, at any times. What
// comes out is within the announced size, and a reader that knows nothing of us reads it.
func FuzzAppend(f *testing.F) {
	f.Add(byte(0), livetest.AVCConfig(), []byte("\x00\x00\x00\x02\x65a"), int64(40), int32(80))
	f.Add(byte(1), []byte("\x01"), []byte("\x00\x00\x00\x02\x65a"), int64(40), int32(-80))
	f.Add(byte(2), []byte("\x81\x04\x0c\x00"), []byte("\x12\x00\x0a\x01a"), int64(40), int32(0))
	f.Add(byte(3), []byte("\x00\x0a\x82\x02\x02\x02\x00\x00"), []byte("\x82\x49\x83\x42\x00\x07\xf0\x04\x34"), int64(0), int32(0))
	f.Add(byte(4), livetest.AACConfig(), []byte("a"), int64(-3), int32(0))
	f.Add(byte(5), []byte(nil), []byte("\xff\xfb\x90\x44"), int64(30000), int32(0))
	f.Add(byte(6), []byte("OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00"), []byte("\xfc\xff"), int64(20), int32(0))
	f.Add(byte(7), []byte("fLaC\x80\x00\x00\x22"), []byte("\xff\xf8\xc9\x08\x00\x00"), int64(20), int32(0))
	f.Add(byte(8), []byte(nil), []byte("\x0b\x77\x00\x00\x10\x40\x2f\x84"), int64(32), int32(0))
	f.Add(byte(9), []byte(nil), []byte("\x0b\x77\x00\x00\x34\x86\xff\xe1\x00"), int64(32), int32(0))
	f.Fuzz(func(t *testing.T, which byte, config, body []byte, step int64, offset int32) {
		frames := hostile(t, int(which)%len(heads), config, body, step, offset)
		if len(frames) == 0 {
			return
		}
		var m Muxer
		m.Begin(frames[0].Setup(), frames)
		checkBoxes(t, m.Init())
		b := m.Append(nil, frames, step)
		b = m.Append(b, frames, -1)
		if len(b) > 2*m.Size(frames) {
			t.Fatalf("%d bytes, at most 2*%d were announced", len(b), m.Size(frames))
		}
		checkBoxes(t, b)
		var parts reader.Parts
		if err := parts.Unmarshal(b); err != nil {
			t.Fatalf("%v in %x", err, b)
		}
	})
}

// hostile returns a few frames as a reader of a stream gets them.
func hostile(t *testing.T, which int, config, body []byte, step int64, offset int32) []*live.Frame {
	t.Helper()
	kind, head := live.KindVideo, heads[which]
	if which >= 4 {
		kind = live.KindAudio
	}
	start := []byte(head)
	if len(head) == 2 {
		start[1] = 0
	} else {
		start[0] &= 0xf0
	}
	if which < 2 { // those have a composition offset
		head += string([]byte{byte(offset >> 16), byte(offset >> 8), byte(offset)})
	}
	if which == 0 {
		start = append(start, 0, 0, 0)
	}
	var tags []*live.Frame
	if f, err := live.ParseTag(kind, 0, append(start, config...)); err == nil && config != nil {
		tags = append(tags, f)
	}
	for i := range int64(4) {
		tag := append([]byte(head), body[:int64(len(body))*i/3]...)
		if f, err := live.ParseTag(kind, uint32(step*i), tag); err == nil {
			tags = append(tags, f)
		}
	}
	return slices.DeleteFunc(codectest.Read(t, tags), func(f *live.Frame) bool { return !f.Media() })
}

// containers are the boxes that hold boxes and nothing else.
var containers = []string{"moov", "trak", "mdia", "minf", "dinf", "stbl", "mvex", "moof", "traf"}

// checkBoxes checks that boxes fill b, and so on within.
func checkBoxes(t *testing.T, b []byte) {
	t.Helper()
	for len(b) > 0 {
		if len(b) < 8 || binary.BigEndian.Uint32(b) < 8 || uint64(binary.BigEndian.Uint32(b)) > uint64(len(b)) {
			t.Fatalf("no box: %x", b)
		}
		n := binary.BigEndian.Uint32(b)
		if slices.Contains(containers, string(b[4:8])) {
			checkBoxes(t, b[8:n])
		}
		b = b[n:]
	}
}
