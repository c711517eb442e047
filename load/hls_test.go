package load

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// An origin is a server of HLS with fMP4 in parts, whose time goes on when somebody waits for it: with each playlist
// asked for there is one part more.
type origin struct {
	mu     sync.Mutex
	parts  int // that there are
	broken func(o *origin, list string) string
	lossy  bool // a part lacks a picture
}

const (
	partsPerSegment = 4
	partPictures    = 5
)

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	switch {
	case strings.HasSuffix(r.URL.Path, "/index.m3u8"):
		_, _ = io.WriteString(w, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmedia.m3u8?hls_ctx=7\n")
	case name == "media.m3u8":
		o.serveList(w, r)
	case name == "init.mp4":
		_, _ = w.Write(box("moov"))
	case strings.HasPrefix(name, "p"):
		n, _ := strconv.Atoi(strings.TrimSuffix(name[1:], ".mp4"))
		_, _ = w.Write(o.part(n))
	case strings.HasPrefix(name, "s"):
		n, _ := strconv.Atoi(strings.TrimSuffix(name[1:], ".mp4"))
		for i := range partsPerSegment {
			_, _ = w.Write(o.part(n*partsPerSegment + i))
		}
	default:
		http.NotFound(w, r)
	}
}

// serveList serves the media playlist. What is asked for must be the part that comes next.
func (o *origin) serveList(w http.ResponseWriter, r *http.Request) {
	if q := r.URL.Query(); q.Has("_HLS_msn") {
		want := strconv.Itoa(o.parts/partsPerSegment) + " " + strconv.Itoa(o.parts%partsPerSegment)
		if got := q.Get("_HLS_msn") + " " + q.Get("_HLS_part"); got != want || q.Get("hls_ctx") != "7" {
			http.Error(w, "the next part is "+want+", not "+got, http.StatusBadRequest)
			return
		}
		o.parts++
	}
	var b strings.Builder
	whole := o.parts / partsPerSegment
	first := max(whole-4, 0)
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:1\n#EXT-X-PART-INF:PART-TARGET=0.2\n"+
		"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6\n#EXT-X-MEDIA-SEQUENCE:%d\n#EXT-X-MAP:URI=\"init.mp4\"\n", first)
	for n := first; n <= whole; n++ {
		for i := n * partsPerSegment; i < min((n+1)*partsPerSegment, o.parts); i++ {
			independent := ""
			if i%partsPerSegment == 0 {
				independent = ",INDEPENDENT=YES"
			}
			fmt.Fprintf(&b, "#EXT-X-PART:DURATION=0.2,URI=\"p%d.mp4\"%s\n", i, independent)
		}
		if n < whole {
			fmt.Fprintf(&b, "#EXTINF:0.8,\ns%d.mp4\n", n)
		}
	}
	text := b.String()
	if o.broken != nil {
		text = o.broken(o, text)
	}
	_, _ = io.WriteString(w, text)
}

// part returns a fragment with the marks of its pictures.
func (o *origin) part(n int) []byte {
	var samples []byte
	for i := range partPictures {
		if o.lossy && n == 15 && i == 2 {
			continue
		}
		var digits [markDigits]byte
		mark{origin: 3, number: int64(n*partPictures + i), sent: time.Now()}.put(digits[:])
		samples = append(append(append(samples, "picture"...), markName...), digits[:]...)
	}
	tfdt := binary.BigEndian.AppendUint64([]byte{1, 0, 0, 0}, uint64(n*18000))
	return append(box("moof", box("traf", box("tfhd", []byte{0, 0, 0, 0, 0, 0, 0, 1}), box("tfdt", tfdt))), box("mdat", samples)...)
}

func box(name string, parts ...[]byte) []byte {
	b := append(make([]byte, 4), name...)
	for _, p := range parts {
		b = append(b, p...)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// follow plays from an origin until it has had some parts more.
func follow(t *testing.T, o *origin) *Report {
	t.Helper()
	o.parts = 10
	s := httptest.NewServer(o)
	t.Cleanup(s.Close)
	c := Config{URL: s.URL + "/live/a/index.m3u8", Play: 1, Settle: -1, Duration: 300 * time.Millisecond}
	return mustRun(t, c)
}

// Parts are waited for and played one by one, each once.
func TestLowLatency(t *testing.T) {
	t.Parallel()
	o := new(origin)
	r := follow(t, o)
	if v := r.Viewers[0]; !r.OK || o.parts < 20 || v.Join.Count != 1 || v.Marks < 50 || v.Protocol != LL {
		t.Errorf("%d parts: %+v", o.parts, v)
	}
}

// What a playlist must not do is found, and so is a picture that is missing within a part.
func TestListFaults(t *testing.T) {
	t.Parallel()
	late := func(change func(list string) string) func(o *origin, list string) string {
		return func(o *origin, list string) string {
			if o.parts != 18 {
				return list
			}
			return change(list)
		}
	}
	for name, c := range map[string]struct {
		origin *origin
		want   map[string]int64
	}{
		"a picture is missing": {&origin{lossy: true}, map[string]int64{faultMissing: 1}},
		"the target changes": {
			&origin{broken: late(func(l string) string { return strings.Replace(l, "DURATION:1\n", "DURATION:2\n", 1) })},
			map[string]int64{faultList: 2},
		},
		"a segment has another name": {
			&origin{broken: late(func(l string) string { return strings.Replace(l, "\ns2.mp4", "\ns1.mp4", 1) })},
			map[string]int64{faultList: 2},
		},
		"a segment is too long": {
			&origin{broken: late(func(l string) string { return strings.Replace(l, "#EXTINF:0.8,\ns2", "#EXTINF:1.8,\ns2", 1) })},
			map[string]int64{faultList: 1},
		},
		"no playlist": {
			&origin{broken: late(func(string) string { return "<html>" })},
			map[string]int64{faultList: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := follow(t, c.origin)
			got := make(map[string]int64)
			for kind, f := range r.Faults() {
				got[kind] = f.Count
			}
			if !maps.Equal(got, c.want) {
				t.Errorf("%v, want %v", r.Faults(), c.want)
			}
		})
	}
}

func TestPlaylist(t *testing.T) {
	p, err := parsePlaylist([]byte("#EXTM3U\r\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:2\n" +
		"#EXT-X-KEY:METHOD=AES-128,URI=\"a,b=c\"\n#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.250Z\n#EXTINF:3.5,title\na.ts\n" +
		"#EXT-X-KEY:METHOD=NONE\n#EXT-X-DISCONTINUITY\n#EXT-X-GAP\n#EXTINF:4,\nb.ts\n#EXT-X-ENDLIST\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p.sequence != 7 || p.seams != 2 || !p.ended || p.blocking || p.hold != 12*time.Second || len(p.segments) != 2 {
		t.Fatalf("%+v", p)
	}
	a, b := p.segments[0], p.segments[1]
	if !a.sealed || a.uri != "a.ts" || a.length != 3500*time.Millisecond || b.sealed || !b.seam || !b.gap || b.since.Sub(a.since) != a.length {
		t.Errorf("%+v\n%+v", a, b)
	}
	for _, bad := range []string{"", "<html>", "#EXTM3U\n", "#EXTM3U\n#EXT-X-TARGETDURATION:x\n", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:-1,\na\n"} {
		if _, err := parsePlaylist([]byte(bad)); err == nil {
			t.Errorf("%q was taken for a playlist", bad)
		}
	}
}
