package live

// A log holds the newest frames of a stream in order. It is not safe for concurrent use.
type log struct {
	ring  []slot // its length is a power of two
	first uint64 // number of the oldest frame held
	next  uint64 // number of the next frame
	bytes int64  // what the frames held cost
	main  int    // how many of the frames held are of the main video
	video []int  // how many are video of a track, by its number

	entry uint64 // number of the newest frame to begin from, if hasEntry
	valid bool   // there is such a frame in the log
}

// A slot holds a frame and when it came, in nanoseconds since the stream began.
type slot struct {
	frame *Frame
	came  int64
}

// frameCost is what a frame takes beside its body: without it, a log of empty frames would not be bounded.
const frameCost = 160

func (f *Frame) cost() int64 { return int64(len(f.Body)) + frameCost }

func (l *log) at(n uint64) *Frame { return l.slot(n).frame }

func (l *log) slot(n uint64) *slot { return &l.ring[n&uint64(len(l.ring)-1)] }

func (l *log) newest() *Frame {
	if l.next == l.first {
		return nil
	}
	return l.at(l.next - 1)
}

// push appends f, marks it as an entry if viewers may begin there, and drops what the rules do not keep.
func (l *log) push(f *Frame, came int64, rules *Rules) {
	if int(l.next-l.first) == len(l.ring) {
		l.grow()
	}
	l.count(f, 1)
	f.entry = Tracks{}.isEntry(f, l, rules)
	if f.entry {
		l.entry, l.valid = l.next, true
	}
	*l.slot(l.next) = slot{f, came}
	l.next++
	l.bytes += f.cost()
	for l.next-l.first > 1 && !rules.keeps(f.Time-l.at(l.first).Time, l.bytes) {
		l.drop()
	}
}

// count adds n to what is known of the video held, if f is video.
func (l *log) count(f *Frame, n int) {
	if f.Kind != KindVideo {
		return
	}
	if f.main {
		l.main += n
	}
	if more := int(f.Track) + 1 - len(l.video); more > 0 {
		l.video = append(l.video, make([]int, more)...)
	}
	l.video[f.Track] += n
}

// hasVideo tells whether video of a choice is held.
func (l *log) hasVideo(c Choice) bool {
	switch c {
	case NoTrack:
		return false
	case MainTrack, AllTracks:
		return l.main > 0
	}
	number := int(c - TrackNumber(0))
	return number < len(l.video) && l.video[number] > 0
}

func (l *log) drop() {
	f := l.at(l.first)
	*l.slot(l.first) = slot{}
	l.bytes -= f.cost()
	l.count(f, -1)
	if l.entry == l.first {
		l.valid = false
	}
	l.first++
}

func (l *log) grow() {
	ring := make([]slot, max(64, 2*len(l.ring)))
	for n := l.first; n < l.next; n++ {
		ring[n&uint64(len(ring)-1)] = *l.slot(n)
	}
	l.ring = ring
}

// newestEntry returns the number of the newest frame held that a viewer of the chosen tracks may begin at. ok is false if
// there is none.
func (l *log) newestEntry(t Tracks, rules *Rules) (n uint64, ok bool) {
	if t == (Tracks{}) {
		return l.entry, l.valid
	}
	for n := l.next; n > l.first; n-- {
		if t.isEntry(l.at(n-1), l, rules) {
			return n - 1, true
		}
	}
	return 0, false
}

// start returns the number of the frame that a new reader of the chosen tracks begins at. ok is false if it has to wait for
// the next entry, because the newest group of pictures is longer than the bound for joining.
func (l *log) start(t Tracks, rules *Rules) (n uint64, ok bool) {
	entry, ok := l.newestEntry(t, rules)
	if !ok {
		return l.next, false
	}
	if !rules.gopCache() {
		return entry, true
	}
	var size int64
	for i := entry; i < l.next; i++ {
		size += l.at(i).cost()
	}
	if rules.Join.exceeded(l.newest().Time-l.at(entry).Time, size) {
		return l.next, false
	}
	return entry, true
}

// oldest returns the number of the oldest frame held that a viewer of the chosen tracks may begin at, or the next frame's.
func (l *log) oldest(t Tracks, rules *Rules) uint64 {
	for n := l.first; n < l.next; n++ {
		if l.isEntry(n, t, rules) {
			return n
		}
	}
	return l.next
}

// isEntry tells whether a viewer of the chosen tracks may begin at the frame of a number.
func (l *log) isEntry(n uint64, t Tracks, rules *Rules) bool {
	f := l.at(n)
	if t == (Tracks{}) {
		return f.entry
	}
	return t.isEntry(f, l, rules)
}
