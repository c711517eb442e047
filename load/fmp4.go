package load

import (
	"encoding/binary"
	"fmt"
	"time"
)

// A fmp4Check reads fragmented MP4 (ISO/IEC 14496-12): whole boxes, decoding times that do not go back, and the marks of
// the pictures.
type fmp4Check struct {
	watch *watch
	times map[uint32]uint64 // of the newest fragment of each track
}

// fragment looks at a segment or part, which must be whole.
func (c *fmp4Check) fragment(b []byte, now time.Time) error {
	fragments := 0
	err := boxes(b, func(name string, body []byte) error {
		switch name {
		case "moof":
			fragments++
			return c.moof(body)
		case "mdat":
			c.marks(body, now)
		}
		return nil
	})
	if err == nil && fragments == 0 {
		err = fmt.Errorf("there is no fragment in %d bytes", len(b))
	}
	if err != nil {
		return &fault{faultFormat, err}
	}
	c.watch.media = true
	return nil
}

// moof looks at the times in a movie fragment (8.8.4).
func (c *fmp4Check) moof(b []byte) error {
	return boxes(b, func(name string, body []byte) error {
		if name != "traf" {
			return nil
		}
		var track uint32
		return boxes(body, func(name string, body []byte) error {
			switch {
			case name == "tfhd" && len(body) >= 8:
				track = binary.BigEndian.Uint32(body[4:])
			case name == "tfdt" && len(body) >= 12 && body[0] == 1:
				c.pass(track, binary.BigEndian.Uint64(body[4:]))
			case name == "tfdt" && len(body) >= 8 && body[0] == 0:
				c.pass(track, uint64(binary.BigEndian.Uint32(body[4:])))
			}
			return nil
		})
	})
}

func (c *fmp4Check) pass(track uint32, time uint64) {
	if last, ok := c.times[track]; ok && time < last {
		c.watch.tally.register.add(1, fmt.Errorf("track %d at %d came after %d", track, time, last), faultTime)
	}
	c.times[track] = time
}

// marks looks at the marks in samples, which are in the order of decoding.
func (c *fmp4Check) marks(b []byte, now time.Time) {
	for {
		m, rest, ok := cutMark(b)
		if !ok {
			return
		}
		c.watch.tally.frames.Add(1)
		c.watch.mark(m, now)
		b = rest
	}
}

// boxes calls f for each box in b, which must be whole (4.2).
func boxes(b []byte, f func(name string, body []byte) error) error {
	for len(b) > 0 {
		if len(b) < 8 {
			return fmt.Errorf("%d bytes follow the last box", len(b))
		}
		head, size := 8, uint64(binary.BigEndian.Uint32(b))
		name := string(b[4:8])
		if size == 1 && len(b) >= 16 {
			head, size = 16, binary.BigEndian.Uint64(b[8:])
		}
		if size < uint64(head) || size > uint64(len(b)) {
			return fmt.Errorf("a box %q of %d bytes stands in %d", name, size, len(b))
		}
		if err := f(name, b[head:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}
