package live

import (
	"bytes"
	"fmt"
	"slices"
)

// A Setup is what a decoder must have been given before a frame: the newest metadata and the configuration of each
// track. It never changes; anything new makes a new Setup, so that one comparison of pointers tells a reader that it
// has to give something out. A nil Setup is empty.
type Setup struct {
	metadata *Frame
	tracks   []Track // by number, and else in the order in which they appeared
}

// A Track is one line of a stream: its video, its sound, or a further one of a multitrack stream.
type Track struct {
	Kind   Kind
	Number uint8
	Codec  FourCC
	// Config is the configuration in force. It is nil for codecs that have none, such as MP3.
	Config *Frame
	// Remark is what goes with it: Enhanced RTMP's colour information of a picture in HDR, or the channel layout of a sound.
	// Most tracks have none.
	Remark *Frame
	// Head is how the payload of the first frame begins, if the track did not begin with a configuration. Codecs that have
	// none tell their rate or size there.
	Head string
}

const headBytes = 16 // of Head, at most

// Metadata returns the newest onMetaData, or nil.
func (s *Setup) Metadata() *Frame {
	if s == nil {
		return nil
	}
	return s.metadata
}

// Tracks returns the tracks that have been seen, by number, and else in the order in which they appeared. The slice is
// shared and must not be changed.
func (s *Setup) Tracks() []Track {
	if s == nil {
		return nil
	}
	return s.tracks
}

// Track returns the main track of a kind: that of the lowest number. ok is false if there is none.
func (s *Setup) Track(k Kind) (t Track, ok bool) {
	if i := s.main(k); i >= 0 {
		return s.tracks[i], true
	}
	return Track{}, false
}

// main returns the index of the main track of a kind, -1 if there is none.
func (s *Setup) main(k Kind) int {
	return slices.IndexFunc(s.Tracks(), func(t Track) bool { return t.Kind == k })
}

// isMain tells whether f is of the main track of its kind.
func (s *Setup) isMain(f *Frame) bool {
	i := s.main(f.Kind)
	return i < 0 || s.tracks[i].Number == f.Track
}

// Since returns the metadata and configurations of s that were not in force in old. The configurations are dated at time,
// the metadata at 0, since ffmpeg takes it for a subtitle track at any other time.
func (s *Setup) Since(old *Setup, time int64) []*Frame {
	if s == nil || s == old {
		return nil
	}
	var news []*Frame
	if s.metadata != nil && s.metadata != old.Metadata() {
		news = append(news, s.metadata.at(0, s))
	}
	for _, t := range s.tracks {
		var before Track
		if i := old.index(t.Kind, t.Number); i >= 0 {
			before = old.tracks[i]
		}
		if t.Config != nil && before.Config != t.Config {
			news = append(news, t.Config.at(time, s))
		}
		if t.Remark != nil && before.Remark != t.Remark {
			news = append(news, t.Remark.at(time, s))
		}
	}
	return news
}

func (s *Setup) index(k Kind, number uint8) int {
	if s == nil {
		return -1
	}
	return slices.IndexFunc(s.tracks, func(t Track) bool { return t.Kind == k && t.Number == number })
}

// with returns the setup that f makes of s, which is s itself if f says nothing new.
func (s *Setup) with(f *Frame) *Setup {
	if f.Kind == KindData {
		if !f.Config || s.Metadata() != nil && bytes.Equal(s.metadata.Body, f.Body) {
			return s
		}
		return &Setup{metadata: f, tracks: s.Tracks()}
	}
	if !f.Config && !f.remark && !f.Media() {
		return s
	}
	i := s.index(f.Kind, f.Track)
	if i >= 0 && !s.tracks[i].changedBy(f) {
		return s
	}
	next := &Setup{metadata: s.Metadata(), tracks: slices.Clone(s.Tracks())}
	if i < 0 {
		i = next.insert(Track{Kind: f.Kind, Number: f.Track})
	}
	next.tracks[i].take(f)
	return next
}

// MaxTracks bounds the tracks of each kind, since what is in force for a track is kept for as long as the stream lives.
const MaxTracks = 16

var errTooManyTracks = fmt.Errorf("%w: more than %d tracks of one kind", ErrTag, MaxTracks)

// lacksRoom tells whether f is of a track that would be one too many.
func (s *Setup) lacksRoom(f *Frame) bool {
	if f.Kind == KindData || s.index(f.Kind, f.Track) >= 0 {
		return false
	}
	n := 0
	for _, t := range s.Tracks() {
		if t.Kind == f.Kind {
			n++
		}
	}
	return n >= MaxTracks
}

// insert puts a track behind those of the same and of lower numbers, and returns its index.
func (s *Setup) insert(t Track) int {
	i := slices.IndexFunc(s.tracks, func(u Track) bool { return u.Number > t.Number })
	if i < 0 {
		i = len(s.tracks)
	}
	s.tracks = slices.Insert(s.tracks, i, t)
	return i
}

// changedBy tells whether f is of another codec or brings another configuration or remark.
func (t *Track) changedBy(f *Frame) bool {
	switch {
	case t.Codec != f.Codec:
		return true
	case f.Config:
		return t.Config == nil || !bytes.Equal(t.Config.Body, f.Body)
	case f.remark:
		return t.Remark == nil || !bytes.Equal(t.Remark.Body, f.Body)
	}
	return false
}

// take takes over what f says of its track. A remark holds until there is another codec.
func (t *Track) take(f *Frame) {
	if t.Codec != f.Codec {
		*t = Track{Kind: t.Kind, Number: t.Number, Codec: f.Codec}
		if f.Media() {
			head := f.Payload()
			t.Head = string(head[:min(len(head), headBytes)])
		}
	}
	switch {
	case f.Config:
		t.Config = f
	case f.remark:
		t.Remark = f
	}
}

// at returns f as it is to be given out at a time at which s is in force.
func (f *Frame) at(time int64, s *Setup) *Frame {
	g := *f
	g.Time = time
	g.setup = s
	return &g
}
