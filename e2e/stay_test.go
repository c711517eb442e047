package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// hurried are Caddy's default time-outs, a minute for each and five for idle connections, in a sixtieth of the time. Of
// writes it even demands a rate, as an operator may, that no stream of the tests has.
const hurried = `	skip_install_trust
	servers {
		timeouts {
			read_header 1s
			read_body_idle 1s
			write_idle 1s 10000000
			idle 5s
		}
	}
`

// TestLongStay has viewers of every kind stay for several times as long as all of Caddy's time-outs, over reloads. They miss
// nothing: neither of a film, nor of a stream of which nothing comes for longer than Caddy lets a write take.
func TestLongStay(t *testing.T) {
	t.Parallel()
	config := strings.Replace(basic, "\tskip_install_trust\n", hurried, 1)
	s := serve(t, config)
	s.publish(s.url("rtmp", "/live/test"))
	s.loop(s.url("rtmp", "/live/slides"), slides(t))
	a := s.gather()
	a.flv = append(a.flv, s.watchSocket(s.url("wss", "/live/test.flv")))
	var patient []*viewer
	for _, w := range ways {
		patient = append(patient, s.watch(w.version, s.url(w.scheme, "/live/slides.flv")))
	}
	patient = append(patient, s.watchSocket(s.url("wss", "/live/slides.flv")))

	const stay = 3 * 5 * time.Second
	for began, n := time.Now(), 0; time.Since(began) < stay; n++ {
		goesOn(t, a.everybody()...)
		if n > 1 {
			continue
		}
		if output, err := s.reload(with(config, "https://localhost", fmt.Sprint("\theader X-Edited ", n))); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
	}
	a.check(t)
	for _, v := range patient {
		checkSlides(t, v)
	}
}

// slideTime is how long each slide is shown, in milliseconds.
const slideTime = 2500

// slides returns a stream of single pictures, longer than the test.
func slides(t testing.TB) (frames []*live.Frame) {
	t.Helper()
	const enough = 20
	var pictures []*live.Frame
	for _, f := range mediaOf(film.frames(t), live.KindVideo) {
		if f.Key {
			pictures = append(pictures, f)
		}
	}
	for _, f := range film.frames(t) {
		if f.Kind == live.KindVideo && f.Config {
			frames = append(frames, f)
		}
	}
	for n := range enough {
		f := *pictures[n%len(pictures)]
		f.Time = int64(n) * slideTime
		frames = append(frames, &f)
	}
	return frames
}

// checkSlides checks that a viewer is there who has seen one slide after the other.
func checkSlides(t testing.TB, v *viewer) {
	t.Helper()
	if err := v.running(); err != nil {
		t.Errorf("%s: %v", v.name, err)
	}
	shown := mediaOf(readFLV(t, v.Bytes()), live.KindVideo)
	const atLeast = 5
	if len(shown) < atLeast {
		t.Errorf("%s has seen %d slides", v.name, len(shown))
	}
	for i := 1; i < len(shown); i++ {
		if gap := shown[i].Time - shown[i-1].Time; gap != slideTime {
			t.Errorf("%s has seen slides at %d and %d", v.name, shown[i-1].Time, shown[i].Time)
		}
	}
}
