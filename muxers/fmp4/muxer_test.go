package fmp4

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	reader "github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec/codectest"
)

// films is each codec at least once.
var films = map[string]codectest.Film{
	"H.264 AAC":            {},
	"H.264 AAC, B-frames":  {BFrames: 3},
	"HEVC Opus":            {Video: "hevc", Audio: "opus"},
	"HEVC AC-3, B-frames":  {Video: "hevc", Audio: "ac3", BFrames: 3},
	"AV1 FLAC":             {Video: "av1", Audio: "flac"},
	"VP9 MP3":              {Video: "vp9", Audio: "mp3"},
	"VP9 E-AC-3":           {Video: "vp9", Audio: "eac3"},
	"AV1 alone":            {Video: "av1", Audio: "none"},
	"Opus alone":           {Video: "none", Audio: "opus"},
	"AC-3 alone":           {Video: "none", Audio: "ac3"},
	"H.264 MP3, long GOPs": {Audio: "mp3", GOP: 75},
}

// chunked makes chunks of n frames each out of frames that were read from a stream, and returns the file. With seen, the
// time of the picture behind a chunk is known when it is made.
func chunked(t *testing.T, frames []*live.Frame, n int, seen bool) []byte {
	t.Helper()
	frames = slices.DeleteFunc(frames, func(f *live.Frame) bool { return !f.Media() })
	var m Muxer
	if !m.Begin(frames[len(frames)-1].Setup(), frames) {
		t.Fatal("nothing to carry")
	}
	file := slices.Clone(m.Init())
	for len(frames) > 0 {
		chunk := frames[:min(n, len(frames))]
		frames = frames[len(chunk):]
		end := int64(-1)
		if i := slices.IndexFunc(frames, func(f *live.Frame) bool { return f.Kind == live.KindVideo }); seen && i >= 0 {
			end = frames[i].Time
		}
		before := len(file)
		file = m.Append(file, chunk, end)
		if size := m.Size(chunk); len(file)-before > size {
			t.Fatalf("a chunk of %d bytes, at most %d were announced", len(file)-before, size)
		}
	}
	return file
}

// decoded returns a checksum of each picture or frame of sound that ffmpeg decodes of a file.
func decoded(t *testing.T, file []byte, stream string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "film.mp4")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, problems bytes.Buffer
	cmd := exec.Command("ffmpeg", "-v", "warning", "-ignore_editlist", "1", "-i", path, "-map", "0:"+stream,
		"-fps_mode", "passthrough", "-f", "framemd5", "-")
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil || problems.Len() > 0 {
		t.Fatalf("ffmpeg: %v\n%s", err, problems.String())
	}
	var sums []string
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "#") {
			fields := strings.Split(strings.TrimSpace(line), ",")
			sums = append(sums, strings.TrimSpace(fields[len(fields)-1]))
		}
	}
	return sums
}

// What a decoder gives out is, bit by bit, what it gives out of ffmpeg's own MP4 of the same samples.
func TestDecoded(t *testing.T) {
	for name, film := range films {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			frames, original := film.Movie(t)
			file := chunked(t, codectest.Read(t, frames), 12, false)
			for _, stream := range []string{"v", "a"} {
				if stream == "v" && film.Video == "none" || stream == "a" && film.Audio == "none" {
					continue
				}
				want, got := decoded(t, original, stream), decoded(t, file, stream)
				if len(want) < 30 || !slices.Equal(want, got) {
					t.Errorf("%s: %d frames decoded, %d wanted", stream, len(got), len(want))
				}
			}
		})
	}
}

// Every codec of a picture goes with every codec of a sound.
func TestPairs(t *testing.T) {
	pictures, sounds := map[string][]*live.Frame{}, map[string][]*live.Frame{}
	want := map[string][]string{}
	for _, name := range []string{"h264", "hevc", "av1", "vp9"} {
		frames, original := codectest.Film{Seconds: 2, Video: name, Audio: "none"}.Movie(t)
		pictures[name], want[name] = frames, decoded(t, original, "v")
	}
	for _, name := range []string{"aac", "mp3", "opus", "flac", "ac3", "eac3"} {
		frames, original := codectest.Film{Seconds: 2, Video: "none", Audio: name}.Movie(t)
		sounds[name], want[name] = frames, decoded(t, original, "a")
	}
	for picture, v := range pictures {
		for sound, a := range sounds {
			t.Run(picture+" "+sound, func(t *testing.T) {
				t.Parallel()
				tags := slices.Concat(v, a)
				slices.SortStableFunc(tags, func(f, g *live.Frame) int {
					if f.Config != g.Config {
						return map[bool]int{true: -1, false: 1}[f.Config]
					}
					return int(f.Time - g.Time)
				})
				file := chunked(t, codectest.Read(t, tags), 10, false)
				if got := decoded(t, file, "v"); len(got) != 50 || !slices.Equal(got, want[picture]) {
					t.Errorf("%d pictures, %d wanted", len(got), len(want[picture]))
				}
				if got := decoded(t, file, "a"); len(got) < 18 || !slices.Equal(got, want[sound]) {
					t.Errorf("%d frames of sound, %d wanted", len(got), len(want[sound]))
				}
			})
		}
	}
}

// An independent reader gets every sample back, at its time.
func TestSamples(t *testing.T) {
	for name, film := range films {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			frames, _ := film.Movie(t)
			frames = codectest.Read(t, frames)
			for _, n := range []int{1, 7, 1 << 20} {
				checkSamples(t, frames, chunked(t, slices.Clone(frames), n, false))
				checkSamples(t, frames, chunked(t, slices.Clone(frames), n, true))
			}
		})
	}
}

func checkSamples(t *testing.T, frames []*live.Frame, file []byte) {
	t.Helper()
	at := bytes.Index(file, []byte("moof")) - 4
	var init reader.Init
	var parts reader.Parts
	if err := init.Unmarshal(bytes.NewReader(file[:at])); err != nil {
		t.Fatal(err)
	}
	if err := parts.Unmarshal(file[at:]); err != nil {
		t.Fatal(err)
	}
	for _, track := range init.Tracks {
		kind := live.KindAudio
		if track.Codec.IsVideo() {
			kind = live.KindVideo
		}
		rest := slices.DeleteFunc(slices.Clone(frames), func(f *live.Frame) bool { return f.Kind != kind || !f.Media() })
		var end uint64
		for _, part := range parts {
			for _, p := range part.Tracks {
				if p.ID != track.ID {
					continue
				}
				if end > 0 && p.BaseTime != end {
					t.Errorf("%s: a chunk begins at %d, the one before ended at %d", kind, p.BaseTime, end)
				}
				end = p.BaseTime
				for _, s := range p.Samples {
					checkSample(t, rest[0], s, int64(end), int64(track.TimeScale))
					rest = rest[1:]
					end += uint64(s.Duration)
				}
			}
		}
		if len(rest) > 0 {
			t.Errorf("%d frames of %s are missing", len(rest), kind)
		}
	}
}

// checkSample checks that f has become s, which is decoded at time. Sound may be off by the rounding of its time stamp.
func checkSample(t *testing.T, f *live.Frame, s *reader.Sample, time, scale int64) {
	t.Helper()
	shown := time + int64(s.PTSOffset)
	off := shown*1000 - (f.Time+int64(f.Offset))*scale
	if f.Kind == live.KindVideo && off != 0 || off > scale || off < -scale {
		t.Errorf("%s frame at %d%+d is shown at %d/%d", f.Kind, f.Time, f.Offset, shown, scale)
	}
	if s.IsNonSyncSample == f.Key {
		t.Errorf("%s frame at %d: key %v", f.Kind, f.Time, f.Key)
	}
	want := f.Payload()
	if f.Codec == live.CodecAV1 {
		want = codec.AppendOBUs(nil, want)
	}
	if !bytes.Equal(s.Payload, want) {
		t.Errorf("%s frame at %d has other bytes", f.Kind, f.Time)
	}
}
