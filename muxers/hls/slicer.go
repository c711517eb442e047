package hls

import (
	"math"
	"time"
)

// A slicer decides where parts end: behind the frame after which another one would overstep the part target. That is known
// when the frame comes, so that nobody waits for the next one to see that a part is complete. Parts follow each other without
// a gap, so that they play as long as their segment. All times are in milliseconds.
type slicer struct {
	target int64 // the part target; 0 until the first segment has ended
	start  int64 // where the open part begins
	led    bool  // it has a frame of the leading track
}

// partMargin is how much longer than meant a part may be, in milliseconds: time stamps that are whole milliseconds make
// frames of one length differ by one, and an encoder's clock may shake a little.
const partMargin = 5

// fix fixes the part target by the mean distance of frames: a whole number of them, since a part must not be shorter than
// 85 % of the target (RFC 8216bis, 4.4.4.9), which is not to be had for any length with any frame rate. frame is 0 if it is
// not known.
func (s *slicer) fix(part time.Duration, frame float64) {
	if s.target > 0 {
		return
	}
	length := float64(part.Milliseconds())
	if frame > 0 {
		length = max(1, math.Round(length/frame)) * frame
	}
	s.target = int64(math.Ceil(length)) + partMargin
}

// begin begins the first part of a segment.
func (s *slicer) begin(time int64) { s.start, s.led = time, false }

// overdue tells whether the open part must end before a frame, which comes later than the picture was expected to go on. It
// then has the length of the target. Frames beside the leading track may be ahead of it by as much.
func (s *slicer) overdue(time int64, leads bool) bool {
	if !leads {
		time -= s.target
	}
	return time-s.start > s.target
}

// next takes a frame of the leading track that lasts step, and tells whether the part ends behind it and how long it then
// is.
func (s *slicer) next(time, step int64) (length int64, ends bool) {
	s.led = true
	length = time + step - s.start
	return s.bound(length), length+step > s.target
}

// bound returns a length within the target.
func (s *slicer) bound(length int64) int64 { return min(max(length, 1), s.target) }

// end ends the open part and begins the next.
func (s *slicer) end(length int64) { s.begin(s.start + length) }
