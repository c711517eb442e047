package hls

import (
	"context"
	"slices"
)

// await returns the body of the object of a name. It waits for a part that is hinted, but not for longer than three target
// durations, nor than ctx or the session of who asks. ok is false if there is no such object.
func (w *window) await(ctx context.Context, name string) (b blob, ok bool) {
	b, ok, hint := w.find(name)
	if !hint {
		return b, ok
	}
	ctx, cancel := context.WithTimeout(ctx, w.playlist().patience())
	defer cancel()
	for {
		_, changed, closed := w.state()
		if b, ok, hint = w.find(name); !hint || closed != nil {
			return b, ok
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return blob{}, false
		}
	}
}

// find returns the body of the object of a name. hint says that it is the part that will come next.
func (w *window) find(name string) (b blob, ok, hint bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ending := range w.variant.endings() {
		numbers, is := splitName(name, ending)
		switch {
		case !is:
		case len(numbers) == 2:
			if name == w.partName(w.parts) && w.list != nil && w.list.partTarget > 0 && !w.list.ended {
				return blob{}, false, true
			}
			b, ok = w.part(name, numbers[1])
		case ending != w.variant.ending:
			b, ok = w.resource(name)
		default:
			b, ok = w.segment(name, numbers[0])
		}
	}
	return b, ok, false
}

// segment returns the body of the segment of a name. w.mu must be held.
func (w *window) segment(name string, number int64) (blob, bool) {
	if len(w.segments) == 0 {
		return blob{}, false
	}
	i := number - w.segments[0].number
	if i < 0 || i >= int64(len(w.segments)) || w.segments[i].name != name {
		return blob{}, false
	}
	return w.segments[i].body, true
}

// resource returns the body of the initialization section or key of a name. w.mu must be held.
func (w *window) resource(name string) (blob, bool) {
	for s := range w.newest() {
		for _, r := range []*resource{s.init, s.key} {
			if r != nil && r.name == name {
				return r.body, true
			}
		}
	}
	return blob{}, false
}

// part returns the body of the part of a name. w.mu must be held.
func (w *window) part(name string, number int64) (blob, bool) {
	for s := range w.newest() {
		if len(s.parts) == 0 || number < s.parts[0].number {
			continue
		}
		i := number - s.parts[0].number
		if i >= int64(len(s.parts)) || s.parts[i].name != name {
			break
		}
		return s.partBody(int(i)), true
	}
	return blob{}, false
}

// partBody returns the body of a part, which is in memory for as long as its segment is.
func (s *segment) partBody(i int) blob {
	p := s.parts[i]
	if s.body.file == "" {
		return inMemory(p.body)
	}
	size := s.body.size - p.offset
	if i+1 < len(s.parts) {
		size = s.parts[i+1].offset - p.offset
	}
	return blob{file: s.body.file, offset: p.offset, size: size}
}

// newest yields all segments, the newest first. w.mu must be held.
func (w *window) newest() func(yield func(*segment) bool) {
	return func(yield func(*segment) bool) {
		if w.open != nil && !yield(w.open) {
			return
		}
		for _, s := range slices.Backward(w.segments) {
			if !yield(s) {
				return
			}
		}
	}
}
