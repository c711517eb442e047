package load

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec/codectest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/flv"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/mpegts"
)

// flvOf writes frames as FLV.
func flvOf(t testing.TB, frames ...*live.Frame) []byte {
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

// tsOf writes frames as MPEG-TS.
func tsOf(t testing.TB, frames ...*live.Frame) []byte {
	t.Helper()
	m := new(mpegts.Muxer)
	var b []byte
	for _, f := range codectest.Read(t, frames) {
		b = m.AppendFrame(b, f)
	}
	return b
}

// The film is accepted in every format, in pieces of every size, over the seam between two laps.
func TestGood(t *testing.T) {
	frames := shown(t, 2)
	for name, c := range map[string]struct {
		b     []byte
		check func(w *watch) func(b []byte, now time.Time) error
	}{
		"FLV": {flvOf(t, frames...), func(w *watch) func([]byte, time.Time) error { return newFLVCheck(w).read }},
		"TS":  {tsOf(t, frames...), func(w *watch) func([]byte, time.Time) error { return newTSCheck(w).read }},
	} {
		for _, n := range []int{1, 7, 187, 188, 4096, 1 << 20} {
			w := watching()
			if err := inPieces(c.b, n, c.check(w)); err != nil {
				t.Fatalf("%s in pieces of %d: %v", name, n, err)
			}
			if marks := w.tally.marks.Load(); len(w.faults()) > 0 || marks < 398 || w.tally.join.times().Count != 1 {
				t.Errorf("%s in pieces of %d: %d marks, faults %v", name, n, marks, w.tally.register.list())
			}
		}
	}
}

// What is wrong with a stream is found.
func TestFaults(t *testing.T) {
	frames := shown(t, 1)
	without := func(drop func(i int, f *live.Frame) bool) (rest []*live.Frame) {
		for i, f := range frames {
			if !drop(i, f) {
				rest = append(rest, f)
			}
		}
		return rest
	}
	pictures := 0
	lossy := without(func(_ int, f *live.Frame) bool {
		if f.Kind == live.KindVideo && f.Media() {
			pictures++
			return pictures == 11 || pictures == 12
		}
		return false
	})
	back := append(append([]*live.Frame(nil), frames[:100]...), frames[50:]...)
	whole := flvOf(t, frames...)
	wrongSize := bytes.Clone(whole)
	wrongSize[len(wrongSize)-1]++
	ts := tsOf(t, frames...)
	noSync := bytes.Clone(ts)
	noSync[10*188] = 0
	for name, c := range map[string]struct {
		flv, ts []byte
		fault   string // that ends the viewer
		counted map[string]int64
	}{
		"two pictures are missing": {flv: flvOf(t, lossy...), counted: map[string]int64{faultMissing: 2}},
		"time goes back":           {flv: flvOf(t, back...), counted: map[string]int64{faultTime: 2, faultMissing: 1}},
		"a wrong size follows":     {flv: wrongSize, fault: faultFormat},
		"no FLV":                   {flv: []byte(strings.Repeat("HTTP/1.1 ", 9)), fault: faultFormat},
		"no TS":                    {ts: noSync, fault: faultFormat},
		"a packet is missing":      {ts: append(bytes.Clone(ts[:45*188]), ts[46*188:]...), counted: map[string]int64{faultContinuity: 1}},
		"no table":                 {ts: ts[188:], fault: faultFormat},
	} {
		w := watching()
		var err error
		if c.flv != nil {
			err = inPieces(c.flv, 1000, newFLVCheck(w).read)
		} else {
			err = inPieces(c.ts, 1000, newTSCheck(w).read)
		}
		if c.fault == "" && err != nil || c.fault != "" && (err == nil || kindOf(err, "") != c.fault) {
			t.Errorf("%s: the viewer ended with %v, want %q", name, err, c.fault)
		}
		if c.counted == nil {
			continue
		}
		if got := w.faults(); !maps.Equal(got, c.counted) {
			t.Errorf("%s: %v, want %v", name, w.tally.register.list(), c.counted)
		}
	}
}

// Time stamps wrap.
func TestWrap(t *testing.T) {
	w := watching()
	for _, c := range []struct {
		time int64
		bits int
	}{{1<<32 - 40, 32}, {0, 32}, {40, 32}} {
		w.pass(live.KindVideo, c.time, c.bits)
	}
	w.restart()
	w.pass(live.KindVideo, 1<<33-1, 33)
	w.pass(live.KindVideo, 5, 33)
	if len(w.faults()) > 0 {
		t.Errorf("%v", w.tally.register.list())
	}
	w.pass(live.KindVideo, 1<<33-1, 33)
	if w.faults()[faultTime] != 1 {
		t.Error("going back over the wrap was not found")
	}
}

// A publisher that follows another begins with its own numbers.
func TestOrigins(t *testing.T) {
	w := watching()
	for _, m := range []mark{{origin: 1, number: 5}, {origin: 1, number: 6}, {origin: 2, number: 0}, {origin: 2, number: 2}} {
		w.mark(m, time.Now())
	}
	if got := w.faults()[faultMissing]; got != 1 {
		t.Errorf("%d pictures are missing, want 1", got)
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for ms := 1; ms <= 1000; ms++ {
		h.add(time.Duration(ms) * time.Millisecond)
	}
	got := h.times()
	near := func(got, want float64) bool { return got > want*0.97 && got < want*1.03 }
	if got.Count != 1000 || !near(got.P50, 500) || !near(got.P90, 900) || !near(got.P99, 990) || got.Max != 1000 {
		t.Errorf("%+v", got)
	}
	h.add(300 * 24 * time.Hour) // longer than the last class
	if got := h.times(); got.Max != 300*24*3600*1000 {
		t.Errorf("the longest is %v", got.Max)
	}
	h.reset()
	if got := h.times(); got != (Times{}) {
		t.Errorf("after a reset there is %+v", got)
	}
}

// The film goes round without a seam and has the bit rate that is asked for.
func TestFilm(t *testing.T) {
	film, err := loadFilm("", 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	if rate := int64(film.bytes()) * 8000 / film.lap; film.lap != 8000 || rate < 995_000 || rate > 1_000_000 {
		t.Errorf("%d bit/s in %d ms", rate, film.lap)
	}
	if _, err := loadFilm("", 1000); err == nil {
		t.Error("the film was made smaller than it is")
	}
	if _, err := loadFilm("check_test.go", 0); err == nil {
		t.Error("a file of Go is no film")
	}
}
