package hls

import "time"

// A plan is when the segments of a stream's main rendition begin, for the others to begin theirs at the same times with the
// same numbers.
type plan struct {
	marks  []mark // the newest maxMarks
	passed int    // how many there were before those
	target int64  // the target duration in seconds, 0 if not known
	newest int64  // up to when all marks are there
}

// A mark is the beginning of a segment.
type mark struct {
	time   int64 // in stream time
	number int64 // its media sequence number
	seams  int64 // its discontinuity sequence number
	seam   bool  // a discontinuity is before it
	origin time.Time
}

// maxMarks is more than a log has segments.
const maxMarks = 1024

func (p *plan) add(m mark) {
	p.marks = append(p.marks, m)
	if surplus := len(p.marks) - maxMarks; surplus > 0 {
		p.marks = append([]mark(nil), p.marks[surplus:]...)
		p.passed += surplus
	}
}

// first returns the number of the oldest segment that is known.
func (p *plan) first() int64 { return p.marks[0].number }

// pass returns the newest mark that is not later than time, if there is one behind the first *seen, which it then counts as
// seen.
func (p *plan) pass(seen *int, time int64) (m mark, ok bool) {
	for i := max(*seen-p.passed, 0); i < len(p.marks) && p.marks[i].time <= time; i++ {
		m, ok = p.marks[i], true
		*seen = p.passed + i + 1
	}
	return m, ok
}

// seam is pass for the next discontinuity, whenever it is.
func (p *plan) seam(seen *int) (m mark, ok bool) {
	for i := max(*seen-p.passed, 0); i < len(p.marks); i++ {
		if p.marks[i].seam {
			*seen = p.passed + i + 1
			return p.marks[i], true
		}
	}
	return m, false
}
