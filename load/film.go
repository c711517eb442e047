package load

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/flv"
)

// ownFilm is ffmpeg's testsrc2 of 320x180 pixels and a tone of 440 Hz: 200 pictures of H.264 (x264, -crf 38 -g 25 -bf 2) and
// 375 frames of AAC at 48 kHz, which both are 8 s to the millisecond, so that it can be sent round and round.
//
//go:embed film.flv
var ownFilm []byte

// A film is what a publisher sends. It is shared by all and not changed.
type film struct {
	cues []cue
	lap  int64 // how much later it is sent again, in milliseconds
}

// A cue is a frame of a film.
type cue struct {
	frame *live.Frame
	mark  int // where in its body the digits of the mark are; 0 if it has none
}

// loadFilm reads an FLV file; an empty path means the package's own, filled up to so many bits per second. Time begins
// at 0.
func loadFilm(path string, bitrate int) (*film, error) {
	b := ownFilm
	if path != "" {
		var err error
		if b, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("reading the film: %w", err)
		}
	}
	frames, err := readFrames(b)
	if err != nil {
		return nil, fmt.Errorf("reading the film %s: %w", path, err)
	}
	f := newFilm(frames)
	if path == "" {
		if err := f.fill(bitrate); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func readFrames(b []byte) ([]*live.Frame, error) {
	r, err := flv.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	var frames []*live.Frame
	for {
		f, err := r.ReadFrame(context.Background())
		switch {
		case errors.Is(err, live.ErrTag):
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			if !slices.ContainsFunc(frames, (*live.Frame).Media) {
				return nil, errors.New("there is neither sound nor picture in it")
			}
			return frames, nil
		case err != nil:
			return nil, err
		default:
			frames = append(frames, f)
		}
	}
}

// newFilm puts a mark into each picture that can bear one.
func newFilm(frames []*live.Frame) *film {
	f := new(film)
	sizes := make(map[uint8]int) // of the lengths before units, for each track
	first := frames[slices.IndexFunc(frames, (*live.Frame).Media)].Time
	for _, g := range frames {
		g.Time = max(g.Time-first, 0)
		if g.Kind == live.KindVideo && g.Config {
			sizes[g.Track] = lengthSize(g)
		}
		f.cues = append(f.cues, newCue(g, sizes[g.Track]))
	}
	f.lap = lap(frames)
	return f
}

// newCue returns a cue for a frame whose units stand behind lengths of so many bytes, 0 if that is not known.
func newCue(g *live.Frame, size int) cue {
	_, known := units[g.Codec]
	if g.Kind != live.KindVideo || g.Track > 0 || !g.Media() || !known || size == 0 {
		return cue{frame: g}
	}
	head := len(g.Body) - len(g.Payload())
	marked := *g
	marked.Body = appendMarkUnit(slices.Clone(g.Body[:head]), g.Codec, size)
	digits := len(marked.Body) - 1 - markDigits
	marked.Body = append(marked.Body, g.Payload()...)
	return cue{frame: &marked, mark: digits}
}

// lengthSize returns the size of the lengths that a configuration announces, 0 if it cannot be read.
func lengthSize(config *live.Frame) int {
	switch config.Codec {
	case live.CodecAVC:
		if c, err := codec.ParseAVC(config.Payload()); err == nil {
			return c.LengthSize
		}
	case live.CodecHEVC:
		if c, err := codec.ParseHEVC(config.Payload()); err == nil {
			return c.LengthSize
		}
	}
	return 0
}

// lap returns how long frames last: to the end of the last frame of the kind that lasts longest.
func lap(frames []*live.Frame) int64 {
	var longest int64 = 1
	for _, k := range []live.Kind{live.KindVideo, live.KindAudio} {
		var last, n int64
		for _, f := range frames {
			if f.Kind == k && f.Track == 0 && f.Media() {
				last, n = max(last, f.Time), n+1
			}
		}
		if n > 1 {
			longest = max(longest, last+(last+n/2)/(n-1))
		}
	}
	return longest
}

// bytes returns the size of what is sent in each lap.
func (f *film) bytes() (n int) {
	for _, c := range f.cues {
		if c.frame.Media() {
			n += len(c.frame.Body)
		}
	}
	return n
}

// fill makes the film as large as a bit rate asks, with units that decoders pass over, the same in each picture.
func (f *film) fill(bitrate int) error {
	pictures := 0
	for _, c := range f.cues {
		if c.mark > 0 {
			pictures++
		}
	}
	want := int64(bitrate) / 8 * f.lap / 1000
	missing := want - int64(f.bytes())
	if missing < 0 {
		return fmt.Errorf("the film has %d bit/s already; it can only have more", int64(f.bytes())*8000/f.lap)
	}
	each := int(missing / int64(pictures))
	for _, c := range f.cues {
		if c.mark > 0 {
			c.frame.Body = appendFiller(c.frame.Body, live.CodecAVC, 4, each)
		}
	}
	return nil
}
