package hls

import (
	"slices"
	"testing"
)

// Discontinuities are numbered in small numbers, which are reserved in blocks, and new playlists begin above none that was
// given out.
func TestSeams(t *testing.T) {
	inBubble(t, func(s *site) {
		var reserved []int64
		done := make(chan struct{})
		s.server.SetSeams(100, func(limit int64) {
			if reserved = append(reserved, limit); len(reserved) == 2 {
				close(done)
			}
		})
		if n := s.server.seams.first(); n != 100 {
			s.Errorf("playlists begin at %d", n)
		}
		for n := range int64(seamBlock) {
			s.server.seams.passed(100 + n)
			s.server.seams.passed(n) // another playlist is behind
		}
		<-done
		if want := []int64{164, 164 - seamMargin + 1 + seamBlock}; !slices.Equal(reserved, want) {
			t.Errorf("reserved %v, want %v", reserved, want)
		}
		if n := s.server.seams.first(); n != 100+seamBlock-1 {
			t.Errorf("playlists begin at %d", n)
		}
	})
}
