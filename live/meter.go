package live

import (
	"slices"
	"time"
)

// A TrackInfo is a track at one moment, and what its present publisher has sent of it.
type TrackInfo struct {
	Track

	Main   bool  // the main track of its kind
	Frames int64 // of media
	Bytes  int64 // of the codec's own bytes in them

	// KeyFrames is how many of the frames were key frames. GOPFrames is how many frames the newest whole group of pictures
	// had, GOPTime how long it was: from one key frame to the next. All of them are 0 for sound, and the latter two before
	// the second key frame.
	KeyFrames int64
	GOPFrames int
	GOPTime   time.Duration
}

// A meter counts what a publisher sends of one track.
type meter struct {
	id            trackID
	frames, bytes int64
	keys          int64
	gop           int   // frames since the newest key frame, that one included
	since         int64 // time of the newest key frame
	gopFrames     int   // of the newest whole group of pictures
	gopTime       int64 // in milliseconds
}

func (m *meter) count(f *Frame) {
	m.frames++
	m.bytes += int64(len(f.Payload()))
	if f.Kind != KindVideo {
		return
	}
	if f.Key {
		if m.keys++; m.keys > 1 {
			m.gopFrames, m.gopTime = m.gop, f.Time-m.since
		}
		m.gop, m.since = 0, f.Time
	}
	m.gop++
}

// meters are those of all tracks, in the order in which they appeared.
type meters []meter

// count counts a frame of media that was dated.
func (list *meters) count(f *Frame) {
	i := slices.IndexFunc(*list, func(m meter) bool { return m.id == f.track() })
	if i < 0 {
		i = len(*list)
		*list = append(*list, meter{id: f.track()})
	}
	(*list)[i].count(f)
}

// info returns the tracks of a setup with what was counted of them.
func (list *meters) info(s *Setup) []TrackInfo {
	if len(s.Tracks()) == 0 {
		return nil
	}
	infos := make([]TrackInfo, len(s.tracks))
	for i, t := range s.tracks {
		infos[i] = TrackInfo{Track: t, Main: s.main(t.Kind) == i}
		for j := range *list {
			if m := &(*list)[j]; m.id == (trackID{t.Kind, t.Number}) {
				infos[i].take(m)
			}
		}
	}
	return infos
}

func (t *TrackInfo) take(m *meter) {
	t.Frames, t.Bytes, t.KeyFrames = m.frames, m.bytes, m.keys
	t.GOPFrames, t.GOPTime = m.gopFrames, time.Duration(m.gopTime)*time.Millisecond
}
