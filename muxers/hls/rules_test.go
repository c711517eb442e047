package hls

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// knownTags are what a media playlist of this server may have.
var knownTags = []string{
	"#EXTM3U", "#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE", "#EXTINF",
	"#EXT-X-DISCONTINUITY", "#EXT-X-PROGRAM-DATE-TIME", "#EXT-X-MAP", "#EXT-X-KEY", "#EXT-X-ENDLIST", "#EXT-X-SERVER-CONTROL",
	"#EXT-X-PART-INF", "#EXT-X-PART", "#EXT-X-PRELOAD-HINT", "#EXT-X-SKIP", "#EXT-X-RENDITION-REPORT",
}

// lowLatencyTags are those that only a playlist with parts has.
var lowLatencyTags = []string{"#EXT-X-SERVER-CONTROL", "#EXT-X-PART-INF", "#EXT-X-PART", "#EXT-X-PRELOAD-HINT", "#EXT-X-SKIP", "#EXT-X-RENDITION-REPORT"}

// A rule is one that RFC 8216bis states for one media playlist. It returns what is wrong, or nothing.
type rule struct {
	name string
	fail func(d *document) string
}

// rules are all that can be seen in one playlist. The numbers are sections of RFC 8216bis.
var rules = []rule{
	{"4.1: UTF-8 without BOM and control characters", func(d *document) string {
		if !utf8.ValidString(d.text) || strings.HasPrefix(d.text, "\ufeff") || strings.ContainsFunc(d.text, func(r rune) bool { return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 }) {
			return "the text"
		}
		return ""
	}},
	{"4.4.1.1: EXTM3U is the first line", func(d *document) string { return unless(d.order[0] == "#EXTM3U" && d.count["#EXTM3U"] == 1) }},
	{"4.4.1.2: one EXT-X-VERSION, 6.2.1: no higher than is needed, 8: nor lower", func(d *document) string {
		needed := 3 // for the fractions of EXTINF
		if d.count["#EXT-X-MAP"] > 0 {
			needed = 6
		}
		if d.skipped > 0 {
			needed = 9
		}
		return unless(d.count["#EXT-X-VERSION"] == 1 && d.value["#EXT-X-VERSION"] == strconv.Itoa(needed))
	}},
	{"4.4.3.1: one EXT-X-TARGETDURATION, an integer", func(d *document) string {
		return unless(d.count["#EXT-X-TARGETDURATION"] == 1 && d.target >= 1 && d.target == math.Trunc(d.target))
	}},
	{"4.4.3.1, 6.2.1: no segment is longer than the target duration", func(d *document) string {
		for _, s := range d.segments {
			if math.Round(s.length) > d.target {
				return s.uri
			}
		}
		return ""
	}},
	{"4.4.3.2, 4.4.3.3: sequence numbers once, before the first segment", func(d *document) string {
		media, seams := slices.Index(d.order, "#EXT-X-MEDIA-SEQUENCE"), slices.Index(d.order, "#EXT-X-DISCONTINUITY-SEQUENCE")
		first, seam := slices.Index(d.order, ""), slices.Index(d.order, "#EXT-X-DISCONTINUITY")
		return unless(d.count["#EXT-X-MEDIA-SEQUENCE"] == 1 && d.count["#EXT-X-DISCONTINUITY-SEQUENCE"] == 1 &&
			media < first && seams < first && (seam < 0 || seams < seam))
	}},
	{"4.4.3.4: EXT-X-ENDLIST once at most", func(d *document) string { return unless(d.count["#EXT-X-ENDLIST"] <= 1) }},
	{"4.4.5.3: no EXT-X-PRELOAD-HINT behind the end, 6.2.6: nor two", func(d *document) string {
		return unless(d.count["#EXT-X-PRELOAD-HINT"] <= 1 && (!d.ended() || d.hint == ""))
	}},
	{"6.2.2: a live playlist has no EXT-X-PLAYLIST-TYPE", func(d *document) string { return unless(d.count["#EXT-X-PLAYLIST-TYPE"] == 0) }},
	{"4.4.4.1: each segment has its EXTINF", func(d *document) string {
		for _, s := range d.segments {
			if !(s.length > 0) || s.uri == "" {
				return s.uri
			}
		}
		return unless(d.count["#EXTINF"] == len(d.segments) && len(d.segments) > 0)
	}},
	{"6.2.1: segments behind a discontinuity are dated, and so are all", func(d *document) string {
		for _, s := range d.segments {
			if s.date.IsZero() {
				return s.uri
			}
		}
		return ""
	}},
	{"6.2.1: dates are not ambiguous", func(d *document) string {
		for i := 1; i < len(d.segments); i++ {
			before, s := d.segments[i-1], d.segments[i]
			if end := before.date.Add(time.Duration(before.length * float64(time.Second))); end.Sub(s.date) > 500*time.Millisecond {
				return s.uri
			}
		}
		return ""
	}},
	{"4.4.4.5: segments of MP4 have an EXT-X-MAP, others have none", func(d *document) string {
		for _, s := range d.segments {
			if mp4 := strings.HasSuffix(bare(s.uri), ".m4s"); mp4 != (s.init != "") && d.skipped == 0 {
				return s.uri
			}
		}
		return ""
	}},
	{"4.4.4.4: a key has an URI, 4.4.4.5: an initialization section is in clear, since keys have no IV", func(d *document) string {
		for _, s := range d.segments {
			switch m := s.key["METHOD"]; {
			case s.key == nil, m == "NONE" && len(s.key) == 1:
			case m != "AES-128" || s.key["URI"] == "" || len(s.key) != 2:
				return fmt.Sprint(s.key)
			}
			if s.initKey != "" && s.initKey != "NONE" {
				return s.init
			}
		}
		return ""
	}},
	{"4.4.3.7: EXT-X-PART-INF where there are parts", func(d *document) string {
		return unless(d.count["#EXT-X-PART"] == 0 || d.part > 0)
	}},
	{"4.4.4.9: no part is longer than the part target", func(d *document) string {
		for p := range d.parts() {
			if p.length > d.part || !(p.length > 0) {
				return p.uri
			}
		}
		return ""
	}},
	{"4.4.4.9: no part but those with a key frame and a segment's last is shorter than 85 % of the part target", func(d *document) string {
		for p, last := range d.parts() {
			if p.length < 0.85*d.part && !p.independent && !last {
				return p.uri
			}
		}
		return ""
	}},
	{"4.4.4.9: what applies to a segment stands before its first part", func(d *document) string { return unless(!d.late) }},
	{"6.2.2: parts are not listed further than three target durations from the end", func(d *document) string {
		rest := 0.0
		for _, p := range d.open {
			rest += p.length
		}
		for _, s := range slices.Backward(d.segments) {
			if len(s.parts) > 0 && rest > 3*d.target {
				return s.uri
			}
			rest += s.length
		}
		return ""
	}},
	{"3.2: the parts of a segment play as long as it", func(d *document) string {
		for _, s := range d.segments {
			sum := 0.0
			for _, p := range s.parts {
				sum += p.length
			}
			if len(s.parts) > 0 && math.Abs(sum-s.length) > 0.03 {
				return fmt.Sprintf("%s: %.3f and %.3f s", s.uri, sum, s.length)
			}
		}
		return ""
	}},
	{"4.4.3.8: EXT-X-SERVER-CONTROL holds its bounds", func(d *document) string {
		if d.control == nil {
			return unless(d.part == 0)
		}
		return unless(number(d.control["HOLD-BACK"]) >= 3*d.target && number(d.control["CAN-SKIP-UNTIL"]) >= 6*d.target &&
			number(d.control["PART-HOLD-BACK"]) >= 3*d.part && d.control["CAN-BLOCK-RELOAD"] == "YES")
	}},
	{"4.4.5.2: one EXT-X-SKIP, of segments", func(d *document) string {
		return unless(d.count["#EXT-X-SKIP"] <= 1 && (d.count["#EXT-X-SKIP"] == 0 || d.skipped > 0) && d.skipped >= 0)
	}},
	{"6.2.5.1: what is not skipped reaches back to the skip boundary", func(d *document) string {
		return unless(d.skipped == 0 || d.duration() >= number(d.control["CAN-SKIP-UNTIL"]))
	}},
	{"4.4.4: no tag applies to nothing", func(d *document) string {
		return unless(len(d.unclaimed) == 0 || len(d.open) > 0)
	}},
	{"4.1: URIs are relative and of the same folder", func(d *document) string {
		for _, s := range d.segments {
			if strings.ContainsAny(s.uri, "/ ") {
				return s.uri
			}
		}
		return ""
	}},
	{"nothing but known tags", func(d *document) string {
		for name := range d.count {
			if !slices.Contains(knownTags, name) {
				return name
			}
		}
		return ""
	}},
}

func unless(ok bool) string {
	if ok {
		return ""
	}
	return "as it is"
}

// parts yields all parts, and whether each is the last of a complete segment.
func (d *document) parts() func(yield func(p partOf, last bool) bool) {
	return func(yield func(p partOf, last bool) bool) {
		for _, s := range d.segments {
			for i, p := range s.parts {
				if !yield(p, i == len(s.parts)-1) {
					return
				}
			}
		}
		for _, p := range d.open {
			if !yield(p, false) {
				return
			}
		}
	}
}

// successions are the rules for a playlist and a later version of it (RFC 8216bis, 6.2.1 and 6.2.2).
var successions = []struct {
	name string
	fail func(old, d *document) string
}{
	{"the target durations never change", func(old, d *document) string {
		return unless(old.target == d.target && (old.part == d.part || old.part == 0 || d.part == 0))
	}},
	{"sequence numbers never decrease", func(old, d *document) string {
		return unless(old.first().number <= d.first().number && old.first().seams <= d.first().seams && old.last().number <= d.last().number)
	}},
	{"what stays is as it was", func(old, d *document) string {
		for _, s := range d.segments {
			i := s.number - old.first().number
			if i < 0 || i >= len(old.segments) {
				continue
			}
			was := old.segments[i]
			if bare(was.uri) != bare(s.uri) || was.length != s.length || was.seams != s.seams && d.skipped == 0 || !was.date.Equal(s.date) ||
				bare(was.init) != bare(s.init) && d.skipped == 0 || was.key["IV"] != s.key["IV"] || bare(was.key["URI"]) != bare(s.key["URI"]) {
				return fmt.Sprintf("%+v was %+v", s, was)
			}
			if len(s.parts) > 0 && !equalParts(was.parts, s.parts) {
				return fmt.Sprintf("%v was %v", s.parts, was.parts)
			}
		}
		return ""
	}},
	{"nothing is removed but from the beginning", func(old, d *document) string {
		return unless(d.first().number <= old.last().number+1)
	}},
	{"nothing is removed that leaves less than three target durations", func(old, d *document) string {
		return unless(d.first().number == old.first().number || d.ended() || d.duration() >= 3*d.target)
	}},
	{"parts of the open segment stay and become those of the complete one", func(old, d *document) string {
		now := d.open
		if i := old.last().number + 1 - d.first().number; i < len(d.segments) {
			now = d.segments[i].parts
		}
		return unless(len(now) == 0 || len(old.open) <= len(now) && equalParts(now[:len(old.open)], old.open))
	}},
	{"6.2.6: what was hinted is what comes", func(old, d *document) string {
		known := map[string]bool{}
		for p := range old.parts() {
			known[bare(p.uri)] = true
		}
		for p := range d.parts() {
			if !known[bare(p.uri)] {
				return unless(old.hint == "" || bare(p.uri) == old.hint)
			}
		}
		return ""
	}},
	{"what has ended has ended", func(old, d *document) string { return unless(!old.ended() || d.ended()) }},
}

// equalParts compares parts without the queries of their URIs.
func equalParts(a, b []partOf) bool {
	return slices.EqualFunc(a, b, func(a, b partOf) bool {
		return bare(a.uri) == bare(b.uri) && a.length == b.length && a.independent == b.independent
	})
}

func (d *document) first() *entryOf { return d.segments[0] }
func (d *document) last() *entryOf  { return d.segments[len(d.segments)-1] }

// A rule that is broken is seen.
func TestRules(t *testing.T) {
	good := "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n" +
		"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,HOLD-BACK=6.0,PART-HOLD-BACK=1.0\n#EXT-X-PART-INF:PART-TARGET=0.205\n" +
		"#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:3\n#EXT-X-MAP:URI=\"a-7.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z\n" +
		"#EXT-X-PART:DURATION=0.200,URI=\"a-7-0.m4s\"\n#EXT-X-PART:DURATION=0.100,URI=\"a-7-1.m4s\"\n#EXTINF:0.300,\na-7.m4s\n" +
		"#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a-7-2.m4s\"\n"
	for _, r := range rules {
		if what := r.fail(readDocument(good)); what != "" {
			t.Errorf("%s: %s", r.name, what)
		}
	}
	broken := map[string]bool{}
	for _, change := range [][2]string{
		{"#EXT-X-VERSION:6", "#EXT-X-VERSION:7"},
		{"#EXTM3U\n", "#EXTM3U\n#EXTM3U\n"},
		{"DATE-TIME:2026", "DATE-TIME:\x07"},
		{"TARGETDURATION:2", "TARGETDURATION:2.5"},
		{"EXTINF:0.300", "EXTINF:2.6"},
		{"#EXT-X-MEDIA-SEQUENCE:7\n", ""},
		{"a-7.m4s\n", "a-7.m4s\n#EXT-X-ENDLIST\n#EXT-X-ENDLIST\n"},
		{"a-7.m4s\n", "a-7.m4s\n#EXT-X-ENDLIST\n"},
		{"#EXT-X-MEDIA", "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MEDIA"},
		{"#EXTINF:0.300,\n", ""},
		{"#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z\n", ""},
		{"a-7.m4s\n", "a-7.m4s\n#EXT-X-PROGRAM-DATE-TIME:2025-01-01T00:00:00.000Z\n#EXTINF:1.0,\na-8.m4s\n"},
		{"#EXT-X-MAP:URI=\"a-7.mp4\"\n", ""},
		{"#EXT-X-MAP", "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x00000000000000000000000000000007\n#EXT-X-MAP"},
		{"#EXT-X-PART-INF:PART-TARGET=0.205\n", ""},
		{"DURATION=0.200", "DURATION=0.206"},
		{"DURATION=0.200", "DURATION=0.150"},
		{"#EXTINF", "#EXT-X-DISCONTINUITY\n#EXTINF"},
		{"a-7.m4s\n", "a-7.m4s\n" + strings.Repeat("#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:09.000Z\n#EXTINF:2.0,\na-8.m4s\n", 4)},
		{"EXTINF:0.300", "EXTINF:0.400"},
		{"PART-HOLD-BACK=1.0", "PART-HOLD-BACK=0.5"},
		{"#EXT-X-MAP", "#EXT-X-SKIP:SKIPPED-SEGMENTS=0\n#EXT-X-MAP"},
		{"#EXT-X-MAP", "#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n#EXT-X-MAP"},
		{"#EXT-X-PRELOAD", "#EXT-X-DISCONTINUITY\n#EXT-X-PRELOAD"},
		{"a-7.m4s\n", "b/a-7.m4s\n"},
		{"#EXT-X-MAP", "#EXT-X-BITRATE:7\n#EXT-X-MAP"},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		seen := false
		for _, r := range rules {
			if r.fail(readDocument(bad)) != "" {
				broken[r.name] = true
				seen = true
			}
		}
		if !seen {
			t.Errorf("%q for %q breaks no rule", change[1], change[0])
		}
	}
	for _, r := range rules {
		if !broken[r.name] {
			t.Errorf("nothing breaks %s", r.name)
		}
	}
}
