package hls

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec"
)

// A multivariant is what a multivariant playlist offers (RFC 8216bis, 4.4.6): the same content in several renditions.
type multivariant struct {
	version int     // of the protocol that its media playlists need
	streams []offer // each is a variant stream with all that belongs together, the main one first
	sounds  []offer // what may be heard instead of the sound of the variant streams
}

// An offer is one media playlist, as a multivariant playlist tells of it.
type offer struct {
	uri  string
	name string // of its sound, for listeners to choose by; unique among all
	media
	load
}

// media says what the segments of a playlist are made of.
type media struct {
	picture codec.Picture // nil if there is none
	sound   codec.Sound   // nil if there is none
	rate    float64       // measured pictures per second; 0 if not known
}

// A load is how much a player must be able to take, in bits per second.
type load struct{ peak, average int64 }

// loadOf returns the load of a playlist with the given target duration in milliseconds: the largest rate of any row of
// segments that plays for between half and one and a half target durations, and that of all (RFC 8216bis, 4.4.6.2). Where
// no row is so long, that of all is the peak.
func loadOf(segments []*segment, target int64) (l load) {
	var all rowOfSegments
	for i, first := range segments {
		all.add(first)
		var r rowOfSegments
		for _, s := range segments[i:] {
			if r.add(s); 2*r.length > 3*target {
				break
			}
			if 2*r.length >= target {
				l.peak = max(l.peak, r.rate())
			}
		}
	}
	l.average = all.rate()
	l.peak = max(l.peak, l.average)
	return l
}

type rowOfSegments struct{ bytes, length int64 }

func (r *rowOfSegments) add(s *segment) {
	r.bytes += s.size
	r.length += s.length
}

// rate returns bits per second, rounded up.
func (r *rowOfSegments) rate() int64 { return (r.bytes*8*1000 + r.length - 1) / max(r.length, 1) }

// text returns the playlist.
func (m *multivariant) text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:%d\n", m.version)
	if len(m.sounds) > 0 {
		m.writeGroup(&b)
	}
	for i := range m.streams {
		m.writeStream(&b, &m.streams[i])
	}
	return []byte(b.String())
}

// tag returns an entity tag: it depends on several media playlists, which change on their own.
func (m *multivariant) tag() string {
	sum := fnv.New64a()
	_, _ = sum.Write(m.text()) // never fails
	return "m" + strconv.FormatUint(sum.Sum64(), 36)
}

// soundName returns how the sound of a track is called, 0 for the main one: RTMP gives it no name.
func soundName(number uint8) string { return fmt.Sprintf("Sound %d", int(number)+1) }

// groupID names the one group of sounds.
const groupID = "sound"

// writeGroup writes the group of sounds. Its first member is in the variant streams themselves, so it has no URI of its own
// (RFC 8216bis, 4.4.6.2.1). Only that one is chosen unasked: nothing that a player could choose by tells the others apart.
func (m *multivariant) writeGroup(b *strings.Builder) {
	own := m.streams[0]
	own.uri = ""
	for i, o := range slices.Concat([]offer{own}, m.sounds) {
		fmt.Fprintf(b, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=%q,NAME=%q", groupID, o.name)
		if i == 0 {
			b.WriteString(",DEFAULT=YES,AUTOSELECT=YES")
		} else {
			b.WriteString(",DEFAULT=NO,AUTOSELECT=NO")
		}
		if o.sound != nil && o.sound.Channels() > 0 {
			fmt.Fprintf(b, ",CHANNELS=\"%d\"", o.sound.Channels())
		}
		if o.uri != "" {
			fmt.Fprintf(b, ",URI=%q", o.uri)
		}
		b.WriteByte('\n')
	}
}

// writeStream writes a variant stream. Its bandwidth is that of the most demanding combination with a sound of the group.
func (m *multivariant) writeStream(b *strings.Builder, o *offer) {
	var more load
	for i := range m.sounds {
		more.peak, more.average = max(more.peak, m.sounds[i].peak), max(more.average, m.sounds[i].average)
	}
	fmt.Fprintf(b, "#EXT-X-STREAM-INF:BANDWIDTH=%d,AVERAGE-BANDWIDTH=%d", o.peak+more.peak, o.average+more.average)
	if codecs := m.codecs(o); len(codecs) > 0 {
		fmt.Fprintf(b, ",CODECS=%q", strings.Join(codecs, ","))
	}
	o.writePicture(b)
	if len(m.sounds) > 0 {
		fmt.Fprintf(b, ",AUDIO=%q", groupID)
	}
	fmt.Fprintf(b, "\n%s\n", o.uri)
}

// codecs returns all that a player may meet in a variant stream, the picture first.
func (m *multivariant) codecs(o *offer) (list []string) {
	if o.picture != nil {
		list = append(list, o.picture.String())
	}
	for _, s := range slices.Concat([]offer{*o}, m.sounds) {
		if s.sound != nil && !slices.Contains(list, s.sound.String()) {
			list = append(list, s.sound.String())
		}
	}
	return list
}

func (o *offer) writePicture(b *strings.Builder) {
	if o.picture == nil {
		return
	}
	if width, height, ok := o.picture.Size(); ok {
		fmt.Fprintf(b, ",RESOLUTION=%dx%d", width, height)
	}
	if rate := o.frameRate(); rate > 0 {
		b.WriteString(",FRAME-RATE=" + strconv.FormatFloat(rate, 'f', 3, 64))
	}
	if r := o.picture.Range(); r != codec.SDR { // which is what its absence means
		b.WriteString(",VIDEO-RANGE=" + r)
	}
}

// frameRate returns the pictures per second: those that the configuration announces, if that is about what comes; else what
// comes.
func (m *media) frameRate() float64 {
	announced := m.picture.FrameRate()
	const believed = 0.02
	if m.rate == 0 || announced > m.rate*(1-believed) && announced < m.rate*(1+believed) {
		return announced
	}
	return m.rate
}
