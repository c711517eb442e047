package mpegts

import (
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec"
)

// A Muxer is a live.Muxer of transport streams. It carries the first track of each kind that it can; frames of others
// are left out. The tables (PAT and PMT) stand before every key frame, wherever the tracks change, and at least every
// 250 ms, so that a viewer may begin anywhere and needs no header. The zero Muxer is ready for use.
type Muxer struct {
	setup        *live.Setup // in force
	video, audio *track      // nil if there is none
	tables       tables
	due          bool  // the next frame must carry the tables
	told         int64 // when the tables were written last, in stream time
	counters     [pids]byte
}

// tablesEvery bounds how long a viewer who begins within the sound waits for the tables, in milliseconds.
const tablesEvery = 250

// Size returns an upper bound of what AppendFrame appends for f.
func (m *Muxer) Size(f *live.Frame) int {
	if !f.Media() {
		return 0
	}
	m.follow(f.Setup())
	t := m.trackOf(f)
	if t == nil {
		return 0
	}
	n := t.size(f)
	if n == 0 {
		return 0
	}
	const overhead = maxPESHeader + maxAdaptation
	return tablesBytes + (n+overhead+packetPayload-1)/packetPayload*packetBytes
}

// AppendFrame appends the packets of f to b. It allocates only if b has no room, or f comes with another setup.
func (m *Muxer) AppendFrame(b []byte, f *live.Frame) []byte {
	if !f.Media() {
		return b
	}
	m.follow(f.Setup())
	return m.Append(b, f)
}

// Header returns nil: the bytes speak for themselves wherever a viewer may begin.
func (m *Muxer) Header(_, _ *live.Setup, _ int64) []byte { return nil }

// Begin puts s in force for the frames that Append is given from now on, and lets the next of them carry the tables. A
// segment begins with it.
func (m *Muxer) Begin(s *live.Setup) {
	m.follow(s)
	m.due = true
}

// Append is AppendFrame under the setup that is in force, whatever the frame says: the setup of a whole segment may know
// a track that its first frames do not know yet.
func (m *Muxer) Append(b []byte, f *live.Frame) []byte {
	t := m.trackOf(f)
	if t == nil {
		return b
	}
	n := t.size(f)
	if n == 0 {
		return b
	}
	lead := t == m.lead()
	key := f.Key && lead
	if m.due || key && f.Kind == live.KindVideo || f.Time-m.told >= tablesEvery {
		b = m.tables.append(b, &m.counters)
		m.due, m.told = false, f.Time
	}
	p := packets{b: b, pid: t.pid, counter: &m.counters[t.pid-firstPID]}
	p.begin(t.streamID, f, n, lead, key)
	t.write(&p, f)
	return p.b
}

// Picture returns what is known of the picture that is carried; nil if there is none.
func (m *Muxer) Picture() codec.Picture {
	if m.video == nil {
		return nil
	}
	return m.video.picture
}

// Sound returns what is known of the sound that is carried; nil if there is none.
func (m *Muxer) Sound() codec.Sound {
	if m.audio == nil {
		return nil
	}
	return m.audio.sound
}

// lead returns the track that carries the clock.
func (m *Muxer) lead() *track {
	if m.video != nil {
		return m.video
	}
	return m.audio
}

// trackOf returns the track that f belongs to, or nil if it is not carried.
func (m *Muxer) trackOf(f *live.Frame) *track {
	t := m.video
	if f.Kind == live.KindAudio {
		t = m.audio
	}
	if !f.Media() || t == nil || t.kind != f.Kind || t.number != f.Track || t.codec != f.Codec {
		return nil
	}
	return t
}

// follow takes over the tracks of s. Only a change of what the tables say makes a new version of them.
func (m *Muxer) follow(s *live.Setup) {
	if s == m.setup {
		return
	}
	m.setup = s
	m.video, m.audio = choose(s, live.KindVideo), choose(s, live.KindAudio)
	if m.tables.describe(m.video, m.audio) {
		m.due = true
	}
}

// choose returns the first track of a kind that can be carried, or nil.
func choose(s *live.Setup, k live.Kind) *track {
	for _, t := range s.Tracks() {
		if t.Kind != k {
			continue
		}
		if t := newTrack(t); t != nil {
			return t
		}
	}
	return nil
}

var _ live.Muxer = (*Muxer)(nil)
