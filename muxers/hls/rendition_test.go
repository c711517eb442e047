package hls

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec/codectest"
)

// numbered returns frames as those of another track.
func numbered(track uint8, frames ...*live.Frame) (list []*live.Frame) {
	for _, f := range frames {
		g := *f
		g.Track = track
		list = append(list, &g)
	}
	return list
}

// multitrack returns n milliseconds of two pictures and two sounds, the key frames of the second picture after those of the
// first by late milliseconds.
func multitrack(n, late int64) []*live.Frame {
	configs := slices.Concat(livetest.Configs(), numbered(1, livetest.VideoConfig(), livetest.AudioConfig()))
	second := func(ms int64) bool { return ms == late || ms > late && (ms-late)%2000 == 0 }
	return slices.Concat(configs, mixed(
		pictures(0, n, every(2000)), numbered(1, pictures(late, n, second)...),
		sounds(0, n), numbered(1, sounds(0, n)...),
	))
}

// onAir lets f see a site on which publishers of frames come one after the other, at their pace.
func onAir(t *testing.T, set func(*Config), f func(s *site), publishers ...[]*live.Frame) {
	t.Helper()
	inBubble(t, func(s *site) {
		s.config = DefaultConfig()
		s.config.Sessions = SessionsOff
		set(&s.config)
		ctx, cancel := context.WithCancel(s.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			sc := &scenario{frames: publishers, gap: 2 * time.Second}
			sc.run(ctx, s)
		}()
		defer func() { cancel(); <-done }()
		f(s)
	})
}

// A lineup is what a multivariant playlist leads to: documents by the mark of their rendition.
func (s *site) lineup() map[string]*document {
	s.Helper()
	lists := map[string]*document{}
	for _, l := range checkMultivariant(s.T, s.ok(folder+"index.m3u8")) {
		uri := l.uri
		if uri == "" {
			uri = strings.Trim(l.attributes["URI"], `"`)
		}
		if uri == "" {
			continue // it is in the others
		}
		_, mark, _ := strings.Cut(strings.TrimSuffix(bare(uri), ".m3u8"), "-")
		lists[mark] = readDocument(string(s.ok(folder + uri)))
	}
	return lists
}

// begins returns where the segments of a playlist begin, by number.
func (d *document) begins() map[int]string {
	list := map[int]string{}
	for _, e := range d.segments {
		if e.uri != "" {
			list[e.number] = fmt.Sprint(e.date.Format("05.000"), " ", e.seams, " ", e.seam)
		}
	}
	return list
}

// aligned checks that two playlists of the same moment have segments of the same numbers, that begin at the same times and
// are behind the same discontinuities.
func aligned(t *testing.T, name string, a, b *document) {
	t.Helper()
	x, y := a.begins(), b.begins()
	common := 0
	for n, begin := range x {
		if other, ok := y[n]; ok {
			common++
			if begin != other {
				t.Errorf("%s: segment %d begins at %s in one and at %s in the other", name, n, begin, other)
			}
		}
	}
	if common == 0 || common < len(x)-1 {
		t.Errorf("%s: of %d and %d segments %d have the same numbers\n%s\n%s", name, len(x), len(y), common, a.text, b.text)
	}
	if a.target != b.target {
		t.Errorf("%s: target durations %v and %v", name, a.target, b.target)
	}
}

// Each track is a rendition, cut where the others are, whatever the variant.
func TestRenditions(t *testing.T) {
	for kind, set := range map[string]func(*Config){"ts": kinds["ts"], "fmp4": kinds["fmp4"], "ll": kinds["ll"]} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			onAir(t, set, func(s *site) {
				s.ok(folder + "index.m3u8")
				for range 12 {
					sleep(2 * time.Second)
					lists := s.lineup()
					if len(lists) != 3 {
						s.Fatalf("renditions: %v", lists)
					}
					aligned(s.T, "the second picture", lists[""], lists["v1"])
				}
				lists := s.lineup()
				if n := lists["a1"].last().number - lists[""].last().number; n < -1 || n > 1 {
					s.Errorf("the second sound is %d segments off", n)
				}
				for mark, d := range lists {
					for _, e := range d.segments {
						if start, _, _ := strings.Cut(e.uri, "-"); mark != "" && !strings.HasSuffix(start, "_"+mark) {
							s.Errorf("%q has segment %s", mark, e.uri)
						}
						s.ok(folder + e.uri)
					}
				}
			}, multitrack(40000, 0))
		})
	}
}

// Playlists of renditions obey all rules, also over the coming and going of publishers.
func TestRenditionRules(t *testing.T) {
	for kind, set := range map[string]func(*Config){
		"ts": kinds["ts"], "fmp4": kinds["fmp4"], "ll": kinds["ll"],
		"ts, keys": func(c *Config) { kinds["ts"](c); c.KeyEvery = 3 }, "fmp4, keys": func(c *Config) { kinds["fmp4"](c); c.KeyEvery = 1 },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			onAir(t, set, func(s *site) {
				s.ok(folder + "index.m3u8")
				lists := map[string]*watcher{}
				for _, r := range []rendition{{s.config.entry(true), 0, 0}, {s.config.entry(true), live.KindVideo, 1}, {s.config.entry(true), live.KindAudio, 1}} {
					lists[r.mark()] = s.watch(folder + r.list())
				}
				for i := range 120 {
					for _, w := range lists {
						d := w.look("")
						if i%10 == 0 {
							w.fetch(d)
						}
					}
					pause(333 * time.Millisecond)
					synctest.Wait()
				}
				for mark, w := range lists {
					checkReports(s.T, mark, w.look(""), lists)
				}
				docs := s.lineup()
				aligned(s.T, "the second picture", docs[""], docs["v1"])
				if docs[""].last().seams == docs[""].first().seams && docs[""].last().seams == 0 {
					s.Errorf("no discontinuity in\n%s", docs[""].text)
				}
			}, multitrack(13000, 0), multitrack(40000, 0))
		})
	}
}

// checkReports checks that a playlist of low latency tells how far the others are (RFC 8216bis, 4.4.5.4), and another does not.
func checkReports(t *testing.T, mark string, d *document, lists map[string]*watcher) {
	t.Helper()
	want := len(lists) - 1
	if d.part == 0 {
		want = 0
	}
	n := 0
	for line := range strings.Lines(d.text) {
		value, ok := strings.CutPrefix(line, "#EXT-X-RENDITION-REPORT:")
		if !ok {
			continue
		}
		n++
		a := attributes(strings.TrimSpace(value))
		_, other, _ := strings.Cut(strings.TrimSuffix(bare(a["URI"]), ".m3u8"), "-")
		w := lists[other]
		if w == nil || other == mark {
			t.Errorf("%q reports on %s", mark, a["URI"])
			continue
		}
		segment := w.full.last().number
		if len(w.full.open) > 0 {
			segment++
		}
		if off := segment - int(number(a["LAST-MSN"])); off < -1 || off > 1 || number(a["LAST-PART"]) >= 12 {
			t.Errorf("%q reports %s, but it is at segment %d", mark, value, segment)
		}
	}
	if n != want {
		t.Errorf("%q has %d reports, want %d", mark, n, want)
	}
}

// A rendition whose key frames come later begins its segments with them, under the same numbers.
func TestLateKeyFrames(t *testing.T) {
	onAir(t, kinds["fmp4"], func(s *site) {
		s.ok(folder + "index.m3u8")
		sleep(20 * time.Second)
		lists := s.lineup()
		x, y := lists[""], lists["v1"]
		for _, e := range y.segments {
			i := slices.IndexFunc(x.segments, func(f *entryOf) bool { return f.number == e.number })
			if i < 0 {
				continue
			}
			if d := e.date.Sub(x.segments[i].date); d != 280*time.Millisecond {
				s.Errorf("segment %d begins %v later", e.number, d)
			}
		}
	}, multitrack(40000, 280))
}

// A track that comes later is offered as soon as it has a segment, and one that has gone is so no more.
func TestTracksComeAndGo(t *testing.T) {
	second := numbered(1, slices.Concat([]*live.Frame{livetest.VideoConfig()}, pictures(10000, 20000, every(2000)))...)
	frames := slices.Concat(livetest.Configs(), mixed(pictures(0, 60000, every(2000)), sounds(0, 60000), second))
	onAir(t, kinds["fmp4"], func(s *site) {
		offered := func() bool { return strings.Contains(string(s.ok(folder+"index.m3u8")), "stream-v1.m3u8") }
		if offered() {
			s.Error("a rendition without a track")
		}
		sleep(17 * time.Second)
		if !offered() {
			s.Error("a track without a rendition")
		}
		lists := s.lineup()
		if a, b := lists[""].last(), lists["v1"].last(); a.number-b.number > 1 || lists["v1"].first().number < lists[""].first().number {
			s.Errorf("segment %d of one, %d of the other", a.number, b.number)
		}
		sleep(20 * time.Second)
		if offered() {
			s.Error("the track has gone, the rendition has not")
		}
	}, frames)
}

// What one rendition cannot go on with is a discontinuity in all of them, at the same number.
func TestChangeOfOneRendition(t *testing.T) {
	for kind, set := range map[string]func(*Config){"ts": kinds["ts"], "ll": kinds["ll"]} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			change := numbered(1, dated(changed(), 12000))
			frames := multitrack(40000, 0)
			i := slices.IndexFunc(frames, func(f *live.Frame) bool { return f.Media() && f.Time >= 12000 })
			frames = slices.Insert(frames, i, change...)
			onAir(t, set, func(s *site) {
				s.ok(folder + "index.m3u8")
				sleep(20 * time.Second)
				lists := s.lineup()
				for mark, d := range lists {
					if n := d.count["#EXT-X-DISCONTINUITY"]; n != 1 {
						s.Errorf("%q: %d discontinuities in\n%s", mark, n, d.text)
					}
				}
				x, y := lists[""].begins(), lists["v1"].begins()
				for n := range x {
					if other, ok := y[n]; ok && strings.Fields(x[n])[1] != strings.Fields(other)[1] {
						s.Errorf("segment %d: %s and %s", n, x[n], other)
					}
				}
			}, frames)
		})
	}
}

// Names of renditions, and what only looks like them.
func TestRenditionNames(t *testing.T) {
	for file, want := range map[string]string{
		"stream.m3u8": "", "stream-v1.m3u8": "v1", "stream-a15.m3u8": "a15", "media-v255.m3u8": "v255",
		"stream-v01.m3u8": "-", "stream-v256.m3u8": "-", "stream-.m3u8": "-", "stream-x1.m3u8": "-", "stream-v.m3u8": "-", "streamv1.m3u8": "-",
		"stream-v1": "-", "x_v1-5.m4s": "v1", "x_a2-5-6.m4s": "a2", "x-5.ts": "", "x_q-5.ts": "-",
	} {
		got := "-"
		if target, ok := parseTarget(folder + file); ok {
			got = target.of.mark()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

// A real player reads every rendition: other pictures and sounds of other codecs.
func TestRenditionsOfFilms(t *testing.T) {
	small, _ := codectest.Film{Seconds: 9, Video: "hevc", Audio: "opus"}.Movie(t)
	large, _ := codectest.Film{Seconds: 9}.Movie(t)
	frames := slices.Concat(large, numbered(1, small...))
	slices.SortStableFunc(frames, func(f, g *live.Frame) int {
		if f.Config != g.Config {
			return map[bool]int{true: -1, false: 1}[f.Config]
		}
		return int(f.Time - g.Time)
	})
	s := newSite(t)
	s.config = DefaultConfig()
	t.Cleanup(s.server.Close)
	livetest.Write(t, livetest.Publish(t, s.hub, livetest.Key), frames...)
	web := httptest.NewServer(s.handler)
	t.Cleanup(web.Close)
	lines := checkMultivariant(t, s.ok(folder+"index.m3u8"))
	if len(lines) != 4 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, want := range []string{"h264 aac", "hevc aac"} {
		a := lines[2+i].attributes
		if !strings.Contains(a["CODECS"], "mp4a.40.2,opus") {
			t.Errorf("CODECS=%s", a["CODECS"])
		}
		if got := probe(t, web.URL+folder+lines[2+i].uri); got != want {
			t.Errorf("ffprobe finds %q, want %q", got, want)
		}
	}
	if got := probe(t, web.URL+folder+strings.Trim(lines[1].attributes["URI"], `"`)); got != "opus" {
		t.Errorf("ffprobe finds %q in the second sound", got)
	}
	if got := strings.Fields(probe(t, web.URL+folder+"index.m3u8")); !slices.Equal(slices.Sorted(slices.Values(got)), []string{"aac", "aac", "h264", "hevc", "opus"}) {
		t.Errorf("ffprobe finds %q in all", got)
	}
	if v := s.viewers(); len(v) != 2 { // this test, which never came back, and ffprobe with all it has got
		t.Errorf("%d viewers", len(v))
	}
}
