package hls

import (
	"bytes"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	m3u8 "github.com/bluenviron/gohlslib/v2/pkg/playlist"
)

// A document is a media playlist, read line by line without any knowledge of who has written it.
type document struct {
	text      string
	count     map[string]int    // how often each tag stands in it
	value     map[string]string // of the last tag of each name
	order     []string          // the names of the tags and "" for URIs
	control   map[string]string // EXT-X-SERVER-CONTROL
	target    float64
	part      float64 // 0 if there are no parts
	skipped   int
	segments  []*entryOf // those behind EXT-X-SKIP
	open      []partOf
	late      bool // something that applies to a segment stands behind its first part
	hint      string
	unclaimed []string // tags that apply to a segment behind which none comes
}

// An entryOf is a segment as a playlist lists it.
type entryOf struct {
	number, seams int
	uri           string
	length        float64
	seam          bool
	date          time.Time
	init          string
	key           map[string]string // of EXT-X-KEY; nil before the first
	initKey       string            // the method in force at EXT-X-MAP
	parts         []partOf
}

// A partOf is a part as a playlist lists it.
type partOf struct {
	uri         string
	length      float64
	independent bool
}

var attribute = regexp.MustCompile(`([A-Z0-9-]+)=("[^"]*"|[^",]+)(,|$)`)

func attributes(s string) map[string]string {
	a := map[string]string{}
	for _, m := range attribute.FindAllStringSubmatch(s, -1) {
		a[m[1]] = strings.Trim(m[2], `"`)
	}
	return a
}

func number(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// bare returns an URI without its query.
func bare(uri string) string {
	uri, _, _ = strings.Cut(uri, "?")
	return uri
}

// readDocument reads a playlist. What it does not understand it leaves to the rules.
func readDocument(text string) *document {
	d := &document{text: text, count: map[string]int{}, value: map[string]string{}}
	next := &entryOf{}
	var init, initKey string
	var key map[string]string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, "#") {
			d.order = append(d.order, "")
			next.uri, next.init, next.key, next.initKey = line, init, key, initKey
			d.segments = append(d.segments, next)
			next = &entryOf{}
			d.unclaimed = nil
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		d.order = append(d.order, name)
		d.count[name]++
		d.value[name] = value
		if len(next.parts) > 0 && slices.Contains([]string{"#EXT-X-DISCONTINUITY", "#EXT-X-KEY", "#EXT-X-MAP", "#EXT-X-PROGRAM-DATE-TIME"}, name) {
			d.late = true
		}
		switch name {
		case "#EXT-X-SERVER-CONTROL":
			d.control = attributes(value)
		case "#EXT-X-PART-INF":
			d.part = number(attributes(value)["PART-TARGET"])
		case "#EXT-X-TARGETDURATION":
			d.target = number(value)
		case "#EXT-X-SKIP":
			d.skipped = int(number(attributes(value)["SKIPPED-SEGMENTS"]))
		case "#EXT-X-DISCONTINUITY":
			next.seam = true
		case "#EXT-X-MAP":
			init, initKey = attributes(value)["URI"], key["METHOD"]
		case "#EXT-X-KEY":
			key = attributes(value)
		case "#EXT-X-PROGRAM-DATE-TIME":
			next.date, _ = time.Parse(time.RFC3339Nano, value)
		case "#EXTINF":
			next.length = number(strings.TrimSuffix(value, ","))
		case "#EXT-X-PART":
			a := attributes(value)
			next.parts = append(next.parts, partOf{a["URI"], number(a["DURATION"]), a["INDEPENDENT"] == "YES"})
		case "#EXT-X-PRELOAD-HINT":
			d.hint = bare(attributes(value)["URI"])
			continue
		default:
			continue
		}
		if !slices.Contains([]string{"#EXT-X-SERVER-CONTROL", "#EXT-X-PART-INF", "#EXT-X-TARGETDURATION", "#EXT-X-SKIP", "#EXT-X-PART"}, name) {
			d.unclaimed = append(d.unclaimed, name)
		}
	}
	d.open = next.parts
	d.enumerate()
	return d
}

// enumerate gives the segments their numbers (RFC 8216, 3 and 6.2.1).
func (d *document) enumerate() {
	n, seams := int(number(d.value["#EXT-X-MEDIA-SEQUENCE"])), int(number(d.value["#EXT-X-DISCONTINUITY-SEQUENCE"]))
	for i, s := range d.segments {
		if s.seam {
			seams++
		}
		s.number, s.seams = n+d.skipped+i, seams
	}
}

// duration returns how long the segments play, and the parts behind them.
func (d *document) duration() (sum float64) {
	for _, s := range d.segments {
		sum += s.length
	}
	for _, p := range d.open {
		sum += p.length
	}
	return sum
}

func (d *document) ended() bool { return d.count["#EXT-X-ENDLIST"] > 0 }

// A watcher looks at the same playlist again and again.
type watcher struct {
	*site
	path    string
	full    *document // the newest whole one
	returns bool      // a stream that has ended may come back
	broken  map[string]bool
}

func (s *site) watch(path string) *watcher {
	return &watcher{site: s, path: path, broken: map[string]bool{}}
}

// fail reports a broken rule once.
func (w *watcher) fail(name, what, text string) {
	w.Helper()
	if what == "" || w.broken[name] {
		return
	}
	w.broken[name] = true
	w.Errorf("%s: %s: %s in\n%s", w.path, name, what, text)
}

// look gets the playlist, with further parameters of the query, and checks it.
func (w *watcher) look(query string) *document {
	w.Helper()
	path := w.path
	if query != "" {
		path += map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + query
	}
	b := w.ok(path)
	if _, err := m3u8.Unmarshal(b); err != nil {
		w.fail("gohlslib reads it", err.Error(), string(b))
	}
	d := readDocument(string(b))
	for _, r := range rules {
		w.fail(r.name, r.fail(d), d.text)
	}
	if w.full == nil {
		w.full = d
		return d
	}
	for _, r := range successions {
		if r.name == "what has ended has ended" && w.returns {
			continue
		}
		w.fail(r.name, r.fail(w.full, d), w.full.text+"\nand then\n"+d.text)
	}
	if d.skipped == 0 {
		w.full = d
	}
	return d
}

// fetch gets all that the playlist names and checks what can be seen of it.
func (w *watcher) fetch(d *document) {
	w.Helper()
	for _, s := range d.segments {
		whole := w.ok(folder + s.uri)
		if s.init != "" {
			w.ok(folder + s.init)
		}
		if s.key["URI"] != "" {
			if n := len(w.ok(folder + s.key["URI"])); n != 16 {
				w.Errorf("a key of %d bytes", n)
			}
		}
		var parts []byte
		for _, p := range s.parts {
			parts = append(parts, w.ok(folder+p.uri)...)
		}
		if len(s.parts) > 0 && !bytes.Equal(parts, whole) {
			w.Errorf("%s is not what its parts are: %d and %d bytes", s.uri, len(whole), len(parts))
		}
	}
	for _, p := range d.open {
		w.ok(folder + p.uri)
	}
}
