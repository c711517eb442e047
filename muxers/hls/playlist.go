package hls

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A playlist is the text of a media playlist, made once when a segment was added, in pieces between which each viewer's
// query goes. It never changes.
type playlist struct {
	pieces  []string // the first ends behind the first segment's name, and so on
	size    int
	tag     string // an entity tag without quotes
	target  int64  // the target duration in seconds
	peak    int64  // bits per second of the largest segment
	average int64  // bits per second of all
	setup   *live.Setup
}

// contentType is the media type of playlists (RFC 8216, 4).
const contentType = "application/vnd.apple.mpegurl"

// newPlaylist describes the segments, of which there must be one at least. A discontinuity before the first of them has
// left the playlist and is in its discontinuity sequence number instead (RFC 8216, 6.2.2).
func newPlaylist(segments []*segment, target int64, setup *live.Setup) *playlist {
	first, last := segments[0], segments[len(segments)-1]
	p := &playlist{target: target, setup: setup, tag: last.name + "-" + strconv.Itoa(len(segments))}
	var b strings.Builder
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:%d\n#EXT-X-DISCONTINUITY-SEQUENCE:%d\n",
		target, first.number, first.seams)
	var bits, length int64
	for i, s := range segments {
		if s.seam && i > 0 {
			b.WriteString("#EXT-X-DISCONTINUITY\n")
		}
		fmt.Fprintf(&b, "#EXT-X-PROGRAM-DATE-TIME:%s\n#EXTINF:%d.%03d,\n%s",
			s.began.UTC().Format("2006-01-02T15:04:05.000Z"), s.length/1000, s.length%1000, s.name)
		p.add(b.String())
		b.Reset()
		b.WriteByte('\n')
		p.peak = max(p.peak, s.bitrate())
		bits += int64(len(s.body)) * 8
		length += s.length
	}
	p.add(b.String())
	p.average = (bits*1000 + length - 1) / length
	return p
}

func (p *playlist) add(piece string) {
	p.pieces = append(p.pieces, piece)
	p.size += len(piece)
}

// text returns the playlist with query, which begins with a question mark or is empty, behind each file name.
func (p *playlist) text(query string) []byte {
	b := make([]byte, 0, p.size+(len(p.pieces)-1)*len(query))
	for i, piece := range p.pieces {
		if i > 0 {
			b = append(b, query...)
		}
		b = append(b, piece...)
	}
	return b
}

// window returns how long the playlist plays, roughly.
func (p *playlist) window() time.Duration {
	return time.Duration(p.target) * time.Duration(len(p.pieces)-1) * time.Second
}

// multivariant returns the multivariant playlist that leads to the media playlist at uri.
func (p *playlist) multivariant(uri string) []byte {
	m := describe(p.setup)
	var b strings.Builder
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-STREAM-INF:BANDWIDTH=%d,AVERAGE-BANDWIDTH=%d", p.peak, p.average)
	if len(m.codecs) > 0 {
		fmt.Fprintf(&b, ",CODECS=%q", strings.Join(m.codecs, ","))
	}
	if m.width > 0 {
		fmt.Fprintf(&b, ",RESOLUTION=%dx%d", m.width, m.height)
	}
	fmt.Fprintf(&b, "\n%s\n", uri)
	return []byte(b.String())
}
