package hls

import (
	"strconv"
	"strings"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A rendition is what one media playlist is of: the main tracks of a stream, or a further one, packed in one way. A further
// picture comes with the main sound, a further sound alone.
type rendition struct {
	*variant
	kind   live.Kind // of the further track; 0 if there is none
	number uint8     // its number
}

// main returns the rendition of the main tracks.
func (v *variant) main() rendition { return rendition{variant: v} }

// further returns the renditions of the tracks of s besides the main ones.
func (v *variant) further(s *live.Setup) (list []rendition) {
	for _, kind := range []live.Kind{live.KindVideo, live.KindAudio} {
		main, _ := s.Track(kind)
		for _, t := range s.Tracks() {
			if t.Kind == kind && t.Number != main.Number {
				list = append(list, rendition{v, kind, t.Number})
			}
		}
	}
	return list
}

// tracks returns what is read for r.
func (r rendition) tracks() live.Tracks {
	switch r.kind {
	case live.KindVideo:
		return live.Tracks{Video: live.TrackNumber(r.number)}
	case live.KindAudio:
		return live.Tracks{Video: live.NoTrack, Audio: live.TrackNumber(r.number)}
	}
	return live.Tracks{}
}

// mark returns what tells r apart in file names: "v1", "a2"; empty for the main rendition.
func (r rendition) mark() string {
	switch r.kind {
	case live.KindVideo:
		return "v" + strconv.Itoa(int(r.number))
	case live.KindAudio:
		return "a" + strconv.Itoa(int(r.number))
	}
	return ""
}

// parseRendition returns the rendition of v that a mark tells of.
func parseRendition(v *variant, mark string) (r rendition, ok bool) {
	r = v.main()
	if mark == "" {
		return r, true
	}
	switch mark[0] {
	case 'v':
		r.kind = live.KindVideo
	case 'a':
		r.kind = live.KindAudio
	default:
		return r, false
	}
	n, err := strconv.ParseUint(mark[1:], 10, 8)
	r.number = uint8(n)
	return r, err == nil && r.mark() == mark
}

// list returns the file name of the media playlist: "stream.m3u8", "stream-v1.m3u8".
func (r rendition) list() string {
	if r.kind == 0 {
		return r.playlist
	}
	return strings.TrimSuffix(r.playlist, playlistEnding) + "-" + r.mark() + playlistEnding
}

// start returns what the names of all objects begin with: the start of the server, and "_v1" for a further track.
func (r rendition) start(server string) string {
	if r.kind == 0 {
		return server
	}
	return server + renditionMark + r.mark()
}

const (
	playlistEnding = ".m3u8"
	renditionMark  = "_"
)

// ofList returns the rendition the media playlist of which is called file.
func (v *variant) ofList(file string) (r rendition, ok bool) {
	stem := strings.TrimSuffix(v.playlist, playlistEnding)
	rest, ok := strings.CutPrefix(strings.TrimSuffix(file, playlistEnding), stem)
	if !ok {
		return r, false
	}
	r, ok = parseRendition(v, strings.TrimPrefix(rest, "-"))
	return r, ok && r.list() == file
}

// ofObject returns the rendition that has an object called file. Files that look like none are left to others.
func (v *variant) ofObject(file string) (r rendition, ok bool) {
	for _, ending := range v.endings() {
		if _, ok := splitName(file, ending); ok {
			start, _, _ := strings.Cut(file, "-")
			_, mark, _ := strings.Cut(start, renditionMark)
			return parseRendition(v, mark)
		}
	}
	return r, false
}
