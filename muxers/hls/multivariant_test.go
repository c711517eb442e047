package hls

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	m3u8 "github.com/bluenviron/gohlslib/v2/pkg/playlist"

	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec/codectest"
)

// A tagLine is a tag with its attributes, and the URI behind it if the tag needs one.
type tagLine struct {
	name       string
	attributes map[string]string // as they stand there, quotes included
	uri        string
}

var (
	decimalInteger = regexp.MustCompile(`^\d{1,20}$`)
	decimalFloat   = regexp.MustCompile(`^\d+(\.\d{1,3})?$`)
	resolution     = regexp.MustCompile(`^[1-9]\d*x[1-9]\d*$`)
	quoted         = regexp.MustCompile(`^"[^"\r\n]+"$`)
	attributePair  = regexp.MustCompile(`([A-Z0-9-]+)=("[^"]*"|[^",]*)(,|$)`)
)

// checkMultivariant checks every rule that RFC 8216bis states for what a multivariant playlist may hold, and that an
// independent parser takes it. It returns its tags.
func checkMultivariant(t *testing.T, b []byte) (lines []tagLine) {
	t.Helper()
	text := string(b)
	fail := func(section, format string, args ...any) {
		t.Helper()
		t.Errorf("RFC 8216bis, %s: "+format+" in\n%s", append(append([]any{section}, args...), text)...)
	}
	if _, err := m3u8.Unmarshal(b); err != nil {
		t.Errorf("%v in\n%s", err, text)
	}
	if !utf8.Valid(b) || bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) || bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\n' }) {
		fail("4", "other than UTF-8 without control characters")
	}
	if !strings.HasPrefix(text, "#EXTM3U\n") || strings.Count(text, "#EXTM3U") != 1 {
		fail("4.4.1.1", "EXTM3U is not the first line")
	}
	if strings.Count(text, "#EXT-X-VERSION:") != 1 {
		fail("4.4.1.2", "EXT-X-VERSION does not stand there once")
	}
	rest := strings.Split(strings.TrimSuffix(text, "\n"), "\n")[1:]
	for i := 0; i < len(rest); i++ {
		name, value, _ := strings.Cut(rest[i], ":")
		line := tagLine{name: name, attributes: map[string]string{}}
		pairs := attributePair.FindAllStringSubmatch(value, -1)
		length := 0
		for _, p := range pairs {
			if _, twice := line.attributes[p[1]]; twice {
				fail("4.2", "%s twice", p[1])
			}
			line.attributes[p[1]] = p[2]
			length += len(p[0])
		}
		switch name {
		case "#EXT-X-VERSION":
			continue
		case "#EXT-X-MEDIA", "#EXT-X-STREAM-INF":
			if length != len(value) {
				fail("4.2", "%q is no attribute list", value)
			}
		default:
			fail("4", "line %q has no place", rest[i])
		}
		if name == "#EXT-X-STREAM-INF" {
			if i++; i == len(rest) || rest[i] == "" || strings.HasPrefix(rest[i], "#") {
				fail("4.4.6.2", "no URI behind EXT-X-STREAM-INF")
				break
			}
			line.uri = rest[i]
		}
		lines = append(lines, line)
	}
	checkGroups(lines, fail)
	checkStreams(lines, fail)
	return lines
}

type failure func(section, format string, args ...any)

// checkGroups checks EXT-X-MEDIA (RFC 8216bis, 4.4.6.1 and 4.4.6.1.1).
func checkGroups(lines []tagLine, fail failure) {
	names, defaults := map[string]bool{}, map[string]int{}
	for _, l := range lines {
		if l.name != "#EXT-X-MEDIA" {
			continue
		}
		a := l.attributes
		if a["TYPE"] != "AUDIO" || !quoted.MatchString(a["GROUP-ID"]) || !quoted.MatchString(a["NAME"]) {
			fail("4.4.6.1", "TYPE, GROUP-ID or NAME is missing in %v", a)
		}
		for _, name := range []string{"URI", "LANGUAGE", "CHANNELS"} {
			if v, ok := a[name]; ok && !quoted.MatchString(v) {
				fail("4.4.6.1", "%s is %s", name, v)
			}
		}
		for _, name := range []string{"DEFAULT", "AUTOSELECT"} {
			if v, ok := a[name]; ok && v != "YES" && v != "NO" {
				fail("4.4.6.1", "%s is %s", name, v)
			}
		}
		if a["DEFAULT"] == "YES" && a["AUTOSELECT"] == "NO" {
			fail("4.4.6.1", "the default is not to be selected automatically")
		}
		for name := range a {
			if !slices.Contains([]string{"TYPE", "GROUP-ID", "NAME", "DEFAULT", "AUTOSELECT", "CHANNELS", "URI", "LANGUAGE"}, name) {
				fail("4.4.6.1", "%s has no place for sound", name)
			}
		}
		key := a["GROUP-ID"] + a["NAME"]
		if names[key] {
			fail("4.4.6.1.1", "NAME %s twice in a group", a["NAME"])
		}
		names[key] = true
		if a["DEFAULT"] == "YES" {
			defaults[a["GROUP-ID"]]++
		}
		if defaults[a["GROUP-ID"]] > 1 {
			fail("4.4.6.1.1", "a group with two defaults")
		}
	}
}

// checkStreams checks EXT-X-STREAM-INF (RFC 8216bis, 4.4.6.2 and 6.2.4).
func checkStreams(lines []tagLine, fail failure) {
	n, uris := 0, map[string]bool{}
	for _, l := range lines {
		if l.name != "#EXT-X-STREAM-INF" {
			continue
		}
		n++
		a := l.attributes
		if uris[l.uri] {
			fail("6.2.4", "%s twice", l.uri)
		}
		uris[l.uri] = true
		peak, _ := strconv.ParseInt(a["BANDWIDTH"], 10, 64)
		average, _ := strconv.ParseInt(a["AVERAGE-BANDWIDTH"], 10, 64)
		if !decimalInteger.MatchString(a["BANDWIDTH"]) || !decimalInteger.MatchString(a["AVERAGE-BANDWIDTH"]) || peak <= 0 || average <= 0 || average > peak {
			fail("4.4.6.2", "BANDWIDTH %s, AVERAGE-BANDWIDTH %s", a["BANDWIDTH"], a["AVERAGE-BANDWIDTH"])
		}
		if !quoted.MatchString(a["CODECS"]) {
			fail("4.4.6.2", "CODECS is %s", a["CODECS"])
		}
		picture := strings.HasPrefix(a["CODECS"], `"avc1`) || strings.HasPrefix(a["CODECS"], `"hvc1`) ||
			strings.HasPrefix(a["CODECS"], `"av01`) || strings.HasPrefix(a["CODECS"], `"vp09`)
		if picture != resolution.MatchString(a["RESOLUTION"]) || picture != decimalFloat.MatchString(a["FRAME-RATE"]) {
			fail("4.4.6.2", "RESOLUTION %s, FRAME-RATE %s of %s", a["RESOLUTION"], a["FRAME-RATE"], a["CODECS"])
		}
		if r, ok := a["VIDEO-RANGE"]; ok && r != codec.SDR && r != codec.HLG && r != codec.PQ {
			fail("4.4.6.2", "VIDEO-RANGE is %s", r)
		}
		group, ok := a["AUDIO"]
		if ok != slices.ContainsFunc(lines, func(l tagLine) bool { return l.name == "#EXT-X-MEDIA" }) ||
			ok && !slices.ContainsFunc(lines, func(l tagLine) bool { return l.attributes["GROUP-ID"] == group }) {
			fail("4.4.6.2", "AUDIO is %s", group)
		}
		for name := range a {
			if !slices.Contains([]string{"BANDWIDTH", "AVERAGE-BANDWIDTH", "CODECS", "RESOLUTION", "FRAME-RATE", "VIDEO-RANGE", "AUDIO"}, name) {
				fail("4.4.6.2", "%s is not meant to be there", name)
			}
		}
	}
	if n == 0 {
		fail("4.4.6.2", "no variant stream")
	}
}

// rows returns segments of bytes and milliseconds.
func rows(list ...[2]int64) (segments []*segment) {
	for _, s := range list {
		segments = append(segments, &segment{size: s[0], length: s[1]})
	}
	return segments
}

// The peak is that of any row of between half and one and a half target durations.
func TestLoad(t *testing.T) {
	for name, test := range map[string]struct {
		segments []*segment
		want     load
	}{
		"one":                        {rows([2]int64{250000, 2000}), load{1000000, 1000000}},
		"the largest":                {rows([2]int64{250000, 2000}, [2]int64{500000, 2000}), load{2000000, 1500000}},
		"a short one is no row":      {rows([2]int64{250000, 2000}, [2]int64{250000, 500}), load{1600000, 1600000}},
		"but with its neighbour":     {rows([2]int64{250000, 2000}, [2]int64{250000, 500}, [2]int64{250000, 2000}), load{1600000, 1333334}},
		"nothing but short ones":     {rows([2]int64{1000, 100}), load{80000, 80000}},
		"rounded up":                 {rows([2]int64{1, 3000}), load{3, 3}},
		"half a target is a row":     {rows([2]int64{250000, 2000}, [2]int64{250000, 1000}), load{2000000, 1333334}},
		"three small ones are a row": {rows([2]int64{125000, 500}, [2]int64{125000, 500}, [2]int64{125000, 500}), load{2000000, 2000000}},
	} {
		if got := loadOf(test.segments, 2000); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// What a multivariant playlist says of two pictures and three sounds, one of them of another codec.
func TestMultivariantText(t *testing.T) {
	aac, err := codec.ParseAAC(livetest.AACConfig())
	if err != nil {
		t.Fatal(err)
	}
	avc, err := codec.ParseAVC(livetest.AVCConfig())
	if err != nil {
		t.Fatal(err)
	}
	opus, err := codec.ParseOpus([]byte("OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := multivariant{
		version: 6,
		streams: []offer{
			{uri: "stream.m3u8", name: "Sound 1", media: media{picture: avc, sound: aac, rate: 25.02}, load: load{2000, 1000}},
			{uri: "stream-v1.m3u8", name: "Sound 1", media: media{picture: avc, sound: aac, rate: 50.1}, load: load{1000, 500}},
		},
		sounds: []offer{
			{uri: "stream-a1.m3u8", name: "Sound 2", media: media{sound: aac}, load: load{200, 100}},
			{uri: "stream-a2.m3u8", name: "Sound 3", media: media{sound: opus}, load: load{100, 90}},
		},
	}
	const want = `#EXTM3U
#EXT-X-VERSION:6
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="Sound 1",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="Sound 2",DEFAULT=NO,AUTOSELECT=NO,CHANNELS="2",URI="stream-a1.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="Sound 3",DEFAULT=NO,AUTOSELECT=NO,CHANNELS="1",URI="stream-a2.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=2200,AVERAGE-BANDWIDTH=1100,CODECS="avc1.42c00a,mp4a.40.2,opus",RESOLUTION=64x64,FRAME-RATE=25.000,AUDIO="sound"
stream.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=1200,AVERAGE-BANDWIDTH=600,CODECS="avc1.42c00a,mp4a.40.2,opus",RESOLUTION=64x64,FRAME-RATE=50.100,AUDIO="sound"
stream-v1.m3u8
`
	if got := string(m.text()); got != want {
		t.Errorf("got\n%s", got)
	}
	checkMultivariant(t, m.text())
}

// Whatever a publisher sends, its entry playlists break no rule, ffprobe reads what they promise, and the bandwidth is what
// the segments have.
func TestMultivariantOfFilms(t *testing.T) {
	for name, test := range map[string]struct {
		film         codectest.Film
		codecs       string // of index.m3u8, by a pattern
		streams      string // that ffprobe finds there
		transport    string // the codecs of {stream}.m3u8; empty if there is none
		video, audio bool
	}{
		"H.264 AAC":   {codectest.Film{}, `avc1\.42c0..,mp4a\.40\.2`, "h264 aac", `avc1\.42c0..,mp4a\.40\.2`, true, true},
		"HEVC MP3":    {codectest.Film{Video: "hevc", Audio: "mp3"}, `hvc1\.1\.6\..*,mp4a\.40\.34`, "hevc mp3", `hvc1\.1\.6\..*,mp4a\.40\.34`, true, true},
		"AV1 Opus":    {codectest.Film{Video: "av1", Audio: "opus"}, `av01\.0\.0.M\.08,opus`, "av1 opus", "", true, true},
		"VP9 FLAC":    {codectest.Film{Video: "vp9", Audio: "flac"}, `vp09\.00\...\.08,fLaC`, "vp9 flac", "", true, true},
		"H.264 AC-3":  {codectest.Film{Audio: "ac3"}, `avc1\.42c0..,ac-3`, "h264 ac3", `avc1\.42c0..,ac-3`, true, true},
		"E-AC-3":      {codectest.Film{Video: "none", Audio: "eac3"}, `ec-3`, "eac3", `ec-3`, false, true},
		"AAC":         {codectest.Film{Video: "none"}, `mp4a\.40\.2`, "aac", `mp4a\.40\.2`, false, true},
		"H.264 alone": {codectest.Film{Audio: "none"}, `avc1\.42c0..`, "h264", `avc1\.42c0..`, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.config = DefaultConfig()
			t.Cleanup(s.server.Close)
			test.film.Seconds = 9
			frames, _ := test.film.Movie(t)
			livetest.Write(t, livetest.Publish(t, s.hub, livetest.Key), frames...)
			web := httptest.NewServer(s.handler)
			t.Cleanup(web.Close)
			s.checkEntry(folder+"index.m3u8", test.codecs, test.video)
			if got := probe(t, web.URL+folder+"index.m3u8"); got != test.streams {
				t.Errorf("ffprobe finds %q", got)
			}
			if test.transport != "" {
				s.checkEntry("/live/demo.m3u8", test.transport, test.video)
			}
		})
	}
}

// checkEntry checks the entry playlist of a film.
func (s *site) checkEntry(path, codecs string, picture bool) {
	s.Helper()
	lines := checkMultivariant(s.T, s.ok(path))
	if len(lines) != 1 {
		s.Fatalf("%d lines", len(lines))
	}
	a := lines[0].attributes
	if ok, err := regexp.MatchString(`^"`+codecs+`"$`, a["CODECS"]); !ok || err != nil {
		s.Errorf("CODECS=%s", a["CODECS"])
	}
	if picture && (a["RESOLUTION"] != "320x180" || a["FRAME-RATE"] != "25.000") {
		s.Errorf("RESOLUTION=%s FRAME-RATE=%s", a["RESOLUTION"], a["FRAME-RATE"])
	}
	uri := lines[0].uri
	if rest, ok := strings.CutPrefix(uri, "./demo/"); ok {
		uri = rest
	}
	var segments []*segment
	m := s.media(folder + uri)
	for _, seg := range m.Segments {
		segments = append(segments, &segment{size: int64(len(s.ok(folder + seg.URI))), length: seg.Duration.Milliseconds()})
	}
	l := loadOf(segments, int64(m.TargetDuration)*1000)
	if a["BANDWIDTH"] != strconv.FormatInt(l.peak, 10) || a["AVERAGE-BANDWIDTH"] != strconv.FormatInt(l.average, 10) {
		s.Errorf("BANDWIDTH=%s,AVERAGE-BANDWIDTH=%s, but segments have %+v", a["BANDWIDTH"], a["AVERAGE-BANDWIDTH"], l)
	}
}

// probe returns the codecs that ffprobe finds at an URL, without a complaint.
func probe(t *testing.T, url string) string {
	t.Helper()
	cmd := exec.Command("ffprobe", "-v", "warning", "-show_streams", "-of", "json", url)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil || problems.Len() > 0 {
		t.Errorf("ffprobe: %v\n%s", err, problems.String())
	}
	var found struct {
		Streams []struct {
			Codec string `json:"codec_name"`
		}
	}
	if err := json.Unmarshal(out.Bytes(), &found); err != nil {
		t.Fatal(err)
	}
	var codecs []string
	for _, s := range found.Streams {
		codecs = append(codecs, s.Codec)
	}
	return strings.Join(codecs, " ")
}
