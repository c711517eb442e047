package mpegts_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/asticode/go-astits"
	reader "github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
	tscodecs "github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts/codecs"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec/codectest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/mpegts"
)

// films are the combinations that a transport stream carries.
var films = map[string]codectest.Film{
	"H.264 AAC":            {Seconds: 2, GOP: 25},
	"H.264 AAC, B-frames":  {Seconds: 2, GOP: 25, BFrames: 2},
	"H.264 MP3":            {Seconds: 2, GOP: 25, Audio: "mp3"},
	"H.264 without sound":  {Seconds: 2, GOP: 25, Audio: "none"},
	"HEVC AAC":             {Seconds: 2, GOP: 25, Video: "hevc"},
	"AAC without picture":  {Seconds: 2, Video: "none"},
	"MP3 without picture":  {Seconds: 2, Video: "none", Audio: "mp3"},
	"HEVC without a sound": {Seconds: 2, GOP: 25, Video: "hevc", Audio: "none"},
	"H.264 AC-3":           {Seconds: 2, GOP: 25, Audio: "ac3"},
	"HEVC E-AC-3":          {Seconds: 2, GOP: 25, Video: "hevc", Audio: "eac3"},
	"AC-3 without picture": {Seconds: 2, Video: "none", Audio: "ac3"},
}

// shoot makes a film, by way of MP4 if FLV cannot carry it.
func shoot(t *testing.T, film codectest.Film) []*live.Frame {
	t.Helper()
	if strings.HasSuffix(film.Audio, "ac3") {
		frames, _ := film.Movie(t)
		// The sound comes first, so that the first tables know of it: the reader looks at no others.
		first := slices.IndexFunc(frames, func(f *live.Frame) bool { return f.Kind == live.KindAudio })
		sound := frames[first]
		begin := slices.IndexFunc(frames, (*live.Frame).Media)
		return slices.Insert(slices.Delete(frames, first, first+1), begin, sound)
	}
	return film.Frames(t)
}

func mux(t testing.TB, frames []*live.Frame) []byte {
	t.Helper()
	m := new(mpegts.Muxer)
	var b []byte
	for _, f := range frames {
		bound, before := m.Size(f), len(b)
		b = m.AppendFrame(b, f)
		if n := len(b) - before; n > bound || n%188 != 0 {
			t.Fatalf("frame of %d bytes gave %d, bound %d", len(f.Body), n, bound)
		}
	}
	return b
}

// What comes out is read again by an independent demuxer: same frames, same times.
func TestRoundTrip(t *testing.T) {
	for name, film := range films {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			frames := codectest.Read(t, shoot(t, film))
			checkContinuity(t, mux(t, frames))
			got := demux(t, mux(t, frames))
			var want []stamped
			for _, f := range frames {
				if !f.Config && f.Kind != live.KindData && len(f.Payload()) > 0 {
					want = append(want, stamped{f.Kind, (f.Time + int64(f.Offset) + 1400) * 90, (f.Time + 1400) * 90})
				}
			}
			slices.SortFunc(want, byTime)
			slices.SortFunc(got, byTime)
			if !slices.Equal(got, want) {
				t.Errorf("got %d frames %v…, want %d %v…", len(got), got[:min(4, len(got))], len(want), want[:4])
			}
		})
	}
}

type stamped struct {
	kind     live.Kind
	pts, dts int64
}

func byTime(a, b stamped) int {
	if a.kind != b.kind {
		return int(a.kind) - int(b.kind)
	}
	return int(a.dts - b.dts)
}

func demux(t *testing.T, b []byte) (got []stamped) {
	t.Helper()
	r := &reader.Reader{R: bytes.NewReader(b)}
	if err := r.Initialize(); err != nil {
		t.Fatal(err)
	}
	r.OnDecodeError(func(err error) { t.Error(err) })
	for _, tr := range r.Tracks() {
		switch tr.Codec.(type) {
		case *tscodecs.H264:
			r.OnDataH264(tr, func(pts, dts int64, _ [][]byte) error {
				got = append(got, stamped{live.KindVideo, pts, dts})
				return nil
			})
		case *tscodecs.H265:
			r.OnDataH265(tr, func(pts, dts int64, _ [][]byte) error {
				got = append(got, stamped{live.KindVideo, pts, dts})
				return nil
			})
		case *tscodecs.MPEG4Audio:
			r.OnDataMPEG4Audio(tr, func(pts int64, aus [][]byte) error {
				got = append(got, stamped{live.KindAudio, pts, pts})
				return nil
			})
		case *tscodecs.AC3:
			r.OnDataAC3(tr, func(pts int64, _ []byte) error {
				got = append(got, stamped{live.KindAudio, pts, pts})
				return nil
			})
		case *tscodecs.EAC3:
			r.OnDataEAC3(tr, func(pts int64, _ []byte) error {
				got = append(got, stamped{live.KindAudio, pts, pts})
				return nil
			})
		case *tscodecs.MPEG1Audio:
			r.OnDataMPEG1Audio(tr, func(pts int64, _ [][]byte) error {
				got = append(got, stamped{live.KindAudio, pts, pts})
				return nil
			})
		}
	}
	for {
		err := r.Read()
		if errors.Is(err, io.EOF) || errors.Is(err, astits.ErrNoMorePackets) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// checkContinuity checks the counters of all packets, and that the clock is never after a frame that follows it.
func checkContinuity(t *testing.T, b []byte) {
	t.Helper()
	next := map[int]byte{}
	for ; len(b) > 0; b = b[188:] {
		if b[0] != 0x47 {
			t.Fatal("sync byte lost")
		}
		pid := int(b[1]&0x1f)<<8 | int(b[2])
		cc := b[3] & 0x0f
		if want, seen := next[pid]; seen && cc != want {
			t.Fatalf("pid %#x: counter %d, want %d", pid, cc, want)
		}
		next[pid] = (cc + 1) & 0x0f
	}
}

// ffmpeg decodes every picture and sound, and has nothing to complain about.
func TestDecode(t *testing.T) {
	for name, film := range films {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := mux(t, codectest.Read(t, shoot(t, film)))
			cmd := exec.Command("ffprobe", "-v", "warning", "-count_frames", "-show_entries",
				"stream=codec_name,nb_read_frames", "-of", "json", "-")
			cmd.Stdin = bytes.NewReader(ts)
			var out, problems strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &problems
			if err := cmd.Run(); err != nil || problems.Len() > 0 {
				t.Fatalf("ffprobe: %v %s", err, problems.String())
			}
			var probe struct {
				Streams []struct {
					Codec  string `json:"codec_name"`
					Frames int    `json:"nb_read_frames,string"`
				}
			}
			if err := json.Unmarshal([]byte(out.String()), &probe); err != nil {
				t.Fatal(err)
			}
			for _, s := range probe.Streams {
				want := 50
				switch s.Codec {
				case "aac", "mp3":
					want = 76
				case "ac3", "eac3":
					want = 62
				}
				if s.Frames < want {
					t.Errorf("%s: %d frames decoded, want %d", s.Codec, s.Frames, want)
				}
			}
			if len(probe.Streams) != tracks(film) {
				t.Errorf("%d streams, want %d", len(probe.Streams), tracks(film))
			}
		})
	}
}

func tracks(f codectest.Film) int {
	n := 2
	if f.Video == "none" {
		n--
	}
	if f.Audio == "none" {
		n--
	}
	return n
}
