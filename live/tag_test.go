package live_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

type tagCase struct {
	name    string
	kind    live.Kind
	body    string
	codec   live.FourCC
	flags   string // c configuration, k key, m media
	offset  int32
	payload string
}

var goodTags = []tagCase{
	{"AVC config", live.KindVideo, "\x17\x00\x00\x00\x00rec", live.CodecAVC, "c", 0, "rec"},
	{"AVC key", live.KindVideo, "\x17\x01\x00\x00\x50nal", live.CodecAVC, "km", 80, "nal"},
	{"AVC inter, negative offset", live.KindVideo, "\x27\x01\xff\xff\xd8nal", live.CodecAVC, "m", -40, "nal"},
	{"AVC end", live.KindVideo, "\x17\x02\x00\x00\x00", live.CodecAVC, "", 0, ""},
	{"AVC command", live.KindVideo, "\x57\x00", live.CodecAVC, "", 0, "\x00"},
	{"HEVC of codec id 12", live.KindVideo, "\x1c\x01\x00\x00\x00nal", live.CodecHEVC, "km", 0, "nal"},
	{"AV1 of codec id 13", live.KindVideo, "\x1d\x00\x00\x00\x00rec", live.CodecAV1, "c", 0, "rec"},
	{"H.263", live.KindVideo, "\x12pic", 0, "km", 0, "pic"},
	{"AAC config", live.KindAudio, "\xaf\x00\x12\x10", live.CodecAAC, "ck", 0, "\x12\x10"},
	{"AAC", live.KindAudio, "\xaf\x01raw", live.CodecAAC, "km", 0, "raw"},
	{"MP3", live.KindAudio, "\x2fraw", live.CodecMP3, "km", 0, "raw"},
	{"MP3 of 8 kHz", live.KindAudio, "\xeeraw", live.CodecMP3, "km", 0, "raw"},
	{"Speex", live.KindAudio, "\xb2raw", 0, "km", 0, "raw"},
	{"hvc1 config", live.KindVideo, "\x90hvc1rec", live.CodecHEVC, "c", 0, "rec"},
	{"hvc1 with offset", live.KindVideo, "\x91hvc1\x00\x00\x28nal", live.CodecHEVC, "km", 40, "nal"},
	{"hvc1 without offset", live.KindVideo, "\xa3hvc1nal", live.CodecHEVC, "m", 0, "nal"},
	{"hvc1 end", live.KindVideo, "\x92hvc1", live.CodecHEVC, "", 0, ""},
	{"hvc1 colour", live.KindVideo, "\x94hvc1amf", live.CodecHEVC, "", 0, "amf"},
	{"av01 config", live.KindVideo, "\x90av01rec", live.CodecAV1, "c", 0, "rec"},
	{"av01 config of TS", live.KindVideo, "\x95av01rec", live.CodecAV1, "c", 0, "rec"},
	{"av01 has no offset", live.KindVideo, "\x91av01obu", live.CodecAV1, "km", 0, "obu"},
	{"command", live.KindVideo, "\xd1\x00", 0, "", 0, "\x00"},
	{"ModEx", live.KindVideo, "\x97\x02abc\x01hvc1\x00\x00\x28nal", live.CodecHEVC, "km", 40, "nal"},
	{"ModEx twice", live.KindVideo, "\x97\x00a\x07\x00b\x03av01obu", live.CodecAV1, "km", 0, "obu"},
	{"ModEx of 256 bytes", live.KindVideo, "\x97\xff\x00\xff" + string(make([]byte, 256)) + "\x03av01obu", live.CodecAV1, "km", 0, "obu"},
	{"Opus config", live.KindAudio, "\x90OpusOpusHead", live.CodecOpus, "ck", 0, "OpusHead"},
	{"Opus", live.KindAudio, "\x91Opusraw", live.CodecOpus, "km", 0, "raw"},
	{"Opus end", live.KindAudio, "\x92Opus", live.CodecOpus, "k", 0, ""},
	{"channel layout", live.KindAudio, "\x94mp4a\x01\x02", live.CodecAAC, "k", 0, "\x01\x02"},
	{"Opus ModEx", live.KindAudio, "\x97\x00a\x01Opusraw", live.CodecOpus, "km", 0, "raw"},
	{"unknown FourCC", live.KindVideo, "\x93abcdxyz", 'a'<<24 | 'b'<<16 | 'c'<<8 | 'd', "km", 0, "xyz"},
	{"metadata", live.KindData, string(livetest.MetadataTag()), 0, "c", 0, string(livetest.MetadataTag())},
	{"text", live.KindData, "\x02\x00\x0aonTextData", 0, "", 0, "\x02\x00\x0aonTextData"},
}

func TestParseTag(t *testing.T) {
	for _, c := range goodTags {
		t.Run(c.name, func(t *testing.T) {
			f, err := live.ParseTag(c.kind, 1234, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "codec", f.Codec, c.codec)
			equal(t, "flags", flags(f), c.flags)
			equal(t, "offset", f.Offset, c.offset)
			equal(t, "payload", string(f.Payload()), c.payload)
			equal(t, "time", f.Time, 1234)
			equal(t, "body", string(f.Body), c.body)
		})
	}
}

func flags(f *live.Frame) (s string) {
	for _, flag := range []struct {
		is     bool
		letter string
	}{{f.Config, "c"}, {f.Key, "k"}, {f.Media(), "m"}} {
		if flag.is {
			s += flag.letter
		}
	}
	return s
}

var brokenTags = []struct {
	name string
	kind live.Kind
	body string
}{
	{"empty video", live.KindVideo, ""},
	{"empty audio", live.KindAudio, ""},
	{"empty data", live.KindData, ""},
	{"no kind", 0, "\x17\x01\x00\x00\x00"},
	{"AVC cut in its head", live.KindVideo, "\x17\x01\x00\x00"},
	{"AVC config without record", live.KindVideo, "\x17\x00\x00\x00\x00"},
	{"AAC cut in its head", live.KindAudio, "\xaf"},
	{"AAC config without record", live.KindAudio, "\xaf\x00"},
	{"FourCC cut", live.KindVideo, "\x91hvc"},
	{"FourCC cut, audio", live.KindAudio, "\x91Opu"},
	{"offset cut", live.KindVideo, "\x91hvc1\x00\x00"},
	{"ModEx cut before its size", live.KindVideo, "\x97"},
	{"ModEx cut in its size", live.KindVideo, "\x97\xff\x00"},
	{"ModEx cut in its data", live.KindVideo, "\x97\x05abc"},
	{"ModEx cut before the packet type", live.KindVideo, "\x97\x00a"},
	{"ModEx cut, audio", live.KindAudio, "\x97\x00"},
	{"one of several tracks", live.KindVideo, "\x96\x01hvc1\x00nal"},
	{"one of several tracks, audio", live.KindAudio, "\x95\x01Opus\x00raw"},
}

func TestParseBrokenTag(t *testing.T) {
	for _, c := range brokenTags {
		if f, err := live.ParseTag(c.kind, 0, []byte(c.body)); !errors.Is(err, live.ErrTag) {
			t.Errorf("%s: got %+v, %v", c.name, f, err)
		}
	}
}

func FuzzParseTag(f *testing.F) {
	for _, c := range goodTags {
		f.Add(byte(c.kind), []byte(c.body))
	}
	for _, c := range brokenTags {
		f.Add(byte(c.kind), []byte(c.body))
	}
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		kept := bytes.Clone(body)
		frame, err := live.ParseTag(live.Kind(kind), 7, body)
		if !bytes.Equal(body, kept) {
			t.Fatal("the body was changed")
		}
		if err != nil {
			if frame != nil || !errors.Is(err, live.ErrTag) {
				t.Fatalf("%v with %v", frame, err)
			}
			return
		}
		if !bytes.HasSuffix(body, frame.Payload()) {
			t.Fatal("the payload is not the end of the body")
		}
		if frame.Config && (frame.Media() || len(frame.Payload()) == 0) {
			t.Fatal("a configuration is not media, and not empty")
		}
		if frame.Time != 7 || !bytes.Equal(frame.Body, body) || frame.Kind == live.KindVideo && frame.Key && !frame.Media() {
			t.Fatalf("%+v", frame)
		}
	})
}

func TestNames(t *testing.T) {
	equal(t, "codec", live.CodecHEVC.String(), "hvc1")
	equal(t, "no codec", live.FourCC(0).String(), "none")
	equal(t, "kind", live.KindAudio.String(), "audio")
	equal(t, "no kind", live.Kind(9).String(), "unknown")
	equal(t, "action", live.ActionPublish.String(), "publish")
}
