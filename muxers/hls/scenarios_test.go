package hls

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// kinds are the configurations under which scenarios must give playlists that break no rule: all of them under the first
// three, those that say so under the others.
var kinds = map[string]func(c *Config){
	"ts":           func(c *Config) { c.FMP4, c.LowLatency = false, false },
	"fmp4":         func(c *Config) { c.TS, c.LowLatency = false, false },
	"ll":           func(c *Config) { c.TS = false },
	"ll, 1 s":      func(c *Config) { c.TS, c.Part = false, time.Second },
	"ll, sessions": func(c *Config) { c.TS, c.Sessions = false, SessionsOn },
	"ll, cache":    func(c *Config) { c.TS, c.Sessions = false, SessionsCache },
	"ts, by time":  func(c *Config) { c.FMP4, c.LowLatency, c.Window, c.WindowTime = false, false, 3, 30*time.Second },
	"fmp4, dvr":    func(c *Config) { c.TS, c.LowLatency, c.DVR = false, false, 5*time.Minute },
	"ll, dvr":      func(c *Config) { c.TS, c.DVR = false, 5*time.Minute },
	"ts, keys":     func(c *Config) { c.FMP4, c.LowLatency, c.KeyEvery = false, false, 3 },
	"fmp4, keys":   func(c *Config) { c.TS, c.LowLatency, c.KeyEvery = false, false, 2 },
	"ll, small":    func(c *Config) { c.TS, c.Window, c.Segment = false, 3, time.Second },
	"ll, 100 ms":   func(c *Config) { c.TS, c.Part = false, 100*time.Millisecond },
}

// changed is another configuration of the picture.
func changed() *live.Frame {
	f := *livetest.VideoConfig()
	f.Body = append(slices.Clone(f.Body), 0)
	return &f
}

// shifted returns frames moved in time.
func shifted(by int64, frames []*live.Frame) (moved []*live.Frame) {
	for _, f := range frames {
		moved = append(moved, dated(f, f.Time+by))
	}
	return moved
}

func never(int64) bool { return false }

// rated returns pictures of another rate, a key frame every two seconds.
func rated(fps float64, seconds int) (frames []*live.Frame) {
	for i := range int(fps * float64(seconds)) {
		n := 1
		if i%int(2*fps) == 0 {
			n = 0
		}
		frames = append(frames, dated(livetest.Video(n), int64(float64(i)*1000/fps+0.5)))
	}
	return frames
}

// A scenario is what a publisher does. It runs in the background; the time it takes is said.
type scenario struct {
	name    string
	seconds int
	frames  [][]*live.Frame // of one publisher after the other
	gap     time.Duration   // between them
	ends    bool            // the last one leaves
	always  bool            // it is tried under every configuration
}

var scenarios = []scenario{
	{name: "steady", always: true, seconds: 40, frames: [][]*live.Frame{livetest.GOPs(45)}},
	{name: "GOP longer than a segment", seconds: 40, frames: [][]*live.Frame{slices.Concat(livetest.Configs(), mixed(pictures(0, 45000, every(8000)), sounds(0, 45000)))}},
	{name: "one GOP", seconds: 60, frames: [][]*live.Frame{slices.Concat(livetest.Configs(), mixed(pictures(0, 2000, every(2000)), pictures(2000, 65000, never), sounds(0, 65000)))}},
	{name: "sound alone", seconds: 30, frames: [][]*live.Frame{slices.Concat([]*live.Frame{livetest.AudioConfig()}, sounds(0, 35000))}},
	{name: "pictures alone", seconds: 30, frames: [][]*live.Frame{slices.Concat(livetest.Configs()[:2], pictures(0, 35000, every(2000)))}},
	{name: "24 pictures a second", seconds: 30, frames: [][]*live.Frame{slices.Concat(livetest.Configs()[:2], rated(24, 35))}},
	{name: "30000/1001 pictures a second", seconds: 30, frames: [][]*live.Frame{slices.Concat(livetest.Configs()[:2], rated(30000./1001, 35))}},
	{name: "12 pictures a second", seconds: 30, frames: [][]*live.Frame{slices.Concat(livetest.Configs()[:2], rated(12, 35))}},
	{name: "60 pictures a second", seconds: 30, frames: [][]*live.Frame{slices.Concat(livetest.Configs()[:2], rated(60, 35))}},
	{name: "another codec configuration", always: true, seconds: 30, frames: [][]*live.Frame{slices.Concat(livetest.GOPs(13), []*live.Frame{dated(changed(), 13000)}, livetest.Media(13, 35))}},
	{name: "comes back at once", always: true, seconds: 40, frames: [][]*live.Frame{livetest.GOPs(13), livetest.GOPs(30)}, gap: 3 * time.Second},
	{name: "comes back late", seconds: 60, frames: [][]*live.Frame{livetest.GOPs(13), livetest.GOPs(40)}, gap: 10 * time.Second},
	{name: "comes back thrice", seconds: 60, frames: [][]*live.Frame{livetest.GOPs(9), livetest.GOPs(7), livetest.GOPs(8), livetest.GOPs(40)}, gap: time.Second},
	{name: "a gap in time", seconds: 40, frames: [][]*live.Frame{slices.Concat(livetest.GOPs(9), shifted(6000, livetest.Media(9, 40)))}},
	{name: "the picture stops", seconds: 40, frames: [][]*live.Frame{slices.Concat(livetest.Configs(), mixed(pictures(0, 9000, every(2000)), sounds(0, 45000)))}},
	{name: "ends", seconds: 25, frames: [][]*live.Frame{livetest.GOPs(15)}, ends: true},
}

// run lets the publishers of a scenario come and go.
func (sc *scenario) run(ctx context.Context, s *site) {
	for i, frames := range sc.frames {
		if i > 0 {
			pause(sc.gap)
		}
		p, err := s.hub.Publish(context.WithoutCancel(ctx), livetest.Request(livetest.Key))
		if err != nil {
			s.Error(err)
			return
		}
		_ = livetest.Pace(ctx, p, frames...)
		if i+1 < len(sc.frames) || sc.ends || ctx.Err() != nil {
			p.Close(nil)
		}
	}
}

// Every playlist of every scenario obeys all rules, the long one and delta updates too, and what it names is there.
func TestConformance(t *testing.T) {
	for kind, set := range kinds {
		for _, sc := range scenarios {
			if !sc.always && !slices.Contains([]string{"ts", "fmp4", "ll"}, kind) {
				continue
			}
			t.Run(kind+"/"+sc.name, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(s *site) {
					s.config = DefaultConfig()
					s.config.Sessions = SessionsOff
					set(&s.config)
					ctx, cancel := context.WithCancel(s.Context())
					done := make(chan struct{})
					go func() { defer close(done); sc.run(ctx, s) }()
					defer func() { cancel(); <-done }()
					sc.check(s)
				})
			})
		}
	}
}

// check watches a scenario.
func (sc *scenario) check(s *site) {
	path := folder + s.multivariant(s.ok(folder + "index.m3u8")).Variants[0].URI
	w := s.watch(path)
	w.returns = sc.gap > 6*time.Second
	long := s.watch(path)
	long.path += map[bool]string{true: "&dvr", false: "?dvr"}[strings.Contains(path, "?")]
	long.returns = w.returns
	for i := range sc.seconds * 3 {
		d := w.look("")
		if i%6 == 0 {
			w.look("_HLS_skip=YES")
			w.fetch(d)
			long.look("")
			long.look("_HLS_skip=YES")
		}
		pause(333 * time.Millisecond)
		synctest.Wait()
	}
	if low := s.config.LowLatency && s.config.FMP4; low != (w.full.part > 0) {
		s.Errorf("parts: %v", !low)
	} else if !low {
		for _, tag := range lowLatencyTags {
			if w.full.count[tag] > 0 {
				s.Errorf("%s without low latency", tag)
			}
		}
	}
	if sc.ends != w.full.ended() {
		s.Errorf("ended: %v", w.full.ended())
	}
}
