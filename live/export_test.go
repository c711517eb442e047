package live

// LogLen returns how many frames the log of s holds.
func LogLen(s *Stream) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.log.next - s.log.first)
}

// MaxBans is how many bans there may be.
const MaxBans = maxBans
