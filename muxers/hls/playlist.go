package hls

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A playlist is one state of a window. It never changes; its texts are made when somebody asks for them.
type playlist struct {
	listing
	version  int
	reports  func() []report // on the other renditions
	segments []*segment      // of which there is one at least
	all      []*segment      // those of the long playlist, the last of which are segments
	open     *segment        // as it was; nil if there is none
	hint     string          // the name of the part that comes next

	texts [4]struct {
		once sync.Once
		script
	}
	rates struct {
		once sync.Once
		load
	}
}

// A form is a kind of text of a playlist.
type form uint8

// The forms, to be added up.
const (
	long  form = 1 << iota // all segments that the DVR window has
	delta                  // without those before the skip boundary (RFC 8216bis, 6.2.5.1)
)

// A script is a text in pieces, between which each viewer's query goes.
type script struct {
	pieces []string // the first ends behind the first object's name, and so on
	size   int
	open   strings.Builder
	rename func(name string) string // what an object is called here; nil for its name
}

// printf adds text.
func (s *script) printf(format string, args ...any) { fmt.Fprintf(&s.open, format, args...) }

// uri adds the name of an object.
func (s *script) uri(name string) {
	if s.rename != nil {
		name = s.rename(name)
	}
	s.open.WriteString(name)
	s.cut()
}

// note adds the name of an object that is renamed, as a comment before its line.
func (s *script) note(name string) {
	if s.rename != nil {
		s.printf("# %s\n", name)
	}
}

func (s *script) cut() {
	s.pieces = append(s.pieces, s.open.String())
	s.size += s.open.Len()
	s.open.Reset()
}

// text returns the script with query, which begins with a question mark or is empty, behind each name.
func (s *script) text(query string) []byte {
	b := make([]byte, 0, s.size+(len(s.pieces)-1)*len(query))
	for i, piece := range s.pieces {
		if i > 0 {
			b = append(b, query...)
		}
		b = append(b, piece...)
	}
	return b
}

// ofFiles returns the playlist of segments under the names of their files, without parts. The names of the objects and the part
// target stand in comments.
func (p *playlist) ofFiles(segments []*segment, rename func(name string) string) string {
	q := &playlist{listing: p.listing, version: p.version, segments: segments, all: segments}
	q.partTarget = 0
	s := &script{rename: rename}
	q.write(s, 0)
	return string(s.text("")) + fmt.Sprintf("%s%d\n", partComment, p.partTarget)
}

// partComment begins the comment with the part target.
const partComment = "# part target "

// contentType is the media type of playlists (RFC 8216, 4).
const contentType = "application/vnd.apple.mpegurl"

// text returns a form of the playlist with query, which begins with a question mark or is empty, behind each object's name.
func (p *playlist) text(f form, query string) []byte {
	if p.partTarget == 0 || p.ended {
		f &^= delta // it was not offered (RFC 8216bis, 6.2.5.1)
	}
	t := &p.texts[f]
	t.once.Do(func() { p.write(&t.script, f) })
	return t.script.text(query)
}

// write writes a form of the playlist. A discontinuity before the first segment has left the playlist and is in its
// discontinuity sequence number instead (RFC 8216, 6.2.2).
func (p *playlist) write(s *script, f form) {
	segments, skipped, version := p.segments, 0, p.version
	if f&long != 0 {
		segments = p.all
	}
	if f&delta != 0 {
		if skipped = p.skip(segments); skipped > 0 {
			version = max(version, 9)
		}
	}
	s.printf("#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-TARGETDURATION:%d\n", version, p.target)
	if p.partTarget > 0 {
		s.printf("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=%d.0,HOLD-BACK=%d.0,PART-HOLD-BACK=%s\n#EXT-X-PART-INF:PART-TARGET=%s\n",
			skipTargets*p.target, 3*p.target, seconds(p.holdBack()), seconds(p.partTarget))
	}
	s.printf("#EXT-X-MEDIA-SEQUENCE:%d\n#EXT-X-DISCONTINUITY-SEQUENCE:%d\n", segments[0].number, segments[0].seams)
	if skipped > 0 {
		s.printf("#EXT-X-SKIP:SKIPPED-SEGMENTS=%d\n", skipped)
	}
	var before *segment
	fresh := p.withParts(segments)
	for i, seg := range segments {
		if i >= skipped {
			seg.write(s, before, i >= fresh)
		}
		before = seg
	}
	p.writeEnd(s, before)
	s.cut()
}

// skipTargets is how many target durations a delta update holds at least, the least that there may be.
const skipTargets = 6

// skip returns how many of the segments a delta update leaves out: those that are further than the skip boundary from the
// end of the last one.
func (p *playlist) skip(segments []*segment) int {
	n := len(segments)
	for rest := int64(0); n > 0 && rest < skipTargets*1000*p.target; n-- {
		rest += segments[n-1].length
	}
	return n
}

// withParts returns the index of the first segment the parts of which are listed: the others are further than three target
// durations from the end (RFC 8216bis, 6.2.2).
func (p *playlist) withParts(segments []*segment) int {
	n := len(segments)
	if p.partTarget == 0 {
		return n
	}
	rest := int64(0)
	if p.open != nil {
		rest = p.open.played()
	}
	for ; n > 0 && rest < 3*1000*p.target; n-- {
		rest += segments[n-1].length
	}
	return n
}

// holdBack returns how far from the end players should stay that play parts, in milliseconds: three part targets as
// RFC 8216bis, 4.4.3.8, advises, and not less than a second, which is what ordinary networks need.
func (p *playlist) holdBack() int64 { return max(3*p.partTarget, 1000) }

// write writes the lines of a segment that stands behind another, or behind none that is listed.
func (seg *segment) write(s *script, before *segment, parts bool) {
	if seg.seam && before != nil {
		s.printf("#EXT-X-DISCONTINUITY\n")
	}
	key := seg.writeMap(s, before)
	if seg.key != key {
		seg.key.writeKey(s)
	}
	s.printf("#EXT-X-PROGRAM-DATE-TIME:%s\n", seg.began.UTC().Format("2006-01-02T15:04:05.000Z"))
	if parts {
		for _, p := range seg.parts {
			p.write(s)
		}
	}
	if seg.length > 0 {
		s.note(seg.name)
		s.printf("#EXTINF:%s,\n", seconds(seg.length))
		s.uri(seg.name)
		s.printf("\n")
	}
}

// writeMap writes what says what a player needs before the segment, unless that was said before, and returns the key in force
// behind it. The initialization section is in clear.
func (seg *segment) writeMap(s *script, before *segment) (key *resource) {
	if before != nil {
		key = before.key
	}
	if seg.init == nil || before != nil && before.init == seg.init {
		return key
	}
	if key != nil {
		(*resource)(nil).writeKey(s)
	}
	s.note(seg.init.name)
	s.printf("#EXT-X-MAP:URI=\"")
	s.uri(seg.init.name)
	s.printf("\"\n")
	return nil
}

// writeKey writes that what follows is encrypted with a key, or is not if that is nil.
func (r *resource) writeKey(s *script) {
	if r == nil {
		s.printf("#EXT-X-KEY:METHOD=NONE\n")
		return
	}
	s.note(r.name)
	s.printf("#EXT-X-KEY:METHOD=AES-128,URI=\"")
	s.uri(r.name)
	s.printf("\"\n")
}

func (p *part) write(s *script) {
	s.printf("#EXT-X-PART:DURATION=%s,URI=\"", seconds(p.length))
	s.uri(p.name)
	s.printf("\"")
	if p.independent {
		s.printf(",INDEPENDENT=YES")
	}
	s.printf("\n")
}

// writeEnd writes what stands behind the last segment.
func (p *playlist) writeEnd(s *script, before *segment) {
	if p.ended {
		s.printf("#EXT-X-ENDLIST\n")
		return
	}
	if p.partTarget == 0 {
		return
	}
	if p.open != nil && len(p.open.parts) > 0 {
		p.open.write(s, before, true)
	}
	s.printf("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"")
	s.uri(p.hint)
	s.printf("\"\n")
	for _, r := range p.reports() {
		r.write(s)
	}
}

// seconds writes milliseconds as seconds.
func seconds(ms int64) string { return fmt.Sprintf("%d.%03d", ms/1000, ms%1000) }

// tag returns what tells a form of the playlist apart from all others, for entity tags.
func (p *playlist) tag(f form) string {
	t := p.segments[len(p.segments)-1].name + "-" + strconv.Itoa(len(p.segments)) + "-" + strconv.Itoa(int(f))
	if p.open != nil {
		t += "-" + strconv.Itoa(len(p.open.parts))
	}
	if p.ended {
		t += "-end"
	}
	return t
}

// patience returns how long a request for what comes next may wait (RFC 8216bis, 6.2.5.2).
func (p *playlist) patience() time.Duration { return 3 * time.Duration(p.target) * time.Second }

// offer returns what a multivariant playlist says of the playlist at uri, the sound of which has a name.
func (p *playlist) offer(uri, name string) offer {
	p.rates.once.Do(func() { p.rates.load = loadOf(p.segments, 1000*p.target) })
	return offer{uri: uri, name: name, media: p.media, load: p.rates.load}
}
