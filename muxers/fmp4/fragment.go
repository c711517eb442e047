package fmp4

import "encoding/binary"

// Sizes in bytes.
const (
	mdatHead   = 8
	entryBytes = 16
	trafBytes  = 8 + 24 + 20 + 20
	moofBytes  = 8 + 16 + 2*trafBytes
)

// Flags of tfhd (ISO/IEC 14496-12, 8.8.7), trun (8.8.8) and samples (8.8.3.1).
const (
	tfhdDuration = 0x08
	tfhdFlags    = 0x20
	tfhdFromMoof = 0x20000

	trunDataOffset = 0x001
	trunDuration   = 0x100
	trunSize       = 0x200
	trunFlags      = 0x400
	trunOffset     = 0x800

	sampleKey   = 2 << 24       // depends on no other
	sampleInter = 1<<24 | 1<<16 // depends on others, no sync sample
)

// fragment appends moof and mdat of the samples that are arranged. The samples of a track stand together.
func (m *Muxer) fragment(b []byte) []byte {
	start := len(b)
	b, moof := begin(b, "moof")
	b, at := beginFull(b, "mfhd", 0, 0)
	b = end(u32(b, m.sequence), at)
	var offsets [2]int // where the data offset of each track stands
	for i, t := range m.tracks {
		if len(t.samples) > 0 {
			b, offsets[i] = t.fragment(b)
		}
	}
	b = end(b, moof)
	b, mdat := begin(b, "mdat")
	for i, t := range m.tracks {
		if len(t.samples) > 0 {
			binary.BigEndian.PutUint32(b[offsets[i]:], uint32(len(b)-start))
		}
		for _, s := range t.samples {
			b = t.append(b, s.frame)
		}
	}
	return end(b, mdat)
}

// fragment appends traf and returns where its data offset is to stand, which counts from the start of moof.
func (t *track) fragment(b []byte) (boxed []byte, dataOffset int) {
	own := t.own()
	b, traf := begin(b, "traf")
	b = t.fragmentHeader(b, own)
	b, at := beginFull(b, "tfdt", 1, 0)
	b = end(u64(b, uint64(max(t.samples[0].time, 0))), at)
	b, at = beginFull(b, "trun", 1, trunDataOffset|trunSize|own)
	b = u32(b, uint32(len(t.samples)))
	dataOffset = len(b)
	b = u32(b, 0)
	for i := range t.samples {
		b = t.samples[i].entry(b, own)
	}
	return end(end(b, at), traf), dataOffset
}

func (t *track) fragmentHeader(b []byte, own uint32) []byte {
	flags := uint32(tfhdFromMoof)
	if own&trunDuration == 0 {
		flags |= tfhdDuration
	}
	if own&trunFlags == 0 {
		flags |= tfhdFlags
	}
	b, at := beginFull(b, "tfhd", 0, flags)
	b = u32(b, t.id)
	if flags&tfhdDuration != 0 {
		b = u32(b, uint32(t.samples[0].length))
	}
	if flags&tfhdFlags != 0 {
		b = u32(b, t.samples[0].flags())
	}
	return end(b, at)
}

// own says which values the samples of a fragment do not share, as flags of trun.
func (t *track) own() (own uint32) {
	first := &t.samples[0]
	for i := range t.samples {
		s := &t.samples[i]
		if s.length != first.length {
			own |= trunDuration
		}
		if s.flags() != first.flags() {
			own |= trunFlags
		}
		if s.offset != 0 {
			own |= trunOffset
		}
	}
	return own
}

func (s *sample) flags() uint32 {
	if s.frame.Key {
		return sampleKey
	}
	return sampleInter
}

// entry appends what is the sample's own.
func (s *sample) entry(b []byte, own uint32) []byte {
	if own&trunDuration != 0 {
		b = u32(b, uint32(s.length))
	}
	b = u32(b, uint32(s.size))
	if own&trunFlags != 0 {
		b = u32(b, s.flags())
	}
	if own&trunOffset != 0 {
		b = u32(b, uint32(int32(s.offset)))
	}
	return b
}
