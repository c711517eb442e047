package codec_test

import (
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec/codectest"
)

// What real encoders say of their tracks.
func TestMedia(t *testing.T) {
	for name, want := range map[string]struct {
		film           codectest.Film
		codec          string // of pictures how it begins, since the level is the encoder's to choose
		rate, channels int
		samples        int // of each frame
	}{
		"H.264":  {codectest.Film{Audio: "none"}, "avc1.42c0", 0, 0, 0},
		"HEVC":   {codectest.Film{Video: "hevc", Audio: "none"}, "hvc1.1.6.L", 0, 0, 0},
		"AV1":    {codectest.Film{Video: "av1", Audio: "none"}, "av01.0.", 0, 0, 0},
		"VP9":    {codectest.Film{Video: "vp9", Audio: "none"}, "vp09.00.", 0, 0, 0},
		"AAC":    {codectest.Film{Video: "none", Audio: "aac"}, "mp4a.40.2", 44100, 1, 1024},
		"MP3":    {codectest.Film{Video: "none", Audio: "mp3"}, "mp4a.40.34", 44100, 1, 1152},
		"Opus":   {codectest.Film{Video: "none", Audio: "opus"}, "opus", 48000, 1, 960},
		"FLAC":   {codectest.Film{Video: "none", Audio: "flac"}, "fLaC", 44100, 1, 4608},
		"AC-3":   {codectest.Film{Video: "none", Audio: "ac3"}, "ac-3", 48000, 1, 1536},
		"E-AC-3": {codectest.Film{Video: "none", Audio: "eac3"}, "ec-3", 48000, 1, 1536},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want.film.Seconds = 1
			tags, _ := want.film.Movie(t)
			frames := codectest.Read(t, tags)
			last := frames[len(frames)-2] // the very last may be cut short
			track := last.Setup().Tracks()[0]
			if track.Kind == live.KindVideo {
				checkPicture(t, track, frames, want.codec)
				return
			}
			c, err := codec.ParseSound(track, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.String() != want.codec || c.Rate() != want.rate || c.Channels() != want.channels || c.Samples(last.Payload()) != want.samples {
				t.Errorf("%s, %d Hz, %d channels, %d samples", c, c.Rate(), c.Channels(), c.Samples(last.Payload()))
			}
		})
	}
}

func checkPicture(t *testing.T, track live.Track, frames []*live.Frame, want string) {
	t.Helper()
	var key []byte
	for _, f := range frames {
		if f.Media() && f.Key {
			key = f.Payload()
			break
		}
	}
	c, err := codec.ParsePicture(track, key)
	if err != nil {
		t.Fatal(err)
	}
	if w, h, ok := c.Size(); !strings.HasPrefix(c.String(), want) || w != 320 || h != 180 || !ok {
		t.Errorf("%s, %dx%d, %t", c, w, h, ok)
	}
	announced := map[live.FourCC]float64{live.CodecAVC: 25, live.CodecHEVC: 25}[track.Codec] // the others do not
	if rate := c.FrameRate(); rate != announced && rate != 25 || c.Range() != codec.SDR {
		t.Errorf("%s: %v pictures a second, %s", c, rate, c.Range())
	}
}

// How bright a picture can be is in its transfer characteristics.
func TestRange(t *testing.T) {
	for transfer, want := range map[byte]string{1: codec.SDR, 2: codec.SDR, 16: codec.PQ, 18: codec.HLG} {
		c, err := codec.ParseVP9([]byte{2, 31, 0xa2, 9, transfer, 9, 0, 0}, nil)
		if err != nil || c.Range() != want || c.String() != "vp09.02.31.10" {
			t.Errorf("%d: %v, %v, %v", transfer, c, c.Range(), err)
		}
	}
}

// Tracks that HLS has no name for, or of which nothing is known yet.
func TestUnknownMedia(t *testing.T) {
	for _, c := range []live.FourCC{0, live.CodecAVC, live.CodecHEVC, live.CodecAV1, live.CodecVP9, live.CodecVP8} {
		if p, err := codec.ParsePicture(live.Track{Kind: live.KindVideo, Codec: c}, nil); err == nil || p != nil {
			t.Errorf("%s: %v, %v", c, p, err)
		}
	}
	for _, c := range []live.FourCC{0, live.CodecAAC, live.CodecMP3, live.CodecFLAC, live.CodecAC3, live.CodecEAC3} {
		if s, err := codec.ParseSound(live.Track{Kind: live.KindAudio, Codec: c}, nil); err == nil || s != nil {
			t.Errorf("%s: %v, %v", c, s, err)
		}
	}
}

func TestCutOBU(t *testing.T) {
	b := []byte("\x12\x00\x0a\x02ab\x7a\x01p\x34\x10x\x30yz") // delimiter, sequence header, padding, two frames
	const want = "\x0a\x02ab\x34\x10x\x30yz"
	if got := codec.AppendOBUs(nil, b); string(got) != want || codec.OBUsSize(b) != len(want) {
		t.Errorf("%x of %d", got, codec.OBUsSize(b))
	}
}

// Sizes of blocks that FLAC writes in each of its ways.
func TestFLACBlocks(t *testing.T) {
	c := new(codec.FLAC)
	for head, want := range map[string]int{
		"\xff\xf8\x19\x08\x00\x00":         192,
		"\xff\xf8\x59\x08\x00\x00":         4608,
		"\xff\xf8\xc9\x08\x00\x00":         4096,
		"\xff\xf8\x69\x08\x00\x0f":         16,
		"\xff\xf8\x79\x08\xc2\x80\x02\x57": 600,
		"\xff\xf8\x79\x08\xc2\x80":         0,
		"\xff\xf8\x09\x08\x00\x00":         0,
		"\xff\xf0\x59\x08\x00\x00":         0,
	} {
		if n := c.Samples([]byte(head)); n != want {
			t.Errorf("%x: %d, want %d", head, n, want)
		}
	}
}
