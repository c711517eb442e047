package load

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A flvCheck reads FLV as it comes, piece by piece, and keeps only the beginning of each tag. So a thousand of them cost
// little more than the reading itself.
type flvCheck struct {
	watch *watch

	buf  [flvHead]byte
	have int
	want int // bytes in buf until the next step
	skip int // bytes to pass over before that
	next func(now time.Time) error

	tag  byte
	time int64
	size int
}

// Sizes of the format (Adobe Flash Video File Format Specification 10.1, annex E), and how much of a tag's body is kept:
// more than the headers and a mark take.
const (
	flvFileHeader = 9 + 4
	flvTagHeader  = 11
	flvTail       = 4
	flvHead       = 160
)

func newFLVCheck(w *watch) *flvCheck {
	c := &flvCheck{watch: w, want: flvFileHeader}
	c.next = c.fileHeader
	return c
}

// Read looks at the next bytes, which came at a time.
func (c *flvCheck) read(b []byte, now time.Time) error {
	for len(b) > 0 {
		if c.skip > 0 {
			n := min(c.skip, len(b))
			c.skip -= n
			b = b[n:]
			continue
		}
		n := copy(c.buf[c.have:c.want], b)
		c.have += n
		b = b[n:]
		if c.have < c.want {
			return nil
		}
		c.have = 0
		if err := c.next(now); err != nil {
			return &fault{faultFormat, err}
		}
	}
	return nil
}

func (c *flvCheck) fileHeader(time.Time) error {
	b := c.buf[:flvFileHeader]
	if string(b[:4]) != "FLV\x01" || binary.BigEndian.Uint32(b[5:]) != 9 || binary.BigEndian.Uint32(b[9:]) != 0 {
		return fmt.Errorf("the FLV header is % x", b)
	}
	c.want, c.next = flvTagHeader, c.tagHeader
	return nil
}

func (c *flvCheck) tagHeader(time.Time) error {
	b := c.buf[:flvTagHeader]
	c.tag = b[0]
	c.size = int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	c.time = int64(uint32(b[4])<<16 | uint32(b[5])<<8 | uint32(b[6]) | uint32(b[7])<<24)
	if _, ok := flvKinds[c.tag]; !ok || b[8]|b[9]|b[10] != 0 || c.size == 0 {
		return fmt.Errorf("an FLV tag begins with % x", b)
	}
	c.want, c.next = min(c.size, flvHead), c.tagBody
	return nil
}

var flvKinds = map[byte]live.Kind{8: live.KindAudio, 9: live.KindVideo, 18: live.KindData}

func (c *flvCheck) tagBody(now time.Time) error {
	head := c.buf[:c.want]
	c.skip = c.size - c.want
	c.want, c.next = flvTail, c.tail
	f, err := live.ParseTag(flvKinds[c.tag], uint32(c.time), head)
	if err != nil {
		return err
	}
	if f.Media() {
		c.watch.frame(f.Kind, c.time, 32, f.Key, f.Payload(), now)
	}
	return nil
}

func (c *flvCheck) tail(time.Time) error {
	if n := binary.BigEndian.Uint32(c.buf[:]); int(n) != flvTagHeader+c.size {
		return fmt.Errorf("an FLV tag of %d bytes is followed by the size %d", flvTagHeader+c.size, n)
	}
	c.want, c.next = flvTagHeader, c.tagHeader
	return nil
}
