package hls

import "sync"

const (
	seamBlock  = 64 // how many discontinuity sequence numbers are reserved at a time
	seamMargin = 16 // how many of them are left when more are
)

// seams counts the discontinuities that were given out. Their sequence numbers are counted and not taken from the clock, as
// those of segments are: they have to be small. hls.js has an array with an index for each up to the newest, walks it at
// each playlist, and a browser stands still for seconds if that is a number of hundreds of millions.
type seams struct {
	mu       sync.Mutex
	newest   int64
	reserved int64
	reserve  func(limit int64) // nil if nobody remembers them
}

// SetSeams lets the discontinuity sequence numbers of playlists begin at first, and lets somebody remember them over a
// restart of the process, so that they never fall: reserve is told a number that none reaches before it is called again,
// from which the next process is to begin. It is called once before SetSeams returns, and later, seldom, from a goroutine
// that Close waits for. SetSeams is to be called before the first request. Without it they begin at 0.
func (s *Server) SetSeams(first int64, reserve func(limit int64)) {
	limit := first + seamBlock
	reserve(limit)
	s.seams.mu.Lock()
	defer s.seams.mu.Unlock()
	s.seams.newest, s.seams.reserved = first, limit
	s.seams.reserve = func(limit int64) { s.run(func() { reserve(limit) }) }
}

// first returns the number that a new playlist begins at.
func (s *seams) first() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest
}

// passed notes a number that is given out.
func (s *seams) passed(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = max(s.newest, n)
	if s.reserve != nil && s.newest > s.reserved-seamMargin {
		s.reserved = s.newest + seamBlock
		s.reserve(s.reserved)
	}
}
