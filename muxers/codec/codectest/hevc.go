package codectest

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// hevc turns a byte stream without B-frames into the tags of Enhanced RTMP, the configuration first.
func hevc(t testing.TB, b []byte) []*live.Frame {
	t.Helper()
	sets := map[byte][]byte{}
	var frames []*live.Frame
	for unit := range bytes.SplitSeq(b, []byte{0, 0, 1}) {
		unit = bytes.TrimRight(unit, "\x00")
		if len(unit) < 3 {
			continue
		}
		kind := unit[0] >> 1 & 0x3f
		switch {
		case kind >= 32 && kind <= 34:
			sets[kind] = unit
		case kind < 32:
			if len(frames) == 0 {
				frames = append(frames, tag(t, 0, true, 0, hevcRecord(sets)))
			}
			time := uint32(len(frames)-1) * 1000 / rate
			frames = append(frames, tag(t, time, kind >= 16 && kind <= 21, 3, sized(unit)))
		}
	}
	return frames
}

// tag returns a frame of HEVC: of packet type 0, the sequence start, or 3, coded frames without an offset.
func tag(t testing.TB, time uint32, key bool, packet byte, payload []byte) *live.Frame {
	t.Helper()
	head := byte(0x80 | 2<<4)
	if key {
		head = 0x80 | 1<<4
	}
	f, err := live.ParseTag(live.KindVideo, time, append([]byte{head | packet, 'h', 'v', 'c', '1'}, payload...))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func sized(unit []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(unit))), unit...)
}

// hevcRecord makes a HEVCDecoderConfigurationRecord; profile and level are where they stand in the SPS.
func hevcRecord(sets map[byte][]byte) []byte {
	sps := bytes.ReplaceAll(sets[33], []byte{0, 0, 3}, []byte{0, 0})
	b := append([]byte{1}, sps[3:15]...)
	b = append(b, 0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, 3)
	for kind := byte(32); kind <= 34; kind++ {
		b = append(b, 0x80|kind, 0, 1, byte(len(sets[kind])>>8), byte(len(sets[kind])))
		b = append(b, sets[kind]...)
	}
	return b
}
