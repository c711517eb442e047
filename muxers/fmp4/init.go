package fmp4

// initSegment returns the initialization segment of tracks (ISO/IEC 23000-19, 7.3.1).
func initSegment(tracks []*track) []byte {
	b, at := begin(nil, "ftyp")
	b = append(b, "iso6\x00\x00\x00\x01iso6mp41"...)
	b = end(b, at)
	b, at = begin(b, "moov")
	b = movieHeader(b)
	for _, t := range tracks {
		b = t.box(b)
	}
	b, extends := begin(b, "mvex")
	for _, t := range tracks {
		b = trackExtends(b, t.id)
	}
	b = end(b, extends)
	return end(b, at)
}

// matrix is that of a picture which is not turned.
const matrix = "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00"

// movieHeader appends mvhd (ISO/IEC 14496-12, 8.2.2), without a duration, since there is none.
func movieHeader(b []byte) []byte {
	b, at := beginFull(b, "mvhd", 0, 0)
	b = zeros(b, 8) // creation, modification
	b = u32(b, 1000)
	b = zeros(b, 4)
	b = append(b, 0, 1, 0, 0, 1, 0) // rate, volume
	b = zeros(b, 10)
	b = append(b, matrix...)
	b = zeros(b, 24)
	return end(u32(b, 1<<32-1), at) // next track: to be searched for
}

// trackExtends appends trex (8.8.3). The defaults stand in each fragment.
func trackExtends(b []byte, id uint32) []byte {
	b, at := beginFull(b, "trex", 0, 0)
	b = u32(u32(b, id), 1)
	return end(zeros(b, 12), at)
}

func (t *track) box(b []byte) []byte {
	b, at := begin(b, "trak")
	b = t.header(b)
	b, media := begin(b, "mdia")
	b = t.mediaHeader(b)
	b = t.information(b)
	b = end(b, media)
	return end(b, at)
}

// header appends tkhd (8.3.2): enabled, in the movie.
func (t *track) header(b []byte) []byte {
	b, at := beginFull(b, "tkhd", 0, 3)
	b = zeros(b, 8)
	b = u32(b, t.id)
	b = zeros(b, 18)
	group, volume := 0, 0
	if t.sound != nil {
		group, volume = 1, 0x0100
	}
	b = u16(u16(b, group), volume)
	b = zeros(b, 2)
	b = append(b, matrix...)
	return end(u32(u32(b, uint32(t.width)<<16), uint32(t.height)<<16), at)
}

// undetermined is the language "und" in three times five bits (8.4.2).
const undetermined = ('u'-0x60)<<10 | ('n'-0x60)<<5 | ('d' - 0x60)

// mediaHeader appends mdhd and hdlr (8.4.2, 8.4.3).
func (t *track) mediaHeader(b []byte) []byte {
	b, at := beginFull(b, "mdhd", 0, 0)
	b = zeros(b, 8)
	b = u32(b, uint32(t.scale))
	b = zeros(b, 4)
	b = end(u16(u16(b, undetermined), 0), at)
	handler := "vide"
	if t.sound != nil {
		handler = "soun"
	}
	b, at = beginFull(b, "hdlr", 0, 0)
	b = append(zeros(b, 4), handler...)
	return end(zeros(b, 13), at) // reserved, no name
}

// information appends minf (8.4.4), with sample tables that are empty, since all samples are in fragments.
func (t *track) information(b []byte) []byte {
	b, at := begin(b, "minf")
	if t.sound != nil {
		b = fullBox(b, "smhd", 0, 0, 0, 0, 0)
	} else {
		b = fullBox(b, "vmhd", 1, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	b, data := begin(b, "dinf")
	b, refs := beginFull(b, "dref", 0, 0)
	b = fullBox(u32(b, 1), "url ", 1) // in this file
	b = end(end(b, refs), data)
	b, table := begin(b, "stbl")
	b, entries := beginFull(b, "stsd", 0, 0)
	b = t.entry(u32(b, 1))
	b = end(b, entries)
	for _, kind := range []string{"stts", "stsc", "stco"} {
		b = fullBox(b, kind, 0, 0, 0, 0, 0)
	}
	b = fullBox(b, "stsz", 0, 0, 0, 0, 0, 0, 0, 0, 0)
	return end(end(b, table), at)
}
