package hls

import (
	"slices"
	"sync"
	"time"
)

// A window holds the segments of one variant of one stream that may be fetched, and tells those who wait of each change.
// Numbers only grow.
type window struct {
	start   string // the server's, in file names
	variant *variant
	count   *seams          // of all windows
	first   int64           // the number that it began with
	reports func() []report // on the stream's other renditions; must not change

	mu       sync.Mutex
	segments []*segment // the complete ones, oldest first, their numbers in a row
	open     *segment   // the one that gets parts; nil if there is none
	next     int64      // the number of the next segment, which the open one has
	seams    int64      // the discontinuity sequence number of the next segment, if no seam comes before it
	parts    int64      // the number of the next part
	list     *playlist  // nil before the first segment
	changed  chan struct{}
	closed   error // why nothing will change any more; nil if it may
}

// newWindow returns an empty window that counts from a number that was never given out before.
func newWindow(start string, v *variant, seed int64, count *seams) *window {
	return &window{start: start, variant: v, count: count, first: seed, next: seed, seams: count.first(), changed: make(chan struct{})}
}

// begin opens a segment, which then gets parts.
func (w *window) begin(s *segment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.number(s)
	w.open = s
}

// number gives a segment its numbers and its name. w.mu must be held.
func (w *window) number(s *segment) {
	seams := w.seams
	if s.seam = s.seam && len(w.segments) > 0; s.seam {
		seams++
		w.count.passed(seams)
	}
	s.number, s.seams = w.next, seams
	s.name = objectName(w.start, []int64{s.number}, w.variant.ending)
}

// initName returns the name of an initialisation section that the next segment is the first to need.
func (w *window) initName() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return objectName(w.start, []int64{w.next}, w.variant.initEnding)
}

// keyName returns the name of a key that the next segment is the first to need.
func (w *window) keyName() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return objectName(w.start, []int64{w.next}, w.variant.ending+keyEnding)
}

// addPart appends a part to the open segment and lists it.
func (w *window) addPart(p part, l listing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.number = w.parts
	p.name = w.partName(p.number)
	w.parts++
	w.open.add(p)
	w.show(l)
}

func (w *window) partName(n int64) string {
	return objectName(w.start, []int64{w.first, n}, w.variant.ending)
}

// add appends a complete segment, the open one if there is one, and lists it.
func (w *window) add(s *segment, l listing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s != w.open {
		w.number(s)
	}
	w.open = nil
	w.seams = s.seams
	w.next++
	w.segments = append(w.segments, s)
	w.trim(l)
	w.show(l)
}

// trim drops the segments that nobody is promised any more: those that are not listed, once their length and that of the
// longest playlist have passed since they were (RFC 8216bis, 6.2.2), and not their parts before six target durations have.
func (w *window) trim(l listing) {
	listed := w.segments[l.first(w.segments, l.longest()):]
	kept := max(played(listed), 6*1000*l.target) + 1000*l.target // and one target duration for answers on their way
	n := len(w.segments) - len(listed)
	for later := played(listed); n > 0 && later < kept+w.segments[n-1].length; n-- {
		later += w.segments[n-1].length
	}
	if l.files { // what did not get into a file must not fill the memory
		short := l.first(w.segments, l.time)
		for i := short - 1; i >= n; i-- {
			if w.segments[i].body.file == "" {
				n = i + 1
				break
			}
		}
	}
	w.segments = slices.Clone(w.segments[n:])
}

// shelve notes that a segment is in a file.
func (w *window) shelve(s *segment, file string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.body = blob{file: file, size: s.size}
	for i := range s.parts {
		s.parts[i].body = nil
	}
}

// resume begins with the segments that a window before this one has left in files.
func (w *window) resume(segments []*segment, l listing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := segments[len(segments)-1]
	w.segments, w.next, w.seams = segments, last.number+1, last.seams
	w.count.passed(w.seams)
	w.show(l)
}

// shelved returns the segments that are in files, none of which is missing in between, and all that are there.
func (w *window) shelved() (files []*segment, oldest int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, end := len(w.segments), len(w.segments)
	for ; i > 0; i-- {
		if w.segments[i-1].body.file == "" {
			if i < end {
				break
			}
			end-- // it will be written soon
		}
	}
	if len(w.segments) > 0 {
		oldest = w.segments[0].number
	}
	return w.segments[i:end], oldest
}

// show makes the playlist anew and wakes those who wait. w.mu must be held.
func (w *window) show(l listing) {
	p := &playlist{listing: l, reports: w.reports, version: w.variant.version, hint: w.partName(w.parts), all: w.segments[l.first(w.segments, l.longest()):]}
	p.segments = w.segments[l.first(w.segments, l.time):]
	if w.open != nil {
		open := *w.open
		p.open = &open
	}
	if len(p.segments) > 0 {
		w.list = p
	}
	w.wake()
}

// wake wakes those who wait. w.mu must be held.
func (w *window) wake() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// end lists what there is as all that there will be. It tells whether that is news.
func (w *window) end() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.list == nil || w.list.ended {
		return false
	}
	w.open = nil
	l := w.list.listing
	l.ended = true
	w.show(l)
	return true
}

// close lets nobody wait any more, for a reason.
func (w *window) close(reason error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = reason
	w.wake()
}

// floor returns a number above all that were given out to segments, and above one that may just be.
func (w *window) floor() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next + 1
}

// playlist returns what is listed now, or nil before the first segment.
func (w *window) playlist() *playlist {
	p, _, _ := w.state()
	return p
}

// state returns what is listed now, a channel that is closed at the next change, and why there will be none.
func (w *window) state() (*playlist, <-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.list, w.changed, w.closed
}

// lastEnd returns when the newest segment ended by the wall clock; the zero time if there is none.
func (w *window) lastEnd() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.segments) == 0 {
		return time.Time{}
	}
	s := w.segments[len(w.segments)-1]
	return s.began.Add(time.Duration(s.length) * time.Millisecond)
}
