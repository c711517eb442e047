package live_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

func TestParseView(t *testing.T) {
	for query, want := range map[string]live.View{
		"":                         {},
		"zero=1":                   {FromZero: true},
		"zero=0&codec_ids=0":       {},
		"codec_ids=1&audio=0":      {CodecIDs: true, Tracks: live.Tracks{Audio: live.NoTrack}},
		"token=a;b&zero=1":         {FromZero: true},
		"zero=1&video_track=2&x=y": {FromZero: true, Tracks: live.Tracks{Video: live.TrackNumber(2)}},
	} {
		got, err := live.ParseView(query)
		isErr(t, query, err, nil)
		equal(t, query, got, want)
	}
	_, err := live.ParseView("zero=1&video_track=x")
	isErr(t, "a track that is none", err, live.ErrName)
}

// TestCodecIDs parses what comes out again: it must say the same as the tag of Enhanced RTMP.
func TestCodecIDs(t *testing.T) {
	view := live.View{CodecIDs: true}
	for _, c := range []struct{ name, body, want string }{
		{"HEVC's configuration", "\x90hvc1record", "\x1c\x00\x00\x00\x00record"},
		{"HEVC's key frame", "\x91hvc1\x00\x00\x28units", "\x1c\x01\x00\x00\x28units"},
		{"HEVC's inter frame that shows earlier", "\xa1hvc1\xff\xff\xd8units", "\x2c\x01\xff\xff\xd8units"},
		{"HEVC's frame without an offset", "\xa3hvc1units", "\x2c\x01\x00\x00\x00units"},
		{"HEVC's frame with a modifier", "\xa7\x02\x00\x01\x00\x03hvc1units", "\x2c\x01\x00\x00\x00units"},
		{"AV1's configuration", "\x90av01record", "\x1d\x00\x00\x00\x00record"},
		{"AV1's key frame", "\x91av01units", "\x1d\x01\x00\x00\x00units"},
	} {
		f := tag(live.KindVideo, 40, []byte(c.body))
		got := view.Body(f)
		equal(t, c.name, string(got), c.want)
		g := tag(live.KindVideo, 40, got)
		equal(t, c.name+", codec", g.Codec, f.Codec)
		equal(t, c.name+", offset", g.Offset, f.Offset)
		equal(t, c.name+", key", g.Key, f.Key)
		equal(t, c.name+", configuration", g.Config, f.Config)
		equal(t, c.name+", payload", bytes.Equal(g.Payload(), f.Payload()), true)
	}
	for name, f := range map[string]*live.Frame{
		"AVC":                tag(live.KindVideo, 0, []byte("\x17\x01\x00\x00\x00units")),
		"HEVC by id already": tag(live.KindVideo, 0, []byte("\x1c\x01\x00\x00\x00units")),
		"VP9":                tag(live.KindVideo, 0, []byte("\x91vp09units")),
		"colour of HEVC":     tag(live.KindVideo, 0, []byte("\x94hvc1amf")),
		"end of HEVC":        tag(live.KindVideo, 0, []byte("\x92hvc1")),
		"AAC":                tag(live.KindAudio, 0, []byte("\xaf\x01raw")),
	} {
		equal(t, name, string(view.Body(f)), string(f.Body))
	}
}

// TestFromZero has two viewers who come late and see the same pictures, one of them on a time of its own.
func TestFromZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(func(r *live.Rules) { r.Lag.Time = 1500 * ms })
		p := livetest.Publish(t, h, livetest.Key)
		livetest.Write(t, p, livetest.Configs()...)
		pace(t, p, livetest.Media(0, 6)...)
		time.Sleep(2500 * ms)
		watch := func(v live.View) *live.FeedReader {
			s := livetest.Play(t, h, livetest.Key)
			r := s.Feed("text", v, newTextMuxer).Join(s)
			t.Cleanup(r.Leave)
			return r
		}
		common, own, another := watch(live.View{}), watch(live.View{FromZero: true}), watch(live.View{FromZero: true})
		equal(t, "the stream's time", strings.HasPrefix(next(t, common), "H M V A k2000 "), true)
		equal(t, "one's own", strings.HasPrefix(next(t, own), "H M V A k0 "), true)
		time.Sleep(1000 * ms)
		equal(t, "it goes on", strings.Contains(next(t, own), "k1000 "), true)
		equal(t, "another's own", strings.HasPrefix(next(t, another), "H M V A k0 "), true)
		time.Sleep(2500 * ms)
		equal(t, "after a jump it is not begun anew", strings.HasPrefix(next(t, own), "k3000 "), true)
	})
}
