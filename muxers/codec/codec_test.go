package codec_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec"
)

// Parameter sets of pictures of 1920x1080, as encoders make them; the others are short but of the right type.
var (
	spsAVC = unhex("6742c028d900780227e584000003000400000300f03c60c920")
	ppsAVC = unhex("68ebe3cb22c0")

	vpsHEVC = unhex("40010c")
	spsHEVC = unhex("42010101600000030090000003000003" + "0078a003c08010e596666924cae010000003001000000301e080")
	ppsHEVC = unhex("4401c1")
	seiHEVC = unhex("4e01")
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func sized(units ...[]byte) (b []byte) {
	for _, u := range units {
		b = append(b, byte(len(u)>>8), byte(len(u)))
		b = append(b, u...)
	}
	return b
}

func avcRecord(size int) []byte {
	b := []byte{1, spsAVC[1], spsAVC[2], spsAVC[3], 0xfc | byte(size-1), 0xe1}
	b = append(b, sized(spsAVC)...)
	return append(append(b, 1), sized(ppsAVC)...)
}

func hevcRecord() []byte {
	b := append([]byte{1}, unhex("016000000090000000000078")...)
	b = append(b, unhex("f000fcfdf8f800000f04")...)
	b[21] = 0xff
	b = append(b[:22], 4)
	for _, u := range [][]byte{vpsHEVC, spsHEVC, ppsHEVC, seiHEVC} {
		b = append(b, u[0]>>1, 0, 1)
		b = append(b, sized(u)...)
	}
	return b
}

func TestAVC(t *testing.T) {
	for _, size := range []int{1, 2, 4} {
		c, err := codec.ParseAVC(avcRecord(size))
		if err != nil {
			t.Fatal(err)
		}
		if c.LengthSize != size || !bytes.Equal(c.SPS[0], spsAVC) || !bytes.Equal(c.PPS[0], ppsAVC) {
			t.Errorf("length size %d: got %+v", size, c)
		}
		if got := c.String(); got != "avc1.42c028" {
			t.Errorf("codec string %q", got)
		}
		if w, h, ok := c.Size(); !ok || w != 1920 || h != 1080 {
			t.Errorf("size %dx%d %v", w, h, ok)
		}
	}
	if _, err := codec.ParseAVC(avcRecord(3)); !errors.Is(err, codec.ErrRecord) {
		t.Errorf("length size 3: %v", err)
	}
}

func TestHEVC(t *testing.T) {
	c, err := codec.ParseHEVC(hevcRecord())
	if err != nil {
		t.Fatal(err)
	}
	if c.LengthSize != 4 || !bytes.Equal(c.VPS[0], vpsHEVC) || !bytes.Equal(c.SPS[0], spsHEVC) || !bytes.Equal(c.PPS[0], ppsHEVC) {
		t.Errorf("got %+v", c)
	}
	if got := c.String(); got != "hvc1.1.6.L120.90" {
		t.Errorf("codec string %q", got)
	}
	if w, h, ok := c.Size(); !ok || w != 1920 || h != 1080 {
		t.Errorf("size %dx%d %v", w, h, ok)
	}
}

// A record that is cut anywhere before its last parameter set gives an error.
func TestRecordsCut(t *testing.T) {
	for b := avcRecord(4); len(b) > 0; {
		b = b[:len(b)-1]
		if _, err := codec.ParseAVC(b); !errors.Is(err, codec.ErrRecord) {
			t.Errorf("AVC cut at %d: %v", len(b), err)
		}
	}
	for b := hevcRecord(); len(b) > 0; {
		b = b[:len(b)-1]
		if _, err := codec.ParseHEVC(b); !errors.Is(err, codec.ErrRecord) {
			t.Errorf("HEVC cut at %d: %v", len(b), err)
		}
	}
}

func TestUnits(t *testing.T) {
	annexB := func(units ...string) string {
		s := ""
		for _, u := range units {
			s += codec.StartCode + u
		}
		return s
	}
	for _, tt := range []struct {
		name string
		size int
		in   string
		want string
	}{
		{"four", 4, "\x00\x00\x00\x02ab\x00\x00\x00\x01c", annexB("ab", "c")},
		{"two", 2, "\x00\x02ab\x00\x01c", annexB("ab", "c")},
		{"one", 1, "\x02ab\x01c", annexB("ab", "c")},
		{"three", 3, "\x00\x00\x02ab", annexB("ab")},
		{"empty unit", 1, "\x00\x01c\x00", annexB("c")},
		{"cut in a unit", 2, "\x00\x01c\x00\x05ab", annexB("c")},
		{"cut in a length", 4, "\x00\x00\x00\x01c\x00\x00", annexB("c")},
		{"length beyond all", 4, "\xff\xff\xff\xffab", ""},
		{"nothing", 4, "", ""},
		{"no size", 0, "abc", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := codec.AppendAnnexB(nil, []byte(tt.in), tt.size); string(got) != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if n := codec.AnnexBSize([]byte(tt.in), tt.size); n != len(tt.want) {
				t.Errorf("size %d, want %d", n, len(tt.want))
			}
		})
	}
}

func TestADTS(t *testing.T) {
	for _, tt := range []struct {
		name, config, codec string
		rate, channels      int
	}{
		{"LC 44100 stereo", "1210", "mp4a.40.2", 44100, 2},
		{"LC 48000 5.1", "11b0", "mp4a.40.2", 48000, 6},
		{"HE-AAC 24000 stereo", "2b118800", "mp4a.40.5", 24000, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := codec.ParseAAC(unhex(tt.config))
			if err != nil {
				t.Fatal(err)
			}
			if c.String() != tt.codec {
				t.Errorf("codec string %q, want %q", c, tt.codec)
			}
			au := bytes.Repeat([]byte{0x5a}, 371)
			var pkts mpeg4audio.ADTSPackets
			if err := pkts.Unmarshal(append(c.AppendADTS(nil, len(au)), au...)); err != nil {
				t.Fatal(err)
			}
			p := pkts[0]
			if p.Type != mpeg4audio.ObjectTypeAACLC || p.SampleRate != tt.rate || int(p.ChannelConfig) != tt.channels || !bytes.Equal(p.AU, au) {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestFitsADTS(t *testing.T) {
	c, err := codec.ParseAAC(unhex("1210"))
	if err != nil {
		t.Fatal(err)
	}
	odd, err := codec.ParseAAC(unhex("17802ee010")) // 24000 Hz written out: not by index, but it has one
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]bool{0: false, 1: true, 8184: true, 8185: false} {
		if c.FitsADTS(n) != want || odd.FitsADTS(n) != (want && odd.SampleRate == 24000) {
			t.Errorf("%d bytes: %v %v", n, c.FitsADTS(n), odd.FitsADTS(n))
		}
	}
	for _, bad := range []string{"", "12", "0010", "ffff"} {
		if _, err := codec.ParseAAC(unhex(bad)); !errors.Is(err, codec.ErrRecord) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	au, err := h264.AVCC{spsAVC, ppsAVC, make([]byte, 5000)}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, codec.AnnexBSize(au, 4))
	if n := testing.AllocsPerRun(100, func() { dst = codec.AppendAnnexB(dst[:0], au, 4) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
