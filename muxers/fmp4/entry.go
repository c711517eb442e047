package fmp4

import "github.com/caddy-rtmp/caddy-rtmp/muxers/codec"

// entry appends the sample entry: what a decoder must know.
func (t *track) entry(b []byte) []byte {
	if t.sound != nil {
		return t.soundEntry(b)
	}
	switch c := t.picture.(type) {
	case *codec.AVC:
		return t.pictureEntry(b, "avc1", "avcC", t.config)
	case *codec.HEVC:
		record := append([]byte(nil), t.config...)
		record[0] = 1 // writers of the time before the standard put 0 there
		return t.pictureEntry(b, "hvc1", "hvcC", record)
	case *codec.AV1:
		return t.pictureEntry(b, "av01", "av1C", c.Record)
	case *codec.VP9:
		return t.pictureEntry(b, "vp09", "vpcC", append([]byte{1, 0, 0, 0}, c.Record()...))
	}
	return b
}

// pictureEntry appends a VisualSampleEntry (ISO/IEC 14496-12, 12.1.3) with its configuration box.
func (t *track) pictureEntry(b []byte, kind, configKind string, config []byte) []byte {
	b, at := begin(b, kind)
	b = u16(zeros(b, 6), 1) // in this file
	b = zeros(b, 16)
	b = u16(u16(b, t.width), t.height)
	b = u32(u32(b, 72<<16), 72<<16) // pixels per inch
	b = zeros(b, 4)
	b = u16(b, 1) // picture per sample
	b = zeros(b, 32)
	b = u16(u16(b, 24), 0xffff) // depth, no colour table
	return end(box(b, configKind, config...), at)
}

func (t *track) soundEntry(b []byte) []byte {
	switch c := t.sound.(type) {
	case *codec.AAC:
		return t.audioEntry(b, "mp4a", 16, elementaryStream(objectMPEG4, t.config))
	case *codec.MP3:
		object := byte(objectMPEG1)
		if c.Rate() < 32000 {
			object = objectMPEG2
		}
		return t.audioEntry(b, "mp4a", 16, elementaryStream(object, nil))
	case *codec.Opus:
		return t.audioEntry(b, "Opus", 16, opusSpecific(c))
	case *codec.FLAC:
		info := append([]byte{0x80, 0, 0, byte(len(c.Block))}, c.Block...) // the last block, STREAMINFO
		return t.audioEntry(b, "fLaC", int(c.BitDepth), fullBox(nil, "dfLa", 0, info...))
	case *codec.AC3:
		return t.audioEntry(b, "ac-3", 16, box(nil, "dac3", c.Specific()...))
	case *codec.EAC3:
		return t.audioEntry(b, "ec-3", 16, box(nil, "dec3", c.Specific()...))
	}
	return b
}

// audioEntry appends an AudioSampleEntry (12.2.3) with its configuration box. A rate that does not fit is told as the
// greatest part of it that does (Encapsulation of FLAC in ISO Base Media File Format, 3.3.1).
func (t *track) audioEntry(b []byte, kind string, bits int, config []byte) []byte {
	b, at := begin(b, kind)
	b = u16(zeros(b, 6), 1)
	b = zeros(b, 8)
	b = u16(u16(b, t.sound.Channels()), bits)
	b = zeros(b, 4)
	rate := t.scale
	for rate > 0xffff {
		rate /= 2
	}
	b = u32(b, uint32(rate)<<16)
	return end(append(b, config...), at)
}

// Object types of elementary streams (MP4 Registration Authority).
const (
	objectMPEG4 = 0x40
	objectMPEG2 = 0x69
	objectMPEG1 = 0x6b
)

// elementaryStream returns an esds box (ISO/IEC 14496-14, 6.7.2; descriptors of ISO/IEC 14496-1, 7.2.6). Bit rates are told
// as unknown. The decoder's own configuration is left out where there is none.
func elementaryStream(object byte, config []byte) []byte {
	decoder := []byte{object, 5<<2 | 1} // audio stream
	decoder = zeros(decoder, 11)
	if config != nil {
		decoder = descriptor(decoder, 5, config)
	}
	stream := []byte{0, 0, 0}
	stream = descriptor(stream, 4, decoder)
	stream = descriptor(stream, 6, []byte{2}) // of an MP4 file
	return fullBox(nil, "esds", 0, descriptor(nil, 3, stream)...)
}

// descriptor appends a descriptor whose size takes four bytes of seven bits.
func descriptor(b []byte, tag byte, body []byte) []byte {
	n := len(body)
	b = append(b, tag, byte(n>>21)|0x80, byte(n>>14)|0x80, byte(n>>7)|0x80, byte(n)&0x7f)
	return append(b, body...)
}

// opusSpecific returns a dOps box (Encapsulation of Opus in ISO Base Media File Format, 4.3.2).
func opusSpecific(c *codec.Opus) []byte {
	b, at := begin(nil, "dOps")
	b = append(b, 0, byte(c.Channels()))
	b = u16(b, int(c.PreSkip))
	b = u32(b, c.InputRate)
	b = u16(b, int(c.Gain))
	b = append(b, c.Family)
	return end(append(b, c.Mapping...), at)
}
