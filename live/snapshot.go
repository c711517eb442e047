package live

import (
	"cmp"
	"maps"
	"slices"
	"strings"
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
	Tracks    []TrackInfo  // those of Setup
	Sessions  int          // publisher and viewers, but those that are away
	Publisher *SessionInfo // nil while nobody publishes
	// Silence is how long the publisher has sent no media. Repaired is how many frames of all its publishers had a time that
	// leapt or fell, and got another.
	Silence  time.Duration
	Repaired int64
	Newest   string        // the id of the publisher, or of the last one
	Waiting  *SessionInfo  // nil while somebody does: the first of those who wait
	Fault    *Fault        // the last of this name, nil if nothing went wrong
	Beat     time.Duration // of the feeds, as the rules in force say
	Feeds    []FeedInfo    // by format, then by how many viewers they have; without those of HLS
}

// A VhostInfo is a vhost that has had a stream or a session since the start.
type VhostInfo struct {
	Name     string
	ID       string
	Streams  int // with a publisher
	Sessions int
	Totals   Totals
}

// A Snapshot is a whole hub at one moment, each list in a stable order. It costs a copy of everything: who needs a part
// asks for Vhosts, Streams or Sessions.
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

// Began returns when the session began.
func (s *Session) Began() time.Time { return s.began }

// Totals returns what the session has counted so far.
func (s *Session) Totals() Totals { return s.counters.Totals() }

// Info returns the stream as it is now.
func (s *Stream) Info() StreamInfo {
	info := s.info()
	info.Fault = s.hub.faults.of(s.key)
	info.Beat, info.Feeds = s.rules.Load().Latency, s.feedInfos()
	return info
}

// feedInfos asks the feeds one by one, each of which may be writing the stream's newest frames.
func (s *Stream) feedInfos() []FeedInfo {
	s.mu.Lock()
	feeds := slices.Collect(maps.Values(s.feeds))
	s.mu.Unlock()
	list := make([]FeedInfo, len(feeds))
	for i, f := range feeds {
		list[i] = f.info()
	}
	slices.SortFunc(list, func(a, b FeedInfo) int {
		return cmp.Or(cmp.Compare(a.Format, b.Format), cmp.Compare(b.Viewers, a.Viewers))
	})
	return list
}

func (s *Stream) info() StreamInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := StreamInfo{
		Key:      s.key,
		ID:       s.id,
		Began:    s.began,
		Totals:   s.counters.Totals(),
		Setup:    s.setup,
		Tracks:   s.meters.info(s.setup),
		Sessions: s.present(),
		Repaired: s.time.repaired,
		Newest:   s.newestID,
	}
	if s.publisher != nil {
		p := s.publisher.session.Info()
		info.Publisher = &p
		info.Silence = s.publisher.silence()
	} else if len(s.sessions) > 0 {
		first := slices.MinFunc(slices.Collect(maps.Keys(s.sessions)), func(a, b *Session) int { return a.began.Compare(b.began) })
		p := first.Info()
		info.Waiting = &p
	}
	return info
}

// Snapshot returns all that is going on now. It holds no lock while it looks at one session after the other, so figures
// of different rows may differ by what passed in between.
func (h *Hub) Snapshot() Snapshot {
	snap := Snapshot{Totals: h.Totals()}
	sessions, streams := h.Sessions(), h.Streams()
	snap.Vhosts = h.vhostInfos(sessions, streams)
	for _, s := range sessions {
		snap.Sessions = append(snap.Sessions, s.Info())
	}
	for _, s := range streams {
		snap.Streams = append(snap.Streams, s.Info())
	}
	return snap
}

// Totals returns what all sessions have counted since the start.
func (h *Hub) Totals() Totals { return h.counters.Totals() }

// Sessions returns the sessions that there are now, by their ids, but those that are away.
func (h *Hub) Sessions() []*Session {
	list := h.presentList()
	slices.SortFunc(list, func(a, b *Session) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// Session returns the session of an id.
func (h *Hub) Session(id string) (s *Session, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok = h.sessions[id]
	return s, ok
}

// Streams returns the streams that there are now, by their ids. Some may have no publisher.
func (h *Hub) Streams() []*Stream {
	list := h.streamList()
	slices.SortFunc(list, func(a, b *Stream) int { return strings.Compare(a.id, b.id) })
	return list
}

// Vhosts returns the vhosts that have had a session, by their names.
func (h *Hub) Vhosts() []VhostInfo { return h.vhostInfos(h.presentList(), h.streamList()) }

func (h *Hub) vhostInfos(sessions []*Session, streams []*Stream) []VhostInfo {
	h.mu.Lock()
	vhosts := maps.Clone(h.vhosts)
	h.mu.Unlock()
	counts := make(map[string]*VhostInfo, len(vhosts))
	list := make([]VhostInfo, 0, len(vhosts))
	for name, v := range vhosts {
		list = append(list, VhostInfo{Name: name, ID: v.id, Totals: v.counters.Totals()})
		counts[name] = &list[len(list)-1]
	}
	for _, s := range sessions {
		if info := counts[s.Key.Vhost]; info != nil { // a vhost may be newer than our list
			info.Sessions++
		}
	}
	for _, s := range streams {
		if info := counts[s.key.Vhost]; info != nil && s.published() {
			info.Streams++
		}
	}
	slices.SortFunc(list, func(a, b VhostInfo) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// published tells whether the stream has a publisher.
func (s *Stream) published() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.publisher != nil
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

// presentList is sessionList without those that are away.
func (h *Hub) presentList() []*Session { return slices.DeleteFunc(h.sessionList(), (*Session).Away) }

// Len returns how many sessions there are, but for those that are away.
func (h *Hub) Len() int { return len(h.presentList()) }

// VhostID returns the opaque id of a vhost that has had a session, "" for others.
func (h *Hub) VhostID(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if v := h.vhosts[name]; v != nil {
		return v.id
	}
	return ""
}
