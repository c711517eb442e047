package live_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// multitrackTags are tags of Enhanced RTMP v2 that name their tracks, and what they say: the number of each track, its
// codec, flags, offset and payload.
var multitrackTags = []struct {
	name string
	kind live.Kind
	body string
	want string
}{
	{"one track of video", live.KindVideo, "\x96\x01hvc1\x03\x00\x00\x28nal", "3 hvc1 km 40 nal"},
	{"one track's configuration", live.KindVideo, "\x96\x00av01\x02rec", "2 av01 c 0 rec"},
	{"one track of sound", live.KindAudio, "\x95\x01Opus\x01raw", "1 Opus km 0 raw"},
	{"one track with modifiers", live.KindVideo, "\xa7\x02\x00\x01\x00\x06\x03avc1\x07nal", "7 avc1 m 0 nal"},
	{"many tracks", live.KindVideo, "\x96\x13hvc1\x00\x00\x00\x01a\x01\x00\x00\x02bc", "0 hvc1 km 0 a, 1 hvc1 km 0 bc"},
	{"many tracks of many codecs", live.KindVideo, "\x96\x23hvc1\x00\x00\x00\x01aav01\x01\x00\x00\x02bc", "0 hvc1 km 0 a, 1 av01 km 0 bc"},
	{"many tracks of sound", live.KindAudio, "\x95\x11mp4a\x00\x00\x00\x01a\x02\x00\x00\x00", "0 mp4a km 0 a, 2 mp4a km 0 "},
	{"colour of a track", live.KindVideo, "\x96\x04hvc1\x01amf", "1 hvc1  0 amf"},
	{"a tag of no multitrack", live.KindVideo, "\x93av01obu", "0 av01 km 0 obu"},
}

var brokenMultitrackTags = []struct {
	name string
	kind live.Kind
	body string
}{
	{"cut before its kind", live.KindVideo, "\x96"},
	{"cut in the FourCC", live.KindVideo, "\x96\x03hvc"},
	{"cut before the number", live.KindVideo, "\x96\x03hvc1"},
	{"unknown kind", live.KindVideo, "\x96\x33hvc1\x00nal"},
	{"nested", live.KindVideo, "\x96\x06hvc1\x00nal"},
	{"nested audio", live.KindAudio, "\x95\x05Opus\x00raw"},
	{"modifiers inside", live.KindVideo, "\x96\x07hvc1\x00nal"},
	{"no tracks", live.KindVideo, "\x96\x13hvc1"},
	{"many, cut in the FourCC", live.KindVideo, "\x96\x13hv"},
	{"many, cut in a size", live.KindVideo, "\x96\x13hvc1\x00\x00\x00"},
	{"many, cut in a track", live.KindVideo, "\x96\x13hvc1\x00\x00\x00\x05nal"},
	{"many codecs, cut in the FourCC", live.KindVideo, "\x96\x23hvc1\x00\x00\x00\x01aav0"},
	{"a track that is broken", live.KindVideo, "\x96\x11hvc1\x00\x00\x00\x01a"},
	{"an empty configuration", live.KindVideo, "\x96\x10hvc1\x00\x00\x00\x00"},
}

func parseTags(kind live.Kind, body string) ([]*live.Frame, error) {
	return live.ParseTags(nil, kind, 1234, []byte(body))
}

func sayTracks(frames []*live.Frame) string {
	var all []string
	for _, f := range frames {
		all = append(all, fmt.Sprintf("%d %s %s %d %s", f.Track, f.Codec, flags(f), f.Offset, f.Payload()))
	}
	return strings.Join(all, ", ")
}

func TestParseMultitrack(t *testing.T) {
	for _, c := range multitrackTags {
		t.Run(c.name, func(t *testing.T) {
			frames, err := parseTags(c.kind, c.body)
			isErr(t, "parse", err, nil)
			equal(t, "tracks", sayTracks(frames), withKeys(c.kind, c.want))
			for _, f := range frames {
				equal(t, "time", f.Time, 1234)
				alone, err := live.ParseTag(c.kind, 0, f.Body)
				isErr(t, "alone", err, nil)
				equal(t, "payload alone", string(alone.Payload()), string(f.Payload()))
				again, err := parseTags(c.kind, string(f.MultitrackBody()))
				isErr(t, "wrapped again", err, nil)
				equal(t, "wrapped again", sayTracks(again), sayTracks([]*live.Frame{f}))
				equal(t, "nanoseconds", again[0].Nano, f.Nano)
			}
		})
	}
}

// withKeys puts in the key flag that every frame of sound has.
func withKeys(kind live.Kind, want string) string {
	if kind == live.KindAudio {
		want = strings.ReplaceAll(want, " c ", " ck ")
	}
	return want
}

func TestParseBrokenMultitrack(t *testing.T) {
	for _, c := range brokenMultitrackTags {
		if frames, err := parseTags(c.kind, c.body); !errors.Is(err, live.ErrTag) || len(frames) > 0 {
			t.Errorf("%s: got %s, %v", c.name, sayTracks(frames), err)
		}
	}
	// So many tracks as have a number, and one more.
	const several = "\x95\x11mp4a"
	frames, err := parseTags(live.KindAudio, several+strings.Repeat("\x01\x00\x00\x00", 256))
	isErr(t, "most", err, nil)
	equal(t, "most", len(frames), 256)
	_, err = parseTags(live.KindAudio, several+strings.Repeat("\x01\x00\x00\x00", 257))
	isErr(t, "too many", err, live.ErrTag)
	// What was appended before stays.
	first, err := parseTags(live.KindAudio, "\xaf\x01raw")
	isErr(t, "first", err, nil)
	frames, err = live.ParseTags(first, live.KindVideo, 0, []byte("\x96\x13hvc1\x00\x00\x00\x01a\x01\x00\x00\x09a"))
	isErr(t, "second", err, live.ErrTag)
	equal(t, "kept", len(frames), 1)
}

func TestNano(t *testing.T) {
	for body, want := range map[string]uint32{
		"\x97\x02\x0f\x42\x3f\x03av01obu":             999_999,
		"\x97\x02\x0f\x42\x40\x03av01obu":             0, // a whole millisecond is none of it
		"\x97\x02\x00\x01\x00\x13av01obu":             0, // of another type
		"\x97\x00\x01\x03av01obu":                     0,
		"\x97\x00\x01\x17\x02\x00\x00\x07\x03av01obu": 7,
	} {
		frames, err := parseTags(live.KindVideo, body)
		isErr(t, "parse", err, nil)
		equal(t, fmt.Sprintf("nanoseconds of %x", body), frames[0].Nano, want)
		equal(t, "body", string(frames[0].Body), body)
	}
}

// FuzzEnhanced looks for tags of Enhanced RTMP that break a promise of ParseTags.
func FuzzEnhanced(f *testing.F) {
	for _, c := range multitrackTags {
		f.Add(byte(c.kind), []byte(c.body))
	}
	for _, c := range brokenMultitrackTags {
		f.Add(byte(c.kind), []byte(c.body))
	}
	for _, c := range goodTags {
		f.Add(byte(c.kind), []byte(c.body))
	}
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		size := len(body)
		frames, err := live.ParseTags(nil, live.Kind(kind), 0, bytes.Clone(body))
		if err != nil {
			if len(frames) > 0 || !errors.Is(err, live.ErrTag) {
				t.Fatalf("%d frames with %v", len(frames), err)
			}
			return
		}
		total := 0
		for _, f := range frames {
			total += len(f.Payload())
			checkFrame(t, f)
		}
		if total > size {
			t.Fatalf("payloads of %d bytes came out of %d", total, size)
		}
	})
}

// checkFrame checks that what a frame says holds for its body alone, and for its body as a multitrack tag.
func checkFrame(t *testing.T, f *live.Frame) {
	t.Helper()
	alone, err := live.ParseTag(f.Kind, 0, f.Body)
	if err != nil {
		t.Fatalf("the body of a frame: %v", err)
	}
	wrapped, err := live.ParseTags(nil, f.Kind, 0, bytes.Clone(f.MultitrackBody()))
	if err != nil || len(wrapped) != 1 {
		t.Fatalf("the multitrack body of a frame: %d frames, %v", len(wrapped), err)
	}
	if f.Codec != 0 && wrapped[0].Track != f.Track {
		t.Fatalf("track %d became %d", f.Track, wrapped[0].Track)
	}
	for _, g := range []*live.Frame{alone, wrapped[0]} {
		if g.Codec != f.Codec || g.Key != f.Key || g.Config != f.Config || g.Media() != f.Media() || g.Offset != f.Offset ||
			g.Nano != f.Nano || !bytes.Equal(g.Payload(), f.Payload()) {
			t.Fatalf("%+v became %+v", f, g)
		}
	}
}

// enhanced returns a frame of a track: V is a configuration of video, k a key frame, v another picture and r a remark; A,
// a and R are those of sound.
func enhanced(what byte, track uint8, time uint32) *live.Frame {
	heads := map[byte]byte{'V': 0x90, 'k': 0x93, 'v': 0xa3, 'r': 0x94, 'A': 0x90, 'a': 0x91, 'R': 0x94}
	kind, head, fourCC := live.KindVideo, heads[what], "av01"
	if strings.ContainsRune("aAR", rune(what)) {
		kind, fourCC = live.KindAudio, "Opus"
	}
	f, err := live.ParseTag(kind, time, fmt.Appendf([]byte{head}, "%s%c%d", fourCC, what, track))
	if err != nil {
		panic(err)
	}
	f.Track = track
	return f
}

// tracksOf renders what a reader gives now: the payloads of the frames.
func tracksOf(t *testing.T, r *live.Reader) string {
	t.Helper()
	var all []string
	for {
		n := r.Buffered()
		f, err := r.TryReadFrame()
		isErr(t, "read", err, nil)
		if f == nil {
			equal(t, "buffered", n, 0)
			return strings.Join(all, " ")
		}
		if n == 0 && !f.Config {
			t.Errorf("%s was not buffered", f.Payload())
		}
		all = append(all, string(f.Payload()))
	}
}

func TestReaderOfTracks(t *testing.T) {
	for _, c := range []struct{ query, joined, then string }{
		{"", "A0 V1 k1 a0 v1", "V0 k0 k0 a0"}, // the main track is another one now
		{"video_track=1", "A0 V1 k1 a0 v1", "k1 a0"},
		{"video_track=2&audio_track=1", "A1 V2 k2 v2 a1", "a1"},
		{"video_track=9", "A0 a0", "a0"},
		{"video=0", "A0 a0", "a0"},
		{"audio=0", "V1 k1 v1", "V0 k0 k0"},
		{"video=0&audio_track=1", "A1 a1", "a1"},
		{"tracks=all", "A0 V1 A1 V2 k1 v2 k2 v2 a0 a1 v1", "V0 k0 k0 k1 a0 a1"},
		{"tracks=all&audio=0", "V1 V2 k1 v2 k2 v2 v1", "V0 k0 k0 k1"},
	} {
		t.Run(c.query, func(t *testing.T) {
			p := livetest.Publish(t, newHub(func(*live.Rules) {}), livetest.Key)
			write(t, p, "V1 V2 A0 A1 v2 k1 v2 k2 v2 a0 a1 v1")
			tracks, err := live.ParseTracks(c.query)
			isErr(t, "query", err, nil)
			r := p.Stream().NewReader(tracks)
			equal(t, "joined", tracksOf(t, r), c.joined)
			write(t, p, "V0 k0 k0 k1 a0 a1")
			equal(t, "then", tracksOf(t, r), c.then)
		})
	}
}

// write publishes frames that are named as enhanced names them, with the number of their track.
func write(t *testing.T, p *live.Publisher, names string) {
	t.Helper()
	for name := range strings.FieldsSeq(names) {
		livetest.Write(t, p, enhanced(name[0], name[1]-'0', 0))
	}
}

func TestBadTracks(t *testing.T) {
	for _, query := range []string{"video_track=x", "audio_track=256", "video_track=-1", "video=0&audio=0"} {
		_, err := live.ParseTracks(query)
		isErr(t, query, err, live.ErrName)
	}
	for _, query := range []string{"", "video=1&audio=1", "token=%zz", "tracks=2"} {
		tracks, err := live.ParseTracks(query)
		isErr(t, query, err, nil)
		equal(t, query, tracks, live.Tracks{})
	}
}

// TestRemarks has what goes with a configuration given to those who come later, once, until the codec changes.
func TestRemarks(t *testing.T) {
	p := livetest.Publish(t, newHub(func(*live.Rules) {}), livetest.Key)
	write(t, p, "V0 r0 A0 R0 k0 r0 v0")
	equal(t, "joined", tracksOf(t, p.Stream().NewReader(live.Tracks{})), "V0 r0 A0 R0 k0 v0")
	other := tag(live.KindVideo, 0, []byte("\x93vp09key"))
	livetest.Write(t, p, other)
	equal(t, "another codec", tracksOf(t, p.Stream().NewReader(live.Tracks{})), "A0 R0 key")
}

// TestHead keeps how a track began that has no configuration.
func TestHead(t *testing.T) {
	p := livetest.Publish(t, newHub(func(*live.Rules) {}), livetest.Key)
	head := func() string {
		s, _ := p.Stream().Setup().Track(live.KindAudio)
		return s.Head
	}
	for _, c := range []struct{ body, want string }{
		{"\x91ac-3first", "first"},
		{"\x91ac-3another", "first"},
		{"\x91ec-3" + strings.Repeat("x", 100), strings.Repeat("x", 16)},
		{"\x90Opusconfig", ""},
		{"\x91Opusfirst", ""},
	} {
		livetest.Write(t, p, tag(live.KindAudio, 0, []byte(c.body)))
		equal(t, c.body, head(), c.want)
	}
}

// TestBoundsOfSetup has a publisher of too many tracks, or of a configuration that is none, lose those alone.
func TestBoundsOfSetup(t *testing.T) {
	p := livetest.Publish(t, newHub(func(*live.Rules) {}), livetest.Key)
	for n := range 2 * live.MaxTracks {
		livetest.Write(t, p, enhanced('V', uint8(n), 0), enhanced('A', uint8(n), 0), enhanced('k', uint8(n), 0))
	}
	equal(t, "tracks", len(p.Stream().Setup().Tracks()), 2*live.MaxTracks)
	equal(t, "dropped", p.Session().Info().Totals.BrokenTags, 3*live.MaxTracks)
	write(t, p, "V0 k0")
	equal(t, "dropped of those there are", p.Session().Info().Totals.BrokenTags, 3*live.MaxTracks)
	for _, head := range []string{"\x90av01", "\x94av01", "\x17\x00\x00\x00\x00"} {
		_, err := live.ParseTag(live.KindVideo, 0, append([]byte(head), make([]byte, 256<<10)...))
		isErr(t, "a large configuration", err, live.ErrTag)
	}
}

// TestFeedOfTracks has viewers of one choice share a feed, and those of another get their own.
func TestFeedOfTracks(t *testing.T) {
	h := newHub(func(*live.Rules) {})
	p := livetest.Publish(t, h, livetest.Key)
	feed := func(tracks live.Tracks) *live.Feed {
		return p.Stream().Feed("raw", tracks, func() live.Muxer { return rawMuxer{} })
	}
	main, sound := feed(live.Tracks{}), feed(live.Tracks{Video: live.NoTrack})
	equal(t, "shared", feed(live.Tracks{}) == main, true)
	equal(t, "apart", sound == main, false)
	s := livetest.Play(t, h, livetest.Key)
	sound.Join(s).Leave()
	equal(t, "forgotten after its last viewer", feed(live.Tracks{Video: live.NoTrack}) == sound, false)
}
