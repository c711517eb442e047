// Package codectest makes real media for tests: a few seconds of moving picture and sound, encoded by ffmpeg, as frames.
// A missing ffmpeg fails the test.
package codectest

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A Film says what to make. The zero value of a field leaves it to what is said there.
type Film struct {
	Seconds int    // default 4
	Video   string // "h264" (default), "hevc" or "none"
	Audio   string // "aac" (default), "mp3" or "none"
	GOP     int    // frames of the 25 per second from one key frame to the next; default 50
	BFrames int    // H.264 only
}

// rate is the number of pictures per second.
const rate = 25

// Frames makes the film and returns its frames in the order of their decoding time, as a publisher would send them.
func (m Film) Frames(t testing.TB) []*live.Frame {
	t.Helper()
	if m.Seconds == 0 {
		m.Seconds = 4
	}
	if m.GOP == 0 {
		m.GOP = 2 * rate
	}
	if m.Video != "hevc" {
		return tags(t, run(t, m.flv()...))
	}
	video := hevc(t, run(t, m.args("-an", "-c:v", "libx265", "-x265-params",
		"log-level=error:bframes=0:scenecut=0:repeat-headers=1:keyint="+strconv.Itoa(m.GOP), "-f", "hevc")...))
	if m.Audio == "none" {
		return video
	}
	m.Video = "none"
	return merge(video, tags(t, run(t, m.flv()...)))
}

// flv returns ffmpeg's arguments for all that FLV can carry.
func (m Film) flv() []string {
	var codecs []string
	if m.Video == "none" {
		codecs = append(codecs, "-vn")
	} else {
		codecs = append(codecs, "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", strconv.Itoa(m.GOP),
			"-sc_threshold", "0", "-bf", strconv.Itoa(m.BFrames))
	}
	switch m.Audio {
	case "none":
		codecs = append(codecs, "-an")
	case "mp3":
		codecs = append(codecs, "-c:a", "libmp3lame", "-ar", "44100")
	default:
		codecs = append(codecs, "-c:a", "aac", "-ar", "44100")
	}
	return m.args(append(codecs, "-f", "flv")...)
}

func (m Film) args(output ...string) []string {
	d := strconv.Itoa(m.Seconds)
	in := []string{
		"-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=" + d, "-f", "lavfi", "-i", "sine=d=" + d,
		"-pix_fmt", "yuv420p",
	}
	return append(append(in, output...), "-")
}

// run runs ffmpeg and returns what it writes.
func run(t testing.TB, args ...string) []byte {
	t.Helper()
	var out, problems bytes.Buffer
	cmd := exec.Command("ffmpeg", args...)
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffmpeg %v: %v\n%s", args, err, problems.String())
	}
	return out.Bytes()
}

// tags reads the tags of an FLV file.
func tags(t testing.TB, b []byte) []*live.Frame {
	t.Helper()
	kinds := map[byte]live.Kind{8: live.KindAudio, 9: live.KindVideo, 18: live.KindData}
	var frames []*live.Frame
	for b = b[9+4:]; len(b) > 11; {
		size := int(binary.BigEndian.Uint32(b) & 0xffffff)
		time := binary.BigEndian.Uint32(b[4:])>>8 | uint32(b[7])<<24
		f, err := live.ParseTag(kinds[b[0]], time, b[11:11+size:11+size])
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, f)
		b = b[11+size+4:]
	}
	return frames
}

// merge puts two films into one by time, what describes them first.
func merge(a, b []*live.Frame) []*live.Frame {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(f, g *live.Frame) int {
		if f.Config != g.Config {
			return cmp.Compare(config(g), config(f))
		}
		return cmp.Compare(f.Time, g.Time)
	})
	return all
}

func config(f *live.Frame) int {
	if f.Config {
		return 1
	}
	return 0
}

// Read returns the frames as a reader of a stream gets them, configurations included.
func Read(t testing.TB, frames []*live.Frame) []*live.Frame {
	t.Helper()
	pub, err := new(live.Hub).Publish(t.Context(), live.Request{Key: live.Key{App: "live", Name: "film"}})
	if err != nil {
		t.Fatal(err)
	}
	defer pub.Close(nil)
	r := pub.Stream().NewReaderFromOldest(live.Tracks{})
	var read []*live.Frame
	for _, f := range frames {
		if err := pub.WriteFrame(f); err != nil {
			t.Fatal(err)
		}
		for f, err := r.TryReadFrame(); f != nil; f, err = r.TryReadFrame() {
			if err != nil {
				t.Fatal(err)
			}
			read = append(read, f)
		}
	}
	return read
}
