package hls

import (
	"slices"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// pack takes f into the open segment, and makes the parts that are complete then.
func (g *segmenter) pack(f *live.Frame) {
	if !g.inParts() {
		g.frames = append(g.frames, f)
		return
	}
	leads := g.cut.leads(f)
	g.catchUpParts(f, leads)
	g.frames = append(g.frames, f)
	if !leads {
		return
	}
	if length, ends := g.slice.next(f.Time, g.cut.step); ends {
		g.endPart(length, g.cut.setup, g.slice.start+length, g.frames)
		g.drop(len(g.frames))
	}
}

// inParts tells whether the open segment is made part by part. The first behind a discontinuity is not: it may yet get
// another track, and the very first of all fixes the part target.
func (g *segmenter) inParts() bool {
	if g.making != nil {
		return true
	}
	c := g.config()
	return c.LowLatency && c.KeyEvery == 0 && g.window.variant.cutsParts && g.slice.target > 0 && !g.cut.first
}

// catchUpParts ends the parts that are overdue when f comes.
func (g *segmenter) catchUpParts(f *live.Frame, leads bool) {
	for g.slice.overdue(f.Time, leads) {
		end := g.slice.start + g.slice.target
		n := slices.IndexFunc(g.frames, func(f *live.Frame) bool { return f.Time >= end })
		if n < 0 {
			n = len(g.frames)
		}
		if n == 0 { // there is nothing: a hole in the source
			g.slice.begin(f.Time)
			return
		}
		g.endPart(g.slice.target, g.cut.setup, end, g.frames[:n])
		g.drop(n)
	}
}

// endPart makes a part of frames, which setup governs, and lists it. end is the stream time at which the picture goes on.
func (g *segmenter) endPart(length int64, setup *live.Setup, end int64, frames []*live.Frame) {
	if g.making == nil {
		g.packer.Begin(setup, frames, !g.seam)
		g.making = g.newSegment(g.cut.start)
		g.window.begin(g.making)
	}
	_, picture := setup.Track(live.KindVideo)
	p := part{length: length, body: g.packer.Pack(frames, end)}
	p.independent = slices.ContainsFunc(frames, func(f *live.Frame) bool {
		return f.Key && (f.Kind == live.KindVideo || !picture)
	})
	if len(p.body) > 0 {
		g.window.addPart(p, g.listing())
	}
	g.slice.end(length)
}

// endLast makes the last part of a segment. Frames beside the leading track that came too late for the part before go into
// the next segment, if that can have them.
func (g *segmenter) endLast(d cut, s *segment) {
	end := d.began + d.length
	length := end - g.slice.start
	late := !g.slice.led && length < settle/10 && !d.seam && g.cut.open
	if late || len(g.frames) == 0 {
		return
	}
	g.making = s
	g.endPart(g.slice.bound(length), d.setup, end, g.frames)
	g.making = nil
	g.drop(len(g.frames))
}

// drop drops the first frames at hand, which have been packed.
func (g *segmenter) drop(n int) { g.frames = slices.Delete(g.frames, 0, n) }
