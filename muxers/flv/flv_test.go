package flv_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec/codectest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/flv"
)

// file returns frames as a file.
func file(t testing.TB, frames ...*live.Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flv.NewWriter(&b, true, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		if err := w.WriteFrame(f); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// describe renders a frame as its kind, time and body.
func describe(f *live.Frame) string { return fmt.Sprintf("%s@%d:%x", f.Kind, f.Time, f.Body) }

// read returns all frames of b and the error at the end.
func read(b []byte) (list []*live.Frame, err error) {
	r, err := flv.NewReader(bytes.NewReader(b))
	for err == nil {
		var f *live.Frame
		if f, err = r.ReadFrame(context.Background()); err == nil {
			list = append(list, f)
		}
	}
	return list, err
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func isErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func tag(t testing.TB, kind live.Kind, time uint32, body []byte) *live.Frame {
	t.Helper()
	f, err := live.ParseTag(kind, time, body)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRoundTrip(t *testing.T) {
	frames := append(livetest.GOPs(2),
		tag(t, live.KindVideo, 0xffffff, livetest.VideoTag(1)),
		tag(t, live.KindVideo, 0x01000000, livetest.VideoTag(1)),
		tag(t, live.KindVideo, 0xffffffff, livetest.VideoTag(1)),
		tag(t, live.KindVideo, 0, append([]byte("\x91hvc1\x00\x00\x28"), make([]byte, 64<<10)...)),
		tag(t, live.KindVideo, 0, append([]byte("\x1c\x01\x00\x00\x00"), make([]byte, 300_000)...)),
		tag(t, live.KindAudio, 0, []byte("\x91Opusxyz")),
		tag(t, live.KindData, 7, []byte("\x02\x00\x0aonTextData\x05")))
	got, err := read(file(t, frames...))
	isErr(t, "end", err, io.EOF)
	equal(t, "frames", len(got), len(frames))
	for i, f := range got {
		if describe(f) != describe(frames[i]) {
			t.Fatalf("frame %d is a %s of %d bytes at %d", i, f.Kind, len(f.Body), f.Time)
		}
	}
}

func TestWriter(t *testing.T) {
	equal(t, "a tag", string(file(t, tag(t, live.KindVideo, 0x12345678, []byte{0x27, 1, 0, 0, 0, 9}))),
		"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"+"\x09\x00\x00\x06\x34\x56\x78\x12\x00\x00\x00\x27\x01\x00\x00\x00\x09\x00\x00\x00\x11")
	broken := errors.New("disk full")
	_, err := flv.NewWriter(failing{broken}, true, true)
	isErr(t, "header", err, broken)
	for flags, has := range map[byte][2]bool{0: {}, 1: {true, false}, 4: {false, true}, 5: {true, true}} {
		var b bytes.Buffer
		if _, err := flv.NewWriter(&b, has[0], has[1]); err != nil {
			t.Fatal(err)
		}
		equal(t, "flags", b.Bytes()[4], flags)
		r, err := flv.NewReader(&b)
		isErr(t, "read", err, nil)
		equal(t, "what there is", [2]bool{r.HasVideo, r.HasAudio}, has)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// One reader, told apart by the time stamp, goes on behind what it does not know and what is broken.
func TestReaderGoesOn(t *testing.T) {
	odd := func(tagType byte, body string) []byte {
		n := byte(len(body))
		return slices.Concat([]byte{tagType, 0, 0, n, 0, 0, 0, 0, 0, 0, 0}, []byte(body), []byte{0, 0, 0, 11 + n})
	}
	b := slices.Concat(file(t), odd(15, "F4V"), odd(0x29, "encrypted"), odd(0, ""), odd(9, "\x17\x01"), odd(8, ""), odd(0xc9, "\x27\x01\x00\x00\x00x"))
	r, err := flv.NewReader(bytes.NewReader(b))
	isErr(t, "header", err, nil)
	for range 2 {
		_, err = r.ReadFrame(t.Context())
		isErr(t, "broken tag", err, live.ErrTag)
	}
	f, err := r.ReadFrame(t.Context())
	isErr(t, "behind", err, nil)
	equal(t, "body", string(f.Body), "\x27\x01\x00\x00\x00x")
	_, err = r.ReadFrame(t.Context())
	isErr(t, "end", err, io.EOF)

	r, err = flv.NewReader(bytes.NewReader(b))
	isErr(t, "header", err, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	cancel(reason)
	_, err = r.ReadFrame(ctx)
	isErr(t, "done", err, reason)
}

func TestReaderRefuses(t *testing.T) {
	good := string(file(t, livetest.VideoConfig()))
	for name, c := range map[string]struct {
		b    string
		want error
	}{
		"nothing":             {"", io.ErrUnexpectedEOF},
		"half a header":       {good[:8], io.ErrUnexpectedEOF},
		"header alone":        {good[:9], io.ErrUnexpectedEOF},
		"no tags":             {good[:13], io.EOF},
		"MP4":                 {"\x00\x00\x00\x20ftypisom" + good, flv.ErrFormat},
		"version 2":           {"FLV\x02" + good[4:], flv.ErrFormat},
		"short offset":        {"FLV\x01\x05\x00\x00\x00\x08" + good[9:], flv.ErrFormat},
		"endless offset":      {"FLV\x01\x05\xff\xff\xff\xff" + good[9:], flv.ErrFormat},
		"longer header":       {"FLV\x01\x05\x00\x00\x00\x0bxx" + good[9:], io.EOF},
		"wrong size behind":   {good[:len(good)-1] + "\x00", flv.ErrFormat},
		"a tag that is short": {good + "\x09\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00abc", io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read([]byte(c.b))
			isErr(t, "error", err, c.want)
		})
	}
}

// A file that is cut at any byte ends cleanly between tags alone.
func TestTruncated(t *testing.T) {
	clean := map[int]bool{}
	b := file(t)
	clean[len(b)] = true
	for _, f := range []*live.Frame{livetest.Metadata(), livetest.VideoConfig(), livetest.Video(0), livetest.Audio(0)} {
		b = append(b, file(t, f)[13:]...)
		clean[len(b)] = true
	}
	for n := range len(b) + 1 {
		want := io.ErrUnexpectedEOF
		if clean[n] {
			want = io.EOF
		}
		if _, err := read(b[:n]); !errors.Is(err, want) || errors.Is(err, io.EOF) != clean[n] {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}

// What is only declared is not allocated.
func TestReaderAllocatesWhatComes(t *testing.T) {
	b := append(file(t), "\x09\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00abc"...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := read(b)
	runtime.ReadMemStats(&after)
	isErr(t, "error", err, io.ErrUnexpectedEOF)
	if n := after.TotalAlloc - before.TotalAlloc; n > 256<<10 {
		t.Errorf("a tag of 3 bytes that says it has 16 MiB took %d bytes", n)
	}
}

// setup publishes frames and returns what is in force at the newest.
func setup(t *testing.T, frames ...*live.Frame) *live.Setup {
	t.Helper()
	p := livetest.Publish(t, new(live.Hub), livetest.Key)
	livetest.Write(t, p, frames...)
	return p.Stream().Setup()
}

func TestMuxer(t *testing.T) {
	var m flv.Muxer
	for name, c := range map[string]struct {
		frames []*live.Frame
		flags  byte
	}{
		"both":    {[]*live.Frame{livetest.Metadata(), livetest.VideoConfig(), livetest.AudioConfig()}, 5},
		"picture": {[]*live.Frame{livetest.VideoConfig()}, 1},
		"sound":   {[]*live.Frame{livetest.AudioConfig()}, 4},
		"MP3":     {[]*live.Frame{tag(t, live.KindAudio, 0, []byte{0x2f, 0xff, 0xfb})}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			s := setup(t, c.frames...)
			b := m.Header(s, nil, 5000)
			equal(t, "flags", b[4], c.flags)
			got, err := read(b)
			isErr(t, "end", err, io.EOF)
			var configs []*live.Frame
			for _, f := range c.frames {
				if f.Config {
					configs = append(configs, f)
				}
			}
			equal(t, "configurations", len(got), len(configs))
			for i, f := range got {
				equal(t, "body", string(f.Body), string(configs[i].Body))
				want := int64(5000)
				if f.Kind == live.KindData {
					want = 0
				}
				equal(t, "time", f.Time, want)
			}
			equal(t, "nothing new", len(m.Header(s, s, 5000)), 0)
		})
	}
	// A viewer that goes on gets no file header, and of the configurations the new one alone.
	p := livetest.Publish(t, new(live.Hub), livetest.Key)
	livetest.Write(t, p, livetest.Configs()...)
	old := p.Stream().Setup()
	news := tag(t, live.KindVideo, 0, append(livetest.VideoConfigTag(), 0))
	livetest.Write(t, p, news)
	resumed := m.Header(p.Stream().Setup(), old, 0)
	equal(t, "resumed", string(resumed), string(file(t, news)[13:]))
	for _, f := range livetest.GOPs(1) {
		if n := len(m.AppendFrame(nil, f)); n > m.Size(f) {
			t.Errorf("%s: %d bytes, bound %d", describe(f), n, m.Size(f))
		}
	}
}

func TestFormat(t *testing.T) {
	f := flv.Format()
	equal(t, "protocol", f.Protocol, live.ProtocolFLV)
	equal(t, "ending", f.Ending, ".flv")
	equal(t, "muxer", f.New(live.View{}), live.Muxer(flv.Muxer{}))
}

// ffprobe reads what the writer wrote: every frame, at its time.
func TestFFprobe(t *testing.T) {
	for name, film := range map[string]codectest.Film{
		"H.264 AAC": {Seconds: 2, BFrames: 2},
		"H.264 MP3": {Seconds: 1, Audio: "mp3"},
		"AAC":       {Seconds: 1, Video: "none"},
	} {
		t.Run(name, func(t *testing.T) {
			probe(t, film.Frames(t))
		})
	}
	t.Run("synthetic", func(t *testing.T) { probe(t, livetest.GOPs(2)) })
}

func probe(t *testing.T, frames []*live.Frame) {
	t.Helper()
	cmd := exec.Command("ffprobe", "-v", "error", "-of", "json", "-show_entries", "packet=codec_type,dts_time", "-f", "flv", "-i", "-")
	cmd.Stdin = bytes.NewReader(file(t, frames...))
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil || complaints.Len() > 0 {
		t.Fatalf("ffprobe: %v\n%s", err, complaints.String())
	}
	var found struct {
		Packets []struct {
			Type string `json:"codec_type"`
			Time string `json:"dts_time"`
		}
	}
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, p := range found.Packets {
		got = append(got, p.Type+" "+p.Time)
	}
	for _, f := range frames {
		if f.Media() {
			want = append(want, fmt.Sprintf("%s %d.%03d000", f.Kind, f.Time/1000, f.Time%1000))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	equal(t, "packets", strings.Join(got, "\n"), strings.Join(want, "\n"))
}

func FuzzReader(f *testing.F) {
	f.Add(file(f, livetest.GOPs(1)[:6]...))
	f.Add(append(file(f), "\x09\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00abc"...))
	f.Add([]byte("FLV\x01\x05\x00\x00\x00\x0bxx\x00\x00\x00\x00\x12\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x0c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := flv.NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		total := 0
		for {
			frame, err := r.ReadFrame(t.Context())
			if errors.Is(err, live.ErrTag) {
				continue
			}
			if err != nil {
				break
			}
			total += len(frame.Body)
			again, err := read(file(t, frame))
			isErr(t, "end", err, io.EOF)
			if len(again) != 1 || describe(again[0]) != describe(frame) {
				t.Fatalf("%s became %d others", describe(frame), len(again))
			}
		}
		if total > len(b) {
			t.Fatalf("%d bytes of frames in %d", total, len(b))
		}
	})
}

func BenchmarkReader(b *testing.B) {
	one := file(b, livetest.Video(0))
	data := slices.Concat(one, bytes.Repeat(one[13:], 9999))
	r, err := flv.NewReader(bytes.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.ReadFrame(b.Context()); err == nil {
			continue
		}
		if r, err = flv.NewReader(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}
