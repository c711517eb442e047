package stats

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// Records made of parameter sets that encoders wrote.
const (
	avcRecord  = "0164001fffe10019" + "6764001facd9405005bb016c80000003008000001e078c18cb" + "010000"
	hevcRecord = "0101600000009000000000007" + "8f000fcfdf8f800000f01" + "a10001002a" +
		"420101016000000300900000030000030078a003c08010e5966669" + "24cae010000003001000000301e080"
	av1Record = "8108" + "0c00" + "0a0b" + "0000" + "0042a7bfe62edfc842"
)

var videoCases = []struct {
	name, config string
	codec        live.FourCC
	want         string
}{
	{"avc", avcRecord, live.CodecAVC, `{"codec":"H264","profile":"High","level":"3.1","width":1280,"height":720}`},
	{"avc without sps", "0142c01effe0", live.CodecAVC, `{"codec":"H264","profile":"Baseline(Constrained)","level":"3","width":0,"height":0}`},
	{"avc cut", "0164", live.CodecAVC, `{"codec":"H264","profile":"Other","level":"Other","width":0,"height":0}`},
	{"hevc", hevcRecord, live.CodecHEVC, `{"codec":"HEVC","profile":"Main","level":"4","width":1920,"height":1080}`},
	{"hevc cut", "0101", live.CodecHEVC, `{"codec":"HEVC","profile":"Other","level":"Other","width":0,"height":0}`},
	{"av1", av1Record, live.CodecAV1, `{"codec":"AV1","profile":null,"level":null,"width":1920,"height":818}`},
	{"av1 without header", "81080c00", live.CodecAV1, `{"codec":"AV1","profile":null,"level":null,"width":0,"height":0}`},
	{"vp9", "", live.CodecVP9, `{"codec":"VP9","profile":null,"level":null,"width":0,"height":0}`},
	{"vp8", "d018019d012a80026801", live.CodecVP8, `{"codec":"Other","profile":"Other","level":"Other","width":640,"height":360}`},
	{"vp8 not from a key frame", "d118019d012a80026801", live.CodecVP8, `{"codec":"Other","profile":"Other","level":"Other","width":0,"height":0}`},
	{"legacy", "", 0, `{"codec":"Other","profile":"Other","level":"Other","width":0,"height":0}`},
}

func TestVideo(t *testing.T) {
	for _, c := range videoCases {
		got, err := json.Marshal(videoOf(c.codec, unhex(t, c.config)))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v", c.name, got, err)
		}
	}
}

var audioCases = []struct {
	name, config string
	codec        live.FourCC
	want         audioRow
}{
	{"lc", "1190", live.CodecAAC, audioRow{"AAC", 48000, 2, "LC"}},
	{"lc mono", "1208", live.CodecAAC, audioRow{"AAC", 44100, 1, "LC"}},
	{"lc 7.1", "11b8", live.CodecAAC, audioRow{"AAC", 48000, 8, "LC"}},
	{"main", "0a10", live.CodecAAC, audioRow{"AAC", 44100, 2, "Main"}},
	{"own rate", "1780213410", live.CodecAAC, audioRow{"AAC", 17000, 2, "LC"}},
	{"sbr", "2b118800", live.CodecAAC, audioRow{"AAC", 48000, 2, "HE"}},
	{"ps", "eb098800", live.CodecAAC, audioRow{"AAC", 48000, 2, "HEv2"}},
	{"lc with sbr", "131056e598", live.CodecAAC, audioRow{"AAC", 48000, 2, "HE"}},
	{"lc with ps", "130856e59d4880", live.CodecAAC, audioRow{"AAC", 48000, 2, "HEv2"}},
	{"cut", "11", live.CodecAAC, audioRow{"AAC", 0, 0, "Other"}},
	{"reserved rate", "1690", live.CodecAAC, audioRow{"AAC", 0, 0, "Other"}},
	{"opus", "4f707573486561640102380180bb0000000000", live.CodecOpus, audioRow{"Opus", 48000, 2, "Other"}},
	{"mp3 mono", "fffb50c400", live.CodecMP3, audioRow{"MP3", 44100, 1, "Other"}},
	{"mp3", "fffb904400", live.CodecMP3, audioRow{"MP3", 44100, 2, "Other"}},
	{"mp3 not seen", "", live.CodecMP3, audioRow{"MP3", 0, 0, "Other"}},
	{
		"flac", "664c614300000022120012000004a30005080ac442f0000022745d105ceb212ad5d36e4f5608def3d8b7", live.CodecFLAC,
		audioRow{"Other", 44100, 2, "Other"},
	},
	{"flac cut", "664c614300000022120012000004a30005080ac442f0", live.CodecFLAC, audioRow{"Other", 0, 0, "Other"}},
	{"ac-3 5.1", "0b770dce5e40ebf8", live.CodecAC3, audioRow{"Other", 44100, 6, "Other"}},
	{"ac-3 cut", "0b770dce5e40", live.CodecAC3, audioRow{"Other", 0, 0, "Other"}},
	{"e-ac-3", "0b7701a07487c000", live.CodecEAC3, audioRow{"Other", 44100, 2, "Other"}},
	{"e-ac-3 not seen", "", live.CodecEAC3, audioRow{"Other", 0, 0, "Other"}},
	{"unknown", "664c6143", 'x', audioRow{"Other", 0, 0, "Other"}},
}

func TestAudio(t *testing.T) {
	for _, c := range audioCases {
		if got := *audioOf(c.codec, unhex(t, c.config)); got != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestAVCProfiles(t *testing.T) {
	for id, want := range map[[2]byte]string{
		{66, 0}: "Baseline", {66, 0x40}: "Baseline(Constrained)", {77, 0x40}: "Main", {88, 0}: "Extended", {100, 0}: "High",
		{110, 0}: "High(10)", {110, 0x10}: "High(10+Intra)", {122, 0}: "High(422)", {122, 0x10}: "High(422+Intra)",
		{144, 0}: "High(444)", {244, 0}: "High(444+Predictive)", {244, 0x10}: "High(444+Intra)", {1, 0}: "Other",
	} {
		if got := avcProfile(id[0], id[1]); got != want {
			t.Errorf("%d %#x: %s", id[0], id[1], got)
		}
	}
}

func TestLevels(t *testing.T) {
	for idc, want := range map[int]string{10: "1", 13: "1.3", 31: "3.1", 40: "4", 52: "5.2", 0: other, 9: other, 99: other, 255: other} {
		if got := level(idc, 10); got != want {
			t.Errorf("H.264 %d: %s", idc, got)
		}
	}
	for idc, want := range map[int]string{30: "1", 63: "2.1", 93: "3.1", 186: "6.2", 94: other, 0: other, 255: other} {
		if got := level(idc, 30); got != want {
			t.Errorf("HEVC %d: %s", idc, got)
		}
	}
}

// Nothing that a publisher may send makes a row that SRS could not have.
func FuzzMedia(f *testing.F) {
	for _, c := range videoCases {
		f.Add(uint32(c.codec), unhex(f, c.config))
	}
	for _, c := range audioCases {
		f.Add(uint32(c.codec), unhex(f, c.config))
	}
	f.Fuzz(func(t *testing.T, codec uint32, config []byte) {
		kept := bytes.Clone(config)
		v := videoOf(live.FourCC(codec), config)
		if v.Width < 0 || v.Width > maxSide || v.Height < 0 || v.Height > maxSide || v.Codec == "" {
			t.Errorf("%+v", v)
		}
		a := audioOf(live.FourCC(codec), config)
		if a.SampleRate < 0 || a.SampleRate >= 1<<24 || a.Channel < 0 || a.Channel > 255 || a.Profile == "" {
			t.Errorf("%+v", a)
		}
		if !bytes.Equal(config, kept) {
			t.Error("the bytes were changed")
		}
	})
}
