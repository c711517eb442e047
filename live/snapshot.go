package live

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// A SessionInfo is a session at one moment.
type SessionInfo struct {
	Request

	StreamID string // empty for a session that was refused
	Grant    Grant
	Began    time.Time
	Totals   Totals
}

// A StreamInfo is a stream at one moment.
type StreamInfo struct {
	Key       Key
	ID        string
	Began     time.Time
	Totals    Totals
	Setup     *Setup
	Sessions  int          // publisher and viewers
	Publisher *SessionInfo // nil while nobody publishes
}

// A VhostInfo is a vhost that has had a stream or a session since the start.
type VhostInfo struct {
	Name     string
	ID       string
	Streams  int // with a publisher
	Sessions int
	Totals   Totals
}

// A Snapshot is a whole hub at one moment, each list in a stable order.
type Snapshot struct {
	Vhosts   []VhostInfo
	Streams  []StreamInfo
	Sessions []SessionInfo
	Totals   Totals
}

// Info returns the session as it is now, without what only guards may see.
func (s *Session) Info() SessionInfo {
	info := SessionInfo{Request: s.Request, Grant: s.grant, Began: s.began, Totals: s.counters.Totals()}
	info.Header, info.Username, info.Password = nil, "", ""
	if s.stream != nil {
		info.StreamID = s.stream.id
	}
	return info
}

// Info returns the stream as it is now.
func (s *Stream) Info() StreamInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := StreamInfo{
		Key:      s.key,
		ID:       s.id,
		Began:    s.began,
		Totals:   s.counters.Totals(),
		Setup:    s.setup,
		Sessions: len(s.sessions),
	}
	if s.publisher != nil {
		p := s.publisher.session.Info()
		info.Publisher = &p
	}
	return info
}

// Snapshot returns all that is going on now. It holds no lock while it looks at one session after the other, so figures
// of different rows may differ by what passed in between.
func (h *Hub) Snapshot() Snapshot {
	snap := Snapshot{Totals: h.counters.Totals()}
	for _, s := range h.sessionList() {
		snap.Sessions = append(snap.Sessions, s.Info())
	}
	for _, s := range h.streamList() {
		snap.Streams = append(snap.Streams, s.Info())
	}
	snap.Vhosts = h.vhostList(&snap)
	slices.SortFunc(snap.Sessions, func(a, b SessionInfo) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(snap.Streams, func(a, b StreamInfo) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(snap.Vhosts, func(a, b VhostInfo) int { return cmp.Compare(a.Name, b.Name) })
	return snap
}

func (h *Hub) vhostList(snap *Snapshot) []VhostInfo {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []VhostInfo
	for name, v := range h.vhosts {
		info := VhostInfo{Name: name, ID: v.id, Totals: v.counters.Totals()}
		for i := range snap.Streams {
			if s := &snap.Streams[i]; s.Key.Vhost == name && s.Publisher != nil {
				info.Streams++
			}
		}
		for i := range snap.Sessions {
			if snap.Sessions[i].Key.Vhost == name {
				info.Sessions++
			}
		}
		list = append(list, info)
	}
	return list
}

func (h *Hub) streamList() []*Stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.streams))
}

func (h *Hub) sessionList() []*Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.sessions))
}
