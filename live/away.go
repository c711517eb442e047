package live

// EventAway is what a Tally counts of viewers that are away: those that are so now, who have begun and not ended. No
// observer is told of it.
const EventAway EventType = "away"

// SetAway says whether a viewer's client, which has no connection that would tell, seems to have left without a word. It
// may come back, and its session goes on; but until then it counts as no viewer, and is in no list of the Hub. It does
// nothing to a session that has ended.
func (s *Session) SetAway(away bool) {
	st := s.stream
	st.mu.Lock()
	defer st.mu.Unlock()
	if _, attached := st.sessions[s]; attached {
		st.setAway(s, away)
	}
}

// Away tells whether the session's client is away.
func (s *Session) Away() bool { return s.away.Load() }

// setAway counts who is away. s.mu must be held.
func (s *Stream) setAway(ses *Session, away bool) {
	if ses.away.Swap(away) == away {
		return
	}
	n := 1
	if !away {
		n = -1
	}
	s.away += n
	s.hub.tally.addTo(Count{Event: EventAway, Protocol: ses.Protocol}, int64(n))
}

// present returns how many sessions of the stream are not away. s.mu must be held.
func (s *Stream) present() int { return len(s.sessions) - s.away }
