package hls

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A window holds the segments that may be fetched: the newest are listed in the playlist, as many again stay for players
// that have an older playlist (RFC 8216, 6.2.2). Numbers only grow.
type window struct {
	start   string // the server's, in file names
	variant *variant
	count   *seams // of all windows

	mu       sync.Mutex
	segments []*segment // oldest first, their numbers in a row
	next     int64      // the number of the next segment
	seams    int64      // the discontinuity sequence number of the next segment, if no seam comes before it
	list     *playlist  // nil before the first segment
}

// newWindow returns an empty window that counts from a number that was never given out before.
func newWindow(start string, v *variant, seed int64, count *seams) *window {
	return &window{start: start, variant: v, count: count, next: seed, seams: count.first()}
}

// add appends a segment that was cut and packed, and lists it as the last of up to n.
func (w *window) add(s *segment, n int, target int64, setup *live.Setup) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.seam = s.seam && len(w.segments) > 0; s.seam {
		w.seams++
		w.count.passed(w.seams)
	}
	s.number, s.seams = w.next, w.seams
	s.name = segmentName(w.start, s.number, w.variant.ending)
	w.next++
	w.segments = append(w.segments, s)
	if surplus := len(w.segments) - (2*n + 1); surplus > 0 {
		w.segments = append([]*segment(nil), w.segments[surplus:]...)
	}
	w.list = newPlaylist(w.segments[max(0, len(w.segments)-n):], target, setup)
}

// floor returns a number above all that were given out to segments, and above one that may just be.
func (w *window) floor() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next + 1
}

// playlist returns what is listed now, or nil before the first segment.
func (w *window) playlist() *playlist {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.list
}

// segment returns the segment of a file name, or nil.
func (w *window) segment(name string) *segment {
	number, ok := strings.CutPrefix(strings.TrimSuffix(name, w.variant.ending), w.start+"-")
	n, err := strconv.ParseInt(number, 10, 64)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !ok || err != nil || len(w.segments) == 0 {
		return nil
	}
	i := n - w.segments[0].number
	if i < 0 || i >= int64(len(w.segments)) || w.segments[i].name != name {
		return nil
	}
	return w.segments[i]
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
