package live

import (
	"bytes"
	"slices"
)

// A Setup is what a decoder must have been given before a frame: the newest metadata and the configuration of each
// track. It never changes; anything new makes a new Setup, so that one comparison of pointers tells a reader that it
// has to give something out. A nil Setup is empty.
type Setup struct {
	metadata *Frame
	tracks   []Track // in the order in which they appeared
}

// A Track is one line of a stream: its video, its sound, or a further one of a multitrack stream.
type Track struct {
	Kind   Kind
	Number uint8
	Codec  FourCC
	// Config is the configuration in force. It is nil for codecs that have none, such as MP3.
	Config *Frame
}

// Metadata returns the newest onMetaData, or nil.
func (s *Setup) Metadata() *Frame {
	if s == nil {
		return nil
	}
	return s.metadata
}

// Tracks returns the tracks that have been seen, in the order in which they appeared. The slice is shared and must not
// be changed.
func (s *Setup) Tracks() []Track {
	if s == nil {
		return nil
	}
	return s.tracks
}

// Track returns the first track of a kind. ok is false if there is none.
func (s *Setup) Track(k Kind) (t Track, ok bool) {
	for _, t := range s.Tracks() {
		if t.Kind == k {
			return t, true
		}
	}
	return Track{}, false
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
		if t.Config == nil {
			continue
		}
		if i := old.index(t.Kind, t.Number); i < 0 || old.tracks[i].Config != t.Config {
			news = append(news, t.Config.at(time, s))
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
	if !f.Config && !f.Media() {
		return s
	}
	i := s.index(f.Kind, f.Track)
	if i >= 0 && !s.tracks[i].changedBy(f) {
		return s
	}
	t := Track{Kind: f.Kind, Number: f.Track, Codec: f.Codec}
	if f.Config {
		t.Config = f
	}
	next := &Setup{metadata: s.Metadata(), tracks: slices.Clone(s.Tracks())}
	if i < 0 {
		next.tracks = append(next.tracks, t)
	} else {
		next.tracks[i] = t
	}
	return next
}

// changedBy tells whether f is of another codec or brings another configuration.
func (t *Track) changedBy(f *Frame) bool {
	if t.Codec != f.Codec {
		return true
	}
	return f.Config && (t.Config == nil || !bytes.Equal(t.Config.Body, f.Body))
}

// at returns f as it is to be given out at a time at which s is in force.
func (f *Frame) at(time int64, s *Setup) *Frame {
	g := *f
	g.Time = time
	g.setup = s
	return &g
}
