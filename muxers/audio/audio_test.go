package audio_test

import (
	"bytes"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/audio"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec/codectest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/httplive"
)

// TestFFprobe has ffprobe find every frame of a film's sound.
func TestFFprobe(t *testing.T) {
	for name, c := range map[string]struct {
		film   codectest.Film
		format httplive.Format
	}{
		"aac": {codectest.Film{Seconds: 1, BFrames: 2}, audio.AAC()},
		"mp3": {codectest.Film{Seconds: 1, Audio: "mp3"}, audio.MP3()},
	} {
		t.Run(name, func(t *testing.T) {
			frames := codectest.Read(t, c.film.Frames(t))
			var b []byte
			want := 0
			m := c.format.New(live.View{})
			for _, f := range frames {
				n := len(b)
				b = m.AppendFrame(b, f)
				if size := len(b) - n; size > m.Size(f) {
					t.Fatalf("%d bytes, bound %d", size, m.Size(f))
				}
				if f.Kind == live.KindAudio && f.Media() {
					want++
				}
			}
			if len(m.Header(frames[0].Setup(), nil, 0)) != 0 {
				t.Error("there is a header")
			}
			cmd := exec.Command("ffprobe", "-v", "error", "-f", name, "-count_packets", "-show_entries", "stream=codec_name,nb_read_packets", "-of", "csv=p=0", "-i", "-")
			cmd.Stdin = bytes.NewReader(b)
			out, err := cmd.CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || got != name+","+strconv.Itoa(want) {
				t.Errorf("ffprobe: %v, %s; want %d frames", err, got, want)
			}
		})
	}
}

// TestCarries tells what there is nothing of.
func TestCarries(t *testing.T) {
	pub := livetest.Publish(t, new(live.Hub), livetest.Key)
	for _, f := range []httplive.Format{audio.AAC(), audio.MP3()} {
		if f.Carries(pub.Stream().Setup()) {
			t.Errorf("%s carries nothing", f.Ending)
		}
	}
	livetest.Write(t, pub, livetest.AudioConfig())
	if s := pub.Stream().Setup(); !audio.AAC().Carries(s) || audio.MP3().Carries(s) {
		t.Error("AAC is carried by .aac alone")
	}
}

// TestOthersAreLeftOut gives both muxers what they have no room for.
func TestOthersAreLeftOut(t *testing.T) {
	for _, f := range []httplive.Format{audio.AAC(), audio.MP3()} {
		m := f.New(live.View{})
		for _, body := range []string{"\x90Opusrec", "\x91Opusraw", "\x17\x01\x00\x00\x00pic", "\xaf\x01raw"} {
			kind := live.KindAudio
			if body[0] == 0x17 {
				kind = live.KindVideo
			}
			frame, err := live.ParseTag(kind, 0, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if b := m.AppendFrame(nil, frame); len(b) > 0 {
				t.Errorf("%s carries %q as %q", f.Ending, body, b)
			}
		}
	}
}
