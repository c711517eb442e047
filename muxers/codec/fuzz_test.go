package codec_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec"
)

// FuzzRecords reads any bytes as each record. They are not changed, a size is a believable one, parameter sets lie in the
// record, and a record made of what was read says the same.
func FuzzRecords(f *testing.F) {
	f.Add(avcRecord(4))
	f.Add(hevcRecord())
	f.Add(unhex("2b118800"))
	f.Add([]byte("\x81\x04\x0c\x00\x0a\x0b\x00\x00\x00\x04\x3c\xff\xbc\x02\x84\x00\x80"))
	f.Add([]byte("\x00\x0a\x82\x02\x02\x02\x00\x00"))
	f.Add([]byte("\x82\x49\x83\x42\x00\x07\xf0\x04\x34"))
	f.Add([]byte("\xff\xfb\x90\x44"))
	f.Add([]byte("OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x0b\x77\x00\x00\x10\x40\x2f\x84"))
	f.Add([]byte("\x0b\x77\x00\x00\x34\x86\xff\xe1\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		kept := bytes.Clone(b)
		if c, err := codec.ParseAVC(b); err == nil {
			checkAVC(t, c, b)
		}
		if c, err := codec.ParseHEVC(b); err == nil {
			checkHEVC(t, c, b)
		}
		if c, err := codec.ParseAAC(b); err == nil {
			checkAAC(t, c, len(b)+1)
		}
		checkMedia(t, b)
		if !bytes.Equal(b, kept) {
			t.Error("the bytes were changed")
		}
	})
}

// checkMedia reads any bytes as the configuration and as a frame of all other codecs.
func checkMedia(t *testing.T, b []byte) {
	t.Helper()
	if c, err := codec.ParseAV1(b, b); err == nil {
		_ = c.String()
		checkSize(t, c.Size)
	}
	if c, err := codec.ParseVP9(b, b); err == nil {
		_ = c.String()
		checkSize(t, c.Size)
		if d, err := codec.ParseVP9(c.Record(), nil); err != nil || d.String() != c.String() {
			t.Errorf("%+v became %+v, %v", c, d, err)
		}
	}
	var sounds []codec.Sound
	add := func(s codec.Sound, err error) {
		if err == nil {
			sounds = append(sounds, s)
		}
	}
	mp3, err := codec.ParseMP3(b)
	add(mp3, err)
	opus, err := codec.ParseOpus(b, nil)
	add(opus, err)
	opus, err = codec.ParseOpus(nil, b)
	add(opus, err)
	flac, err := codec.ParseFLAC(b)
	add(flac, err)
	ac3, err := codec.ParseAC3(b)
	add(ac3, err)
	eac3, err := codec.ParseEAC3(b)
	add(eac3, err)
	for _, s := range sounds {
		if s.String() == "" || s.Rate() <= 0 || s.Channels() <= 0 || s.Samples(b) < 0 {
			t.Errorf("%T: %s, %d Hz, %d channels, %d samples", s, s, s.Rate(), s.Channels(), s.Samples(b))
		}
	}
	if n := codec.OBUsSize(b); n > len(b) || len(codec.AppendOBUs(nil, b)) != n {
		t.Errorf("%d bytes of OBUs in %d", n, len(b))
	}
}

func checkAVC(t *testing.T, c *codec.AVC, b []byte) {
	t.Helper()
	checkSize(t, c.Size)
	checkWithin(t, b, c.SPS, c.PPS)
	again := []byte{1, c.Profile, c.Compatibility, c.Level, byte(c.LengthSize - 1), byte(len(c.SPS))}
	again = append(again, sized(c.SPS...)...)
	again = append(append(again, byte(len(c.PPS))), sized(c.PPS...)...)
	d, err := codec.ParseAVC(again)
	if err != nil || d.String() != c.String() || d.LengthSize != c.LengthSize || !same(d.SPS, c.SPS) || !same(d.PPS, c.PPS) {
		t.Errorf("%+v became %+v, %v", c, d, err)
	}
}

func checkHEVC(t *testing.T, c *codec.HEVC, b []byte) {
	t.Helper()
	checkSize(t, c.Size)
	checkWithin(t, b, c.VPS, c.SPS, c.PPS)
	again := bytes.Clone(b[:22])
	again = append(again, 3)
	for i, sets := range [][][]byte{c.VPS, c.SPS, c.PPS} {
		again = append(again, byte(32+i), byte(len(sets)>>8), byte(len(sets)))
		again = append(again, sized(sets...)...)
	}
	d, err := codec.ParseHEVC(again)
	if err != nil || d.String() != c.String() || d.LengthSize != c.LengthSize ||
		!same(d.VPS, c.VPS) || !same(d.SPS, c.SPS) || !same(d.PPS, c.PPS) {
		t.Errorf("%+v became %+v, %v", c, d, err)
	}
}

// checkAAC checks that another parser reads the header of a frame of n bytes as it was meant.
func checkAAC(t *testing.T, c *codec.AAC, n int) {
	t.Helper()
	_ = c.String()
	if !c.FitsADTS(n) {
		return
	}
	frame := append(c.AppendADTS(nil, n), make([]byte, n)...)
	if len(frame) != codec.ADTSBytes+n {
		t.Fatalf("a header of %d bytes", len(frame)-n)
	}
	var read mpeg4audio.ADTSPackets
	if err := read.Unmarshal(frame); err != nil {
		if c.ChannelConfig >= 1 && c.ChannelConfig <= 7 { // 0 is in the frame itself, which the parser does not take
			t.Fatalf("%+v: %v", c, err)
		}
		return
	}
	if len(read) != 1 || read[0].SampleRate != c.SampleRate || len(read[0].AU) != n {
		t.Fatalf("%+v became %+v", c, read)
	}
}

func checkSize(t *testing.T, size func() (int, int, bool)) {
	t.Helper()
	const maxSide = 16888
	if w, h, ok := size(); ok != (w > 0) || ok != (h > 0) || w > maxSide || h > maxSide {
		t.Errorf("%d x %d, %t", w, h, ok)
	}
}

// checkWithin checks that parameter sets are together no longer than their record.
func checkWithin(t *testing.T, b []byte, lists ...[][]byte) {
	t.Helper()
	total := 0
	for _, set := range slices.Concat(lists...) {
		total += len(set)
		if !bytes.Contains(b, set) {
			t.Error("a parameter set is not in the record")
		}
	}
	if total > len(b) {
		t.Errorf("%d bytes of parameter sets in %d", total, len(b))
	}
}

func same(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }

// FuzzUnits cuts any bytes into units. What is appended is as long as was announced and holds the units one behind the
// other; written with lengths of 4 bytes they are the same again.
func FuzzUnits(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02ab\x00\x00\x00\x01c"), 4)
	f.Add([]byte("\x01a\x00\x02bc"), 1)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		var units [][]byte
		var stream, again []byte
		for rest := b; ; {
			unit, after, ok := codec.CutUnit(rest, size)
			if !ok {
				break
			}
			if len(unit) == 0 || len(unit)+len(after)+size > len(rest) {
				t.Fatalf("a unit of %d bytes and %d after it, out of %d", len(unit), len(after), len(rest))
			}
			units = append(units, unit)
			stream = append(append(stream, codec.StartCode...), unit...)
			again = append(append(again, 0, 0, byte(len(unit)>>8), byte(len(unit))), unit...)
			rest = after
		}
		got := codec.AppendAnnexB([]byte("x"), b, size)
		if n := codec.AnnexBSize(b, size); len(got) != 1+n || !bytes.Equal(got[1:], stream) {
			t.Errorf("%d bytes appended, %d announced", len(got)-1, n)
		}
		if slices.ContainsFunc(units, func(u []byte) bool { return len(u) > 0xffff }) {
			return
		}
		if !bytes.Equal(codec.AppendAnnexB(nil, again, 4), stream) {
			t.Error("lengths of 4 bytes give other units")
		}
	})
}
