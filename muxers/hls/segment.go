package hls

import (
	"strconv"
	"strings"
	"time"
)

// A segment is a stretch of a stream. It is complete and immutable once it is in a window, but for where its bytes are; that
// which is still open has the parts that are complete.
type segment struct {
	number int64 // its media sequence number
	seams  int64 // its discontinuity sequence number
	seam   bool  // a discontinuity is before it
	name   string
	length int64     // in milliseconds; 0 while it is open
	began  time.Time // of its first frame, by the wall clock
	init   *resource // what a player needs before it; nil in MPEG-TS
	key    *resource // what it is encrypted with; nil if it is in clear
	parts  []part    // none if it was made in one go
	body   blob      // of the whole; guarded by the window once it is there, since it may go into a file
	size   int64     // of the body, once it is complete
}

// A part is a piece of a segment that can be fetched before the segment is complete.
type part struct {
	number      int64 // among all parts of the window, since it is hinted before it is known which segment it belongs to
	name        string
	length      int64 // in milliseconds
	independent bool  // it has a key frame
	offset      int64 // in the segment
	body        []byte
}

// A resource is what a segment needs besides its own bytes.
type resource struct {
	name string
	body blob
}

// add appends a part.
func (s *segment) add(p part) {
	p.offset = s.body.size
	s.parts = append(s.parts, p)
	s.body.pieces = append(s.body.pieces, p.body)
	s.body.size += int64(len(p.body))
}

// played returns how long the parts play.
func (s *segment) played() (ms int64) {
	for _, p := range s.parts {
		ms += p.length
	}
	return ms
}

// Names of objects hold the start of the server and a number, which never meet again: "{start}-{number}.ts" is a segment,
// "{start}-{first}-{number}.m4s" a part, where first is the number that its window began with.
func objectName(start string, numbers []int64, ending string) string {
	var b strings.Builder
	b.WriteString(start)
	for _, n := range numbers {
		b.WriteByte('-')
		b.WriteString(strconv.FormatInt(n, 10))
	}
	b.WriteString(ending)
	return b.String()
}

// splitName returns the numbers that an object's name holds. ok is false if it is none.
func splitName(name, ending string) (numbers []int64, ok bool) {
	name, ok = strings.CutSuffix(name, ending)
	start, rest, dash := strings.Cut(name, "-")
	if !ok || !dash || start == "" || strings.Trim(start, "0123456789abcdefghijklmnopqrstuvwxyz"+renditionMark) != "" {
		return nil, false
	}
	for number := range strings.SplitSeq(rest, "-") {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 0 || len(numbers) == 2 || strconv.FormatInt(n, 10) != number {
			return nil, false
		}
		numbers = append(numbers, n)
	}
	return numbers, true
}
