package mpegts

import "github.com/caddy-rtmp/caddy-rtmp/live"

// Sizes in bytes (ISO/IEC 13818-1, 2.4.3).
const (
	packetBytes   = 188
	headerBytes   = 4
	packetPayload = packetBytes - headerBytes
	maxPESHeader  = 19 // with PTS and DTS
	maxAdaptation = 8  // with a PCR
)

// The clock. Stream time 0 is written as timeBase, so that nothing before it is ever negative, and the clock reference
// runs clockLead ahead of the decoding time: sound that comes that much later than the picture is still in time.
const (
	ticks     = 90 // per millisecond
	timeBase  = 1400 * ticks
	clockLead = 300 * ticks
	clockMask = 1<<33 - 1
)

// packets cuts one PES packet into transport packets and appends them to b.
type packets struct {
	b       []byte
	pid     uint16
	counter *byte
	left    int // bytes of the PES packet that are still to be written
	room    int // of those, how many go into the current transport packet
}

// begin opens a PES packet for a frame of n bytes (ISO/IEC 13818-1, 2.4.3.6). clock says that the packet carries the
// clock reference, key that decoding can begin here.
func (p *packets) begin(streamID byte, f *live.Frame, n int, clock, key bool) {
	dts := (uint64(f.Time)*ticks + (uint64(f.Nano)*ticks+1e6/2)/1e6 + timeBase) & clockMask // to the nearest tick
	pts := (dts + uint64(max(f.Offset, 0))*ticks) & clockMask
	var buf [maxPESHeader]byte
	h := pesHeader(buf[:0], streamID, n, pts, dts)
	p.left = len(h) + n
	var flags byte
	if key {
		flags |= 0x40 // random_access_indicator
	}
	if clock {
		flags |= 0x10 // PCR_flag
	}
	p.open(0x40, flags, (dts-clockLead)&clockMask)
	p.write(h)
}

// pesHeader appends the header of a PES packet. A length that has no room is left open, which is allowed for video.
func pesHeader(h []byte, streamID byte, n int, pts, dts uint64) []byte {
	stamps := 5
	if pts != dts {
		stamps = 10
	}
	length := 3 + stamps + n
	if length > 1<<16-1 {
		length = 0
	}
	h = append(h, 0, 0, 1, streamID, byte(length>>8), byte(length))
	if pts == dts {
		h = append(h, 0x84, 0x80, byte(stamps)) // aligned to the frame; PTS
		return stamp(h, 0x20, pts)
	}
	h = append(h, 0x84, 0xc0, byte(stamps)) // aligned; PTS and DTS
	h = stamp(h, 0x30, pts)
	return stamp(h, 0x10, dts)
}

// stamp appends a time stamp of 33 bits with its marker bits.
func stamp(h []byte, prefix byte, t uint64) []byte {
	return append(h, prefix|byte(t>>29)&0x0e|1, byte(t>>22), byte(t>>14)|1, byte(t>>7), byte(t<<1)|1)
}

// write appends s, which is a part of the PES packet that was begun.
func (p *packets) write(s []byte) {
	for len(s) > 0 {
		if p.room == 0 {
			p.open(0, 0, 0)
		}
		n := min(p.room, len(s))
		p.b = append(p.b, s[:n]...)
		p.room -= n
		p.left -= n
		s = s[n:]
	}
}

// open begins a transport packet. Its adaptation field holds flags and clock, if there are any, and as much stuffing as
// the last packet of a PES packet needs.
func (p *packets) open(start, flags byte, clock uint64) {
	field := 0
	switch {
	case flags&0x10 != 0:
		field = maxAdaptation
	case flags != 0:
		field = 2
	}
	field = max(field, packetPayload-p.left)
	p.room = packetPayload - field
	control := byte(0x10)
	if field > 0 {
		control = 0x30
	}
	p.b = append(p.b, 0x47, start|byte(p.pid>>8), byte(p.pid), control|*p.counter)
	*p.counter = (*p.counter + 1) & 0x0f
	if field > 0 {
		p.adapt(field, flags, clock)
	}
}

// adapt appends an adaptation field of n bytes in all (ISO/IEC 13818-1, 2.4.3.4).
func (p *packets) adapt(n int, flags byte, clock uint64) {
	end := len(p.b) + n
	p.b = append(p.b, byte(n-1))
	if n == 1 {
		return
	}
	p.b = append(p.b, flags)
	if flags&0x10 != 0 {
		p.b = append(p.b, byte(clock>>25), byte(clock>>17), byte(clock>>9), byte(clock>>1), byte(clock<<7)|0x7e, 0)
	}
	for len(p.b) < end {
		p.b = append(p.b, 0xff)
	}
}
