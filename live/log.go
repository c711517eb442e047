package live

// A log holds the newest frames of a stream in order. It is not safe for concurrent use.
type log struct {
	ring  []*Frame // its length is a power of two
	first uint64   // number of the oldest frame held
	next  uint64   // number of the next frame
	bytes int64    // what the frames held cost
	video int      // how many of the frames held are video

	entry uint64 // number of the newest frame to begin from, if hasEntry
	valid bool   // there is such a frame in the log
}

// frameCost is what a frame takes beside its body: without it, a log of empty frames would not be bounded.
const frameCost = 160

func (f *Frame) cost() int64 { return int64(len(f.Body)) + frameCost }

func (l *log) at(n uint64) *Frame { return l.ring[n&uint64(len(l.ring)-1)] }

func (l *log) newest() *Frame {
	if l.next == l.first {
		return nil
	}
	return l.at(l.next - 1)
}

// push appends f, marks it as an entry if viewers may begin there, and drops what the rules do not keep.
func (l *log) push(f *Frame, rules *Rules) {
	if int(l.next-l.first) == len(l.ring) {
		l.grow()
	}
	if f.Kind == KindVideo {
		l.video++
	}
	f.entry = l.isEntry(f, rules)
	if f.entry {
		l.entry, l.valid = l.next, true
	}
	l.ring[l.next&uint64(len(l.ring)-1)] = f
	l.next++
	l.bytes += f.cost()
	for l.next-l.first > 1 && !rules.keeps(f.Time-l.at(l.first).Time, l.bytes) {
		l.drop()
	}
}

// isEntry tells whether a viewer may begin at f: at a key frame, or at any frame if there is no video to wait for or
// the operator wants no cache.
func (l *log) isEntry(f *Frame, rules *Rules) bool {
	switch {
	case !f.Media():
		return false
	case !rules.gopCache():
		return true
	case f.Kind == KindVideo:
		return f.Key
	}
	return l.video == 0
}

func (l *log) drop() {
	f := l.at(l.first)
	l.ring[l.first&uint64(len(l.ring)-1)] = nil
	l.bytes -= f.cost()
	if f.Kind == KindVideo {
		l.video--
	}
	if l.entry == l.first {
		l.valid = false
	}
	l.first++
}

func (l *log) grow() {
	ring := make([]*Frame, max(64, 2*len(l.ring)))
	for n := l.first; n < l.next; n++ {
		ring[n&uint64(len(ring)-1)] = l.at(n)
	}
	l.ring = ring
}

// start returns the number of the frame that a new reader begins at. ok is false if it has to wait for the next entry,
// because the newest group of pictures is longer than the bound for joining.
func (l *log) start(rules *Rules) (n uint64, ok bool) {
	if !l.valid {
		return l.next, false
	}
	if !rules.gopCache() {
		return l.entry, true
	}
	var size int64
	for i := l.entry; i < l.next; i++ {
		size += l.at(i).cost()
	}
	if rules.Join.exceeded(l.newest().Time-l.at(l.entry).Time, size) {
		return l.next, false
	}
	return l.entry, true
}

// oldest returns the number of the oldest entry held, or the next frame's.
func (l *log) oldest() uint64 {
	for n := l.first; n < l.next; n++ {
		if l.at(n).entry {
			return n
		}
	}
	return l.next
}
