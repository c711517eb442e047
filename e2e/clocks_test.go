package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// When the clocks of the protocols overflow, in milliseconds: RTMP's is of 24 bits and goes on in extended time stamps,
// that of MPEG-TS counts 90 to a millisecond, and that of RTMP and FLV begins anew.
const (
	overflow24 = 1 << 24
	overflowTS = 1 << 33 / 90
	overflow32 = 1 << 32
)

// A clock is watched from some time before it overflows to some time after.
const (
	lead = 5000
	past = 2000
)

// TestLateEncoder publishes with time stamps beyond 4 h 39 m, where RTMP's are extended.
func TestLateEncoder(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	start(t, nil, "ffmpeg", publishWith([]string{"-output_ts_offset", "17000"}, s.url("rtmp", "/live/test"))...)
	s.awaitStream("test")
	for _, source := range s.plainSources() {
		t.Run(source.name, func(t *testing.T) {
			t.Parallel()
			film.examine(t, source.args...)
		})
	}
}

// TestEncoderClocks lets the clock of a publisher overflow while it is watched. Viewers have a time of their own, and
// notice nothing.
func TestEncoderClocks(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	frames := film.frames(t)
	for name, publish := range map[string]func(url string){
		"ffmpeg24": func(url string) {
			offset := strconv.FormatFloat((overflow24-lead)/1000., 'f', 3, 64)
			start(t, nil, "ffmpeg", publishWith([]string{"-output_ts_offset", offset}, url)...)
		},
		"client24": func(url string) { s.loopFrom(url, nil, frames, overflow24-lead) },
		"client32": func(url string) { s.loopFrom(url, nil, frames, overflow32-lead) },
	} {
		publish(s.url("rtmp", "/live/"+name))
		v := s.observe(name, 0)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v.check(t, 0)
		})
	}
}

// TestStreamClocks lets the time of a stream overflow while it is watched, as it does when it has been on air for as long:
// what a publisher says was a pause of half a minute is believed, and so the stream gets old within the test.
func TestStreamClocks(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	frames := film.frames(t)
	for name, overflow := range map[string]int64{"24": overflow24, "ts": overflowTS, "32": overflow32} {
		base := overflow - lead
		before := age(frames, base)
		s.loopFrom(s.url("rtmp", "/live/"+name), before, frames, base)
		v := s.observe(name, len(before))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v.check(t, base)
		})
	}
}

// TestOldStream lets programs join a stream that is on air for more than 4 h 39 m.
func TestOldStream(t *testing.T) {
	t.Parallel()
	const old = 17_000_000
	s := serve(t, basic)
	frames := film.frames(t)
	before := age(frames, old)
	s.loopFrom(s.url("rtmp", "/live/test"), before, frames, old)
	s.awaitFrames("test", len(before))
	for _, source := range s.plainSources() {
		t.Run("ffmpeg "+source.name, func(t *testing.T) {
			t.Parallel()
			film.examine(t, source.args...)
		})
	}
	for name, play := range map[string]func(s *server, url string){
		"rtmpdump":  func(s *server, url string) { dump(s.t, url) },
		"ffplay":    (*server).decodeWithFFplay,
		"VLC":       func(s *server, url string) { s.decodeWithVLC(url, true) },
		"GStreamer": func(s *server, url string) { s.decodeWithGStreamer("rtmp2src location=" + url + " ! flvdemux") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(s.on(t), s.url("rtmp", "/live/test"))
		})
	}
}

// plainSources returns the sources without TLS.
func (s *server) plainSources() []source {
	return slices.DeleteFunc(s.sources(), func(source source) bool { return source.name == "rtmps" })
}

// frames returns the film as a publisher sends it, up to its last picture.
func (m *movie) frames(t testing.TB) (frames []*live.Frame) {
	t.Helper()
	last := 0
	for _, f := range readFLV(t, must(t, "ffmpeg", "-v", "error", "-i", m.path, "-c", "copy", "-f", "flv", "-")) {
		if f.Media() || f.Config {
			frames = append(frames, f)
		}
		if f.Kind == live.KindVideo && f.Media() {
			last = len(frames)
		}
	}
	return frames[:last]
}

// age returns what makes a stream of some frames as old as it is to be.
func age(frames []*live.Frame, old int64) (before []*live.Frame) {
	const pause = 29_000
	for _, f := range frames {
		if f.Config {
			before = append(before, f)
		}
	}
	sound := *mediaOf(frames, live.KindAudio)[0] // at 0, where the time of the stream begins
	before = append(before, &sound)
	for time := (old - 1) % pause; time < old; time += pause {
		f := sound
		f.Time = time
		before = append(before, &f)
	}
	return before
}

// observers watch a stream in the formats that have clocks of their own.
type observers struct {
	rtmp    *watcher
	flv, ts *viewer
	hls     *player
}

// observe begins to watch behind some frames.
func (s *server) observe(name string, behind int) *observers {
	s.t.Helper()
	s.awaitFrames(name, behind)
	return &observers{
		rtmp: s.play(s.url("rtmp", "/live/"+name)),
		flv:  s.watch(http1, s.url("http", "/live/"+name+".flv")),
		ts:   s.watch(http1, s.url("http", "/live/"+name+".ts")),
		hls:  s.tune(http1, s.url("http", "/live/"+name+".m3u8")),
	}
}

// check waits until the clock that was lead from base has overflowed, and checks that nobody has missed anything.
func (o *observers) check(t *testing.T, base int64) {
	eventually(t, "the clock overflows", func() error {
		seen := unwrap(o.rtmp.seen())
		if n := len(seen); n == 0 || seen[n-1].Time < base+lead+past {
			return fmt.Errorf("there are %d frames", n)
		}
		return errors.Join(o.rtmp.running(), o.flv.running(), o.ts.running(), o.hls.running())
	})
	if first := o.rtmp.seen()[0].Time; first > base+lead {
		t.Errorf("the stream was seen from %d, when the clock had overflowed", first)
	}
	checkSmooth(t, o.rtmp.name, unwrap(o.rtmp.seen()))
	checkSmooth(t, o.flv.name, unwrap(readFLV(t, o.flv.Bytes())))
	const seconds = (lead+past)/1000 - 2
	film.decodeFor(t, seconds, file(t, "test.flv", cutFLV(o.flv.Bytes())))
	film.decodeFor(t, seconds, file(t, "test.ts", o.ts.Bytes()))
	film.decodeFor(t, seconds-1, file(t, "segments.ts", o.hls.Bytes()))
}

// unwrap returns frames whose time goes on where that of 32 bits begins anew.
func unwrap(frames []*live.Frame) []*live.Frame {
	var list []*live.Frame
	add := int64(0)
	for i, f := range frames {
		if i > 0 && f.Time < frames[i-1].Time-overflow32/2 {
			add = overflow32
		}
		g := *f
		g.Time += add
		list = append(list, &g)
	}
	return list
}
