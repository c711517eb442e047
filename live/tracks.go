package live

import (
	"net/url"
	"slices"
	"strconv"
)

// A Choice says which track of a kind a viewer gets. The zero Choice is the main one: that of the lowest number, which is
// the only one of most streams.
type Choice int16

// The choices beside a number, which TrackNumber makes one of.
const (
	MainTrack Choice = 0
	NoTrack   Choice = -1
	AllTracks Choice = -2
)

// TrackNumber returns the choice of the track of a number.
func TrackNumber(n uint8) Choice { return Choice(n) + 1 }

// Tracks says which tracks of a stream a viewer gets. The zero Tracks are the main ones.
type Tracks struct{ Video, Audio Choice }

// ParseTracks reads a choice from the query of a stream's name or URL: video=0 and audio=0 leave a kind out,
// video_track=N and audio_track=N choose the track of a number, and tracks=all gives all of them. The error is a Refusal.
func ParseTracks(query string) (t Tracks, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return t, nil // it may mean something to somebody else
	}
	if values.Get("tracks") == "all" {
		t = Tracks{AllTracks, AllTracks}
	}
	for kind, choice := range map[string]*Choice{"video": &t.Video, "audio": &t.Audio} {
		if text := values.Get(kind + "_track"); text != "" {
			n, err := strconv.ParseUint(text, 10, 8)
			if err != nil {
				return t, Refuse(ErrName, "%s_track must be a number from 0 to 255", kind)
			}
			*choice = TrackNumber(uint8(n))
		}
		if values.Get(kind) == "0" {
			*choice = NoTrack
		}
	}
	if t == (Tracks{NoTrack, NoTrack}) {
		return t, Refuse(ErrName, "with video=0 and audio=0 nothing is left to play")
	}
	return t, nil
}

// In returns what of a setup belongs to the chosen tracks.
func (t Tracks) In(s *Setup) *Setup {
	if s == nil {
		return nil
	}
	return t.narrow(s, nil)
}

// Several tells whether there can be more than one track of a kind.
func (t Tracks) Several() bool { return t.Video == AllTracks || t.Audio == AllTracks }

// of returns the choice for a kind. Data goes to everybody.
func (t Tracks) of(k Kind) Choice {
	switch k {
	case KindVideo:
		return t.Video
	case KindAudio:
		return t.Audio
	}
	return AllTracks
}

// take tells whether a track is chosen, of which main says whether it is its kind's main one.
func (t Tracks) take(k Kind, number uint8, main bool) bool {
	switch c := t.of(k); c {
	case MainTrack:
		return main
	case NoTrack:
		return false
	case AllTracks:
		return true
	default:
		return c == TrackNumber(number)
	}
}

// narrow returns what of s belongs to the chosen tracks: s itself if all of it does, and last if that says the same.
func (t Tracks) narrow(s, last *Setup) *Setup {
	rest := slices.Collect(func(yield func(Track) bool) {
		for i := range s.Tracks() {
			tr := &s.tracks[i]
			if t.take(tr.Kind, tr.Number, s.main(tr.Kind) == i) && !yield(*tr) {
				return
			}
		}
	})
	switch {
	case len(rest) == len(s.Tracks()):
		return s
	case last != nil && last.metadata == s.metadata && slices.Equal(last.tracks, rest):
		return last
	}
	return &Setup{metadata: s.metadata, tracks: rest}
}

// isEntry tells whether a viewer of the chosen tracks may begin at f, which l holds: at a key frame, or at any frame if
// there is no video to wait for or the operator wants no cache. Who gets all tracks begins with the main one.
func (t Tracks) isEntry(f *Frame, l *log, rules *Rules) bool {
	switch {
	case !f.Media() || !t.take(f.Kind, f.Track, f.main) || t.of(f.Kind) == AllTracks && !f.main:
		return false
	case !rules.gopCache():
		return true
	case f.Kind == KindVideo:
		return f.Key
	}
	return !l.hasVideo(t.Video)
}
