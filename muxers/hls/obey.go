package hls

import "github.com/caddy-rtmp/caddy-rtmp/live"

// grace is how long behind a mark a key frame is waited for, in milliseconds. It is less than the shortest segment.
const grace = 500

// obey takes the next frame where a plan decides: the open segment ends at the first key frame from a mark on, or somewhat
// later at any frame. Nothing begins but at a mark, and a discontinuity only where the plan has one: a frame that the open
// segment cannot be continued with is stuck until then.
func (c *cutter) obey(f *live.Frame, broken bool) cut {
	if m, ok := c.led.pass(&c.seen, f.Time); ok {
		c.order = &m
	}
	fits := c.open && !broken && c.continues(f)
	if c.open && !fits && (c.order == nil || !c.order.seam) {
		m, ok := c.led.seam(&c.seen)
		if !ok {
			return cut{stuck: true}
		}
		c.order = &m
	}
	if fits && !c.leads(f) {
		c.bytes += len(f.Body)
		return cut{}
	}
	switch {
	case c.order == nil && c.open:
		c.note(f)
		return cut{}
	case c.order == nil:
		return cut{lost: true}
	case !c.open && !isStart(f):
		if f.Time-c.order.time >= grace {
			c.order = nil
		}
		return cut{lost: true}
	case fits && !c.order.seam && !isStart(f) && f.Time-c.order.time < grace && f.Time+c.step-c.start <= c.limit():
		c.note(f)
		return cut{}
	}
	return c.execute(f)
}

// isStart tells whether decoding can begin at f.
func isStart(f *live.Frame) bool {
	if _, picture := f.Setup().Track(live.KindVideo); picture && f.Kind != live.KindVideo {
		return false
	}
	return f.Key
}

// execute begins a segment at f, as ordered.
func (c *cutter) execute(f *live.Frame) (d cut) {
	c.target = c.led.target
	if c.open {
		d = c.close(f.Time - c.start)
	}
	c.at, c.order = *c.order, nil
	d.seam = c.at.seam || !c.open
	c.begin(f, d.seam)
	return d
}
