package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A tsCheck reads an MPEG transport stream (ISO/IEC 13818-1) as it comes: synchronisation, continuity counters, and the
// times and marks of its PES packets.
type tsCheck struct {
	watch *watch

	packet [tsPacket]byte
	have   int
	tables bool // a program association table has come
	tracks map[uint16]*tsTrack
}

// A tsTrack is what is known of one PID.
type tsTrack struct {
	counter byte
	head    []byte // the beginning of the newest PES packet, as long as it is not looked at
	open    bool
	key     bool
}

// Sizes: of a packet, and how much of a PES packet is kept, which is more than parameter sets and a mark take.
const (
	tsPacket = 188
	tsHead   = 640
	tsStamp  = 33 // bits of a time stamp
)

func newTSCheck(w *watch) *tsCheck { return &tsCheck{watch: w, tracks: make(map[uint16]*tsTrack)} }

// read looks at the next bytes, which came at a time.
func (c *tsCheck) read(b []byte, now time.Time) error {
	for len(b) > 0 {
		p := c.packet[:]
		if c.have == 0 && len(b) >= tsPacket {
			p, b = b[:tsPacket], b[tsPacket:]
		} else {
			n := copy(c.packet[c.have:], b)
			c.have += n
			b = b[n:]
			if c.have < tsPacket {
				return nil
			}
			c.have = 0
		}
		if err := c.look(p, now); err != nil {
			return &fault{faultFormat, err}
		}
	}
	return nil
}

// end looks at what is left of a segment, which must be whole.
func (c *tsCheck) end(now time.Time) error {
	for _, t := range c.tracks {
		c.pes(t, now)
	}
	switch {
	case c.have != 0:
		return &fault{faultFormat, fmt.Errorf("%d bytes follow the last TS packet", c.have)}
	case !c.tables:
		return &fault{faultFormat, errors.New("there is no program association table")}
	}
	return nil
}

// look checks one packet (2.4.3.2).
func (c *tsCheck) look(p []byte, now time.Time) error {
	if p[0] != 0x47 || p[1]&0x80 != 0 {
		return fmt.Errorf("a TS packet begins with % x", p[:4])
	}
	pid := uint16(p[1]&0x1f)<<8 | uint16(p[2])
	if c.tables = c.tables || pid == 0; !c.tables {
		return fmt.Errorf("PID %d comes before the program association table", pid)
	}
	payload, key, err := tsPayload(p)
	if err != nil || payload == nil || pid == 0x1fff {
		return err
	}
	t := c.track(pid, p)
	if p[1]&0x40 != 0 { // payload_unit_start_indicator
		c.pes(t, now)
		t.open, t.key, t.head = true, key, t.head[:0]
	}
	if t.open {
		t.head = append(t.head, payload[:min(len(payload), tsHead-len(t.head))]...)
		if t.complete() {
			c.pes(t, now)
		}
	}
	return nil
}

// complete tells whether as much of a PES packet has come as is kept, or all of a shorter one.
func (t *tsTrack) complete() bool {
	if len(t.head) == tsHead {
		return true
	}
	if len(t.head) < 6 {
		return false
	}
	n := int(binary.BigEndian.Uint16(t.head[4:]))
	return n > 0 && len(t.head) >= 6+n
}

// tsPayload returns the payload of a packet, nil if it has none, and whether decoding can begin there.
func tsPayload(p []byte) (payload []byte, key bool, err error) {
	begin := 4
	if p[3]&0x20 != 0 { // there is an adaptation field (2.4.3.4)
		n := int(p[4])
		if begin += 1 + n; begin > len(p) {
			return nil, false, fmt.Errorf("a TS packet has an adaptation field of %d bytes", n)
		}
		key = n > 0 && p[5]&0x40 != 0
	}
	if p[3]&0x10 == 0 {
		return nil, key, nil
	}
	return p[begin:], key, nil
}

// track returns the track of a packet that has a payload. Its continuity counter must be the next one, unless the packet
// says that it is not.
func (c *tsCheck) track(pid uint16, p []byte) *tsTrack {
	counter := p[3] & 0x0f
	t := c.tracks[pid]
	announced := p[3]&0x20 != 0 && p[4] > 0 && p[5]&0x80 != 0 // discontinuity_indicator
	if t == nil {
		t = new(tsTrack)
		c.tracks[pid] = t
	} else if want := (t.counter + 1) & 0x0f; counter != want && !announced {
		err := fmt.Errorf("PID %d has the continuity counter %d where %d was expected", pid, counter, want)
		c.watch.tally.register.add(1, err, faultContinuity)
	}
	t.counter = counter
	return t
}

// pes looks at the beginning of a PES packet (2.4.3.6), if it was not done before. Sections of tables are none.
func (c *tsCheck) pes(t *tsTrack, now time.Time) {
	b := t.head
	if !t.open || len(b) < 19 || b[0] != 0 || b[1] != 0 || b[2] != 1 {
		return
	}
	t.open = false
	kind := live.KindAudio
	switch {
	case b[3]&0xf0 == 0xe0:
		kind = live.KindVideo
	case b[3]&0xe0 != 0xc0:
		return
	}
	var stamp int64
	switch b[7] >> 6 {
	case 2:
		stamp = tsTime(b[9:])
	case 3:
		stamp = tsTime(b[14:])
	default:
		return
	}
	c.watch.frame(kind, stamp, tsStamp, t.key, b[min(9+int(b[8]), len(b)):], now)
}

// tsTime reads a time stamp with its marker bits.
func tsTime(b []byte) int64 {
	return int64(b[0]&0x0e)<<29 | int64(b[1])<<22 | int64(b[2]&0xfe)<<14 | int64(b[3])<<7 | int64(b[4])>>1
}
