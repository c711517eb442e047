package hls

import "slices"

// A report tells players of one rendition how far another one is, so that they can change to it without asking twice
// (RFC 8216bis, 4.4.5.4).
type report struct {
	list    string // the file name of its media playlist
	segment int64  // the number of its last segment, complete or not
	part    int64  // the index of the last part of that; -1 if it has none
}

// report reports on all renditions that are up to date but one.
func (g *segmenter) report(but rendition) (reports []report) {
	all := append([]rendition{g.window.variant.main()}, g.companions()...)
	for _, r := range slices.DeleteFunc(all, func(r rendition) bool { return r == but }) {
		if p := g.companion(r).window.playlist(); p != nil {
			reports = append(reports, p.report(r.list()))
		}
	}
	return reports
}

// report reports on p, the file name of which is given.
func (p *playlist) report(list string) report {
	last := p.segments[len(p.segments)-1]
	if p.open != nil && len(p.open.parts) > 0 {
		last = p.open
	}
	return report{list, last.number, int64(len(last.parts)) - 1}
}

func (r *report) write(s *script) {
	s.printf("#EXT-X-RENDITION-REPORT:URI=\"")
	s.uri(r.list)
	s.printf("\",LAST-MSN=%d", r.segment)
	if r.part >= 0 {
		s.printf(",LAST-PART=%d", r.part)
	}
	s.printf("\n")
}
