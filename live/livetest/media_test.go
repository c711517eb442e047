package livetest_test

import (
	"bytes"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

func TestGOPs(t *testing.T) {
	frames := livetest.GOPs(3)
	var video, audio, keys int
	var last int64
	for _, f := range frames[3:] {
		if !f.Media() {
			t.Fatalf("%s at %d is not media", f.Kind, f.Time)
		}
		if f.Time < last-livetest.FrameInterval {
			t.Errorf("%s at %d after %d", f.Kind, f.Time, last)
		}
		last = max(last, f.Time)
		switch f.Kind {
		case live.KindVideo:
			if f.Key != (f.Time%1000 == 0) {
				t.Errorf("picture at %d: key %v", f.Time, f.Key)
			}
			if f.Key {
				keys++
			}
			video++
		case live.KindAudio:
			audio++
		}
	}
	if video != 75 || keys != 3 || audio != 130 {
		t.Errorf("%d pictures with %d keys and %d of sound, want 75, 3 and 130", video, keys, audio)
	}
}

func TestMediaContinues(t *testing.T) {
	whole := livetest.Media(0, 2)
	parts := append(livetest.Media(0, 1), livetest.Media(1, 2)...)
	if len(whole) != len(parts) {
		t.Fatalf("%d frames in one, %d in two parts", len(whole), len(parts))
	}
	for i := range whole {
		if whole[i].Time != parts[i].Time || !bytes.Equal(whole[i].Body, parts[i].Body) {
			t.Fatalf("frame %d differs", i)
		}
	}
}

func TestConfigs(t *testing.T) {
	for _, f := range livetest.Configs() {
		if !f.Config {
			t.Errorf("%s is no configuration", f.Kind)
		}
	}
	if got := livetest.VideoConfig().Payload(); !bytes.Contains(got, livetest.SPS()) || !bytes.Contains(got, livetest.PPS()) {
		t.Errorf("record %x lacks the parameter sets", got)
	}
}
