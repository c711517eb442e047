package live

import "testing"

// A step is a frame's time in and out of a timeline.
type step struct {
	track    byte // v, a, w (a second video track) or | for another publisher
	in, want int64
}

const wrap = 1 << 32

func TestTimeline(t *testing.T) {
	for name, steps := range map[string][]step{
		"start not at 0":                       {{'v', 5000, 0}, {'a', 5010, 10}, {'v', 5040, 40}, {'a', 5033, 33}},
		"second track begins before the first": {{'v', 5000, 0}, {'a', 4950, 0}, {'a', 4990, 0}, {'a', 5020, 20}},
		"wrap":                                 {{'v', wrap - 20, 0}, {'v', 20, 40}, {'a', wrap - 10, 10}, {'a', 13, 33}, {'v', 60, 80}},
		"wrap twice": {
			{'v', wrap - 20, 0}, {'v', 20, 40}, {'v', 20_000, 20_020}, {'v', wrap - 40, 20_040}, {'v', 0, 20_080},
		},
		"backward jump":   {{'v', 0, 0}, {'a', 5, 5}, {'v', 10_000, 10_000}, {'a', 10_005, 10_005}, {'v', 0, 10_025}, {'a', 5, 10_030}, {'v', 40, 10_065}},
		"forward leap":    {{'v', 0, 0}, {'a', 30, 30}, {'v', 40, 40}, {'v', 1_000_000, 60}, {'a', 1_000_000, 60}, {'v', 1_000_040, 100}},
		"pause is kept":   {{'v', 0, 0}, {'v', 29_000, 29_000}, {'a', 29_010, 29_010}},
		"one leaps alone": {{'v', 0, 0}, {'a', 0, 0}, {'v', 40, 40}, {'a', 23, 23}, {'v', 9_000_000, 60}, {'a', 46, 46}, {'v', 9_000_040, 100}, {'a', 69, 69}},
		"another origin":  {{'v', 0, 0}, {'v', 40, 40}, {'a', 5_000_000, 40}, {'a', 5_000_023, 63}, {'v', 80, 80}},
		"small disorder":  {{'v', 0, 0}, {'v', 80, 80}, {'v', 60, 80}, {'v', 120, 120}},
		"together over a seam": {
			{'v', 100_000, 0}, {'a', 100_010, 10}, {'w', 100_000, 0}, {'v', 0, 30}, {'a', 10, 40}, {'w', 0, 30}, {'w', 40, 70},
		},
		"another publisher": {
			{'v', 0, 0}, {'v', 40, 40}, {'a', 60, 60}, {'|', 0, 0}, {'v', 7_000, 80}, {'a', 6_990, 80}, {'a', 7_013, 93}, {'v', 7_040, 120},
		},
	} {
		t.Run(name, func(t *testing.T) { walk(t, JitterFull, steps) })
	}
}

// TestTimelineByRule has what the other rules leave as it is, and what they do not.
func TestTimelineByRule(t *testing.T) {
	for _, c := range []struct {
		name  string
		rule  JitterRule
		steps []step
	}{
		{"zero, leap", JitterZero, []step{{'v', 5000, 0}, {'v', 5040, 40}, {'v', 1_000_000, 995_000}, {'a', 1_000_010, 995_010}, {'a', 1_000_050, 995_050}}},
		{"zero, fall", JitterZero, []step{{'v', 50_000, 0}, {'v', 60_000, 10_000}, {'v', 0, 10_020}, {'v', 40, 10_060}}},
		{"off, beginning", JitterOff, []step{{'v', 5000, 5000}, {'a', 5010, 5010}, {'v', 5040, 5040}, {'a', 5033, 5033}}},
		{"off, leap", JitterOff, []step{{'v', 5000, 5000}, {'v', 1_000_000, 1_000_000}}},
		{"off, fall", JitterOff, []step{{'v', 50_000, 50_000}, {'v', 0, 50_020}, {'a', 5, 50_025}, {'v', 40, 50_060}}},
		{"off, wrap", JitterOff, []step{{'v', wrap - 20, wrap - 20}, {'v', 20, wrap + 20}}},
		{"off, a publisher of the same clock", JitterOff, []step{{'v', 5000, 5000}, {'|', 0, 0}, {'v', 9000, 9000}}},
		{"off, a publisher of an earlier clock", JitterOff, []step{{'v', 5000, 5000}, {'|', 0, 0}, {'v', 0, 5020}, {'v', 40, 5060}}},
	} {
		t.Run(c.name, func(t *testing.T) { walk(t, c.rule, c.steps) })
	}
}

// walk places the steps on a new timeline.
func walk(t *testing.T, rule JitterRule, steps []step) {
	t.Helper()
	var line timeline
	line.seam(rule)
	tracks := map[byte]trackID{'v': {KindVideo, 0}, 'w': {KindVideo, 1}, 'a': {KindAudio, 0}}
	for i, s := range steps {
		if s.track == '|' {
			line.seam(rule)
			continue
		}
		if got := line.place(tracks[s.track], s.in); got != s.want {
			t.Errorf("step %d: %c at %d is placed at %d, want %d", i, s.track, s.in, got, s.want)
		}
	}
}

// FuzzTimeline throws arbitrary times at a timeline, which must fall in no track.
func FuzzTimeline(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 255, 255, 255, 0, 128, 0, 0, 3, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var line timeline
		newest := map[trackID]int64{}
		for ; len(b) >= 4; b = b[4:] {
			if b[0]&0x40 != 0 {
				line.seam(JitterRule(b[0]>>4&3) % (JitterOff + 1))
			}
			id := trackID{KindVideo, b[0] & 3}
			got := line.place(id, int64(uint32(b[1])<<24|uint32(b[2])<<16|uint32(b[3])<<4))
			if got < newest[id] || got > line.newest {
				t.Fatalf("%d after %d, newest %d", got, newest[id], line.newest)
			}
			newest[id] = got
		}
	})
}

func TestRepairedFramesAreCounted(t *testing.T) {
	var line timeline
	video, audio := trackID{KindVideo, 0}, trackID{KindAudio, 0}
	for _, at := range []int64{0, 40, 80, 60, 120, 1_000_000, 1_000_040} { // one falls, one leaps
		line.place(video, at)
	}
	line.place(audio, 1_000_050)
	if line.repaired != 2 {
		t.Errorf("%d frames were repaired", line.repaired)
	}
}

func TestTimeOfWhatIsNoMedia(t *testing.T) {
	var line timeline
	video, audio, data := trackID{KindVideo, 0}, trackID{KindAudio, 0}, trackID{KindData, 0}
	line.place(audio, 1000)
	line.place(audio, 1100)
	if got := line.last(video); got != 0 {
		t.Errorf("before the first picture: %d", got)
	}
	line.place(video, 1040)
	if got := line.last(video); got != 40 {
		t.Errorf("after a picture: %d", got)
	}
	if got := line.last(data); got != 100 {
		t.Errorf("data: %d", got)
	}
}
