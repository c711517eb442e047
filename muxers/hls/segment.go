package hls

import (
	"strconv"
	"time"
)

// A segment is a stretch of a stream, complete and immutable.
type segment struct {
	number int64 // its media sequence number
	seams  int64 // its discontinuity sequence number
	seam   bool  // a discontinuity is before it
	name   string
	length int64     // in milliseconds
	began  time.Time // of its first frame, by the wall clock
	body   []byte
}

// bitrate returns bits per second, rounded up.
func (s *segment) bitrate() int64 {
	return (int64(len(s.body))*8*1000 + s.length - 1) / s.length
}

// segmentName returns the file name of a segment: the start of the server and the number, which never meet again.
func segmentName(start string, number int64, ending string) string {
	return start + "-" + strconv.FormatInt(number, 10) + ending
}
