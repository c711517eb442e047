package fmp4

import (
	"bytes"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec"
)

// A Muxer makes the chunks of one rendition. It carries the first track of each kind that it can; frames of others are left
// out, and so are frames whose body is broken. The zero Muxer is ready for use. It is not safe for concurrent use; what Init
// returns is immutable.
type Muxer struct {
	setup    *live.Setup
	tracks   []*track // the picture first
	init     []byte
	sequence uint32
}

// Begin puts s in force for the frames that Append is given from now on, and tells whether Init has changed. frames are
// looked into for what configurations do not tell: the size of VP9, the sample rate of MP3 and AC-3. Those of the next chunk
// will do, if they begin with a key frame. It must be called before the first Append. A track that s knows, but that cannot
// be carried for want of a frame, is not in Init; so Begin with the same setup may change it later.
//
// Behind a change the durations of the tracks that are the same in both setups add up as ever. Who wants a new beginning, as
// behind a discontinuity, uses Reset.
func (m *Muxer) Begin(s *live.Setup, frames []*live.Frame) (changed bool) {
	if s == m.setup && m.complete() {
		return false
	}
	var tracks []*track
	for _, kind := range []live.Kind{live.KindVideo, live.KindAudio} {
		if t := m.choose(s, kind, frames); t != nil {
			tracks = append(tracks, t)
		}
	}
	m.setup, m.tracks = s, tracks
	before := m.init
	m.init = nil
	if len(tracks) > 0 {
		m.init = initSegment(tracks)
	}
	return !bytes.Equal(before, m.init)
}

// complete tells whether no track of the setup is missing.
func (m *Muxer) complete() bool {
	n := 0
	for _, kind := range []live.Kind{live.KindVideo, live.KindAudio} {
		if _, ok := m.setup.Track(kind); ok {
			n++
		}
	}
	return len(m.tracks) == n
}

// choose returns the line of the first track of a kind that can be carried, or nil. It is the one that there is if nothing
// about it is new.
func (m *Muxer) choose(s *live.Setup, kind live.Kind, frames []*live.Frame) *track {
	for _, t := range s.Tracks() {
		if t.Kind != kind {
			continue
		}
		if old := m.find(t); old != nil {
			return old
		}
		if n := newTrack(t, payloadOf(t, frames)); n != nil {
			return n
		}
	}
	return nil
}

func (m *Muxer) find(t live.Track) *track {
	for _, n := range m.tracks {
		if n.live == t {
			return n
		}
	}
	return nil
}

// payloadOf returns the payload of the first frame of t that decoding can start from, or nil.
func payloadOf(t live.Track, frames []*live.Frame) []byte {
	for _, f := range frames {
		if f.Kind == t.Kind && f.Track == t.Number && f.Codec == t.Codec && f.Media() && f.Key {
			return f.Payload()
		}
	}
	return nil
}

// Reset forgets where the tracks have ended, so that the next chunk begins where its time stamps say.
func (m *Muxer) Reset() {
	for _, t := range m.tracks {
		t.clock = clock{}
	}
}

// Init returns the initialization segment of the chunks that Append makes; nil if there is nothing to carry. It must not be
// changed.
func (m *Muxer) Init() []byte { return m.init }

// Picture returns what is known of the picture that is carried; nil if there is none.
func (m *Muxer) Picture() codec.Picture {
	for _, t := range m.tracks {
		if t.picture != nil {
			return t.picture
		}
	}
	return nil
}

// Sound returns what is known of the sound that is carried; nil if there is none.
func (m *Muxer) Sound() codec.Sound {
	for _, t := range m.tracks {
		if t.sound != nil {
			return t.sound
		}
	}
	return nil
}

// Size returns an upper bound of what Append appends for frames.
func (m *Muxer) Size(frames []*live.Frame) int {
	n := moofBytes + mdatHead
	for _, f := range frames {
		n += len(f.Body) + entryBytes
	}
	return n
}

// Append appends a chunk of frames, which are in the order in which they came and all of the setup in force, whatever they
// say themselves. end is the stream time, in milliseconds, at which the picture goes on behind them or is expected to; the last
// one lasts until then. It is negative if nothing is known. Nothing is appended if no frame can be carried. It
// allocates only if b has no room, or there are more frames than ever before.
func (m *Muxer) Append(b []byte, frames []*live.Frame, end int64) []byte {
	found := false
	for _, t := range m.tracks {
		clear(t.samples)
		t.samples = t.samples[:0]
		for _, f := range frames {
			if !t.takes(f) {
				continue
			}
			if n := t.size(f); n > 0 {
				t.samples = append(t.samples, sample{frame: f, size: n})
				found = true
			}
		}
		t.arrange(end)
	}
	if !found {
		return b
	}
	m.sequence++
	return m.fragment(b)
}
