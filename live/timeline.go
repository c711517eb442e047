package live

// The bounds of a believable step between two frames of one track, in milliseconds. A longer pause than maxPause cannot
// come from a publisher that was not silent long enough to be ended; an encoder's disorder stays below maxDisorder.
const (
	maxPause    = 30_000
	maxDisorder = 1_000
	seamStep    = 20 // what a seam in the source's time becomes: about one frame
)

// A timeline turns the time stamps of one publisher after another into one time that starts at 0 and never falls within
// a track. A source may start anywhere, wrap at 2^32, jump or return: a step that no real source takes is a seam, and
// the time goes on behind it as if nothing had happened. All tracks share the correction, so that sound stays with
// picture, unless one of them leaps alone. A JitterRule may leave leaps forward and the beginning as they are.
type timeline struct {
	rule    JitterRule // of the present publisher
	tracks  map[trackID]*trackTime
	shift   int64 // what to add to the source's time, by the newest seam
	newest  int64 // the latest time given out
	floor   int64 // where the present publisher began: nothing lies before it
	started bool  // a publisher's first frame has been placed

	repaired int64 // frames that did not get the time that the source's says: at a seam, or before what came before them
}

type trackTime struct {
	source int64 // the newest time of the source, without wraps
	out    int64 // the newest time given out
	shift  int64
}

// seam tells that another publisher follows, and how its time is to be mended.
func (t *timeline) seam(rule JitterRule) {
	t.rule = rule
	t.started = false
	t.tracks = nil
}

// place returns the time of a frame that the source dates at time.
func (t *timeline) place(id trackID, time int64) int64 {
	if !t.started {
		t.begin(time)
	}
	tr := t.tracks[id]
	if tr == nil {
		tr = t.newTrack(time)
		t.tracks[id] = tr
	}
	tr.source += int64(int32(uint32(time) - uint32(tr.source)))
	if !t.believes(tr.out, tr.source+tr.shift) {
		t.mend(tr)
		t.repaired++
	} else if tr.source+tr.shift < tr.out {
		t.repaired++
	}
	tr.out = max(tr.out, tr.source+tr.shift)
	t.newest = max(t.newest, tr.out)
	return tr.out
}

// last returns the time for what comes with a track's media but is none, so that the track's time does not fall.
func (t *timeline) last(id trackID) int64 {
	if tr := t.tracks[id]; tr != nil {
		return tr.out
	}
	if t.started && id.kind != KindData {
		return t.floor // the track's first frame may lie as early as that
	}
	return t.newest
}

func (t *timeline) begin(time int64) {
	switch {
	case t.rule == JitterOff && time > t.newest:
		t.newest = time
	case t.newest > 0:
		t.newest += seamStep
	}
	t.floor = t.newest
	t.shift = t.newest - time
	t.tracks = make(map[trackID]*trackTime)
	t.started = true
}

// newTrack starts a track where the others are. Its time may lie somewhat before or behind theirs.
func (t *timeline) newTrack(time int64) *trackTime {
	tr := &trackTime{source: time, out: t.newest, shift: t.shift}
	// The newest shift may stem from a wrap of the other tracks, or this track may have another origin altogether.
	tr.source = t.newest - t.shift
	tr.source += int64(int32(uint32(time) - uint32(tr.source)))
	if out := tr.source + tr.shift; !t.believes(t.newest, out) {
		tr.shift = t.newest - tr.source
	} else {
		tr.out = max(t.floor, min(out, t.newest))
	}
	return tr
}

// mend closes a seam in a track: with the shift of another track that has just leapt the same way, or by a new one.
func (t *timeline) mend(tr *trackTime) {
	if t.believes(tr.out, tr.source+t.shift) {
		tr.shift = t.shift
		return
	}
	t.shift = t.newest + seamStep - tr.source
	tr.shift = t.shift
}

// believes tells whether a frame may follow one of the time before with the time out.
func (t *timeline) believes(before, out int64) bool {
	return out >= before-maxDisorder && (out <= before+maxPause || t.rule != JitterFull)
}
