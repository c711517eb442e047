package hls

import "github.com/caddy-rtmp/caddy-rtmp/live"

// Times of cutting, in milliseconds, and a bound of bytes.
const (
	settle          = 1000 // tracks that appear so soon after the beginning belong to it
	stall           = 1000 // a picture that is silent for so long no longer leads
	maxSegmentBytes = 32 << 20
)

// A cutter decides where segments end: at the first key frame when the wanted length is nearly reached, at any frame when
// the picture has none or the target duration would be overstepped, and at each seam, behind which a discontinuity
// begins. All times are in milliseconds. It knows nothing of clocks, bytes or playlists.
type cutter struct {
	wanted  int64       // the configured length
	longest int64       // the maximum while there is no target yet
	target  int64       // the target duration in seconds, 0 until the first segment has ended
	open    bool        // there is an open segment
	first   bool        // it is the first behind a seam
	start   int64       // its beginning
	bytes   int         // its size so far
	setup   *live.Setup // what governs it
	picture int64       // the newest picture
	newest  int64       // the newest frame of the leading track
	step    int64       // between its frames: the lesser of the last two distances, so that one hole does not count
	last    int64       // the last of those distances
	lastKey int64       // the newest key frame of the picture
	gop     int64       // from the key frame before to that one
	origin  int64       // the first frame of the leading track behind the seam
	count   int64       // how many more of them came since
	begun   int         // how many segments have begun

	// Where a plan decides.
	led   *plan // nil where this cutter does
	seen  int   // how many of its marks were seen
	order *mark // the one that is to be obeyed; nil if there is none
	at    mark  // the one at which the open segment has begun
}

// A cut says what happens before a frame.
type cut struct {
	ends   bool        // the open segment ends
	seam   bool        // a discontinuity follows
	length int64       // of the segment that ends
	setup  *live.Setup // what governs it
	began  int64       // its beginning
	lost   bool        // the frame belongs to no segment
	stuck  bool        // the frame must wait for a discontinuity
}

// next takes the next frame. broken says that frames before it are missing.
func (c *cutter) next(f *live.Frame, broken bool) cut {
	if c.led != nil {
		return c.obey(f, broken)
	}
	if !c.open {
		c.begin(f, true)
		return cut{}
	}
	if broken || !c.continues(f) {
		return c.seam(f)
	}
	if !c.leads(f) {
		c.bytes += len(f.Body)
		return cut{}
	}
	elapsed := f.Time - c.start
	switch {
	case c.hole(f, elapsed):
		return c.seam(f)
	case c.due(f, elapsed):
		return c.split(f, elapsed)
	}
	c.note(f)
	return cut{}
}

// end ends the open segment because nothing follows, or nothing that belongs to it.
func (c *cutter) end() cut {
	if !c.open {
		return cut{}
	}
	c.open = false
	return c.close(c.newest + c.step - c.start)
}

func (c *cutter) seam(f *live.Frame) cut {
	d := c.end()
	d.seam = true
	c.begin(f, true)
	return d
}

func (c *cutter) split(f *live.Frame, elapsed int64) cut {
	d := c.close(elapsed)
	c.begin(f, false)
	return d
}

// close fixes the target duration with the first segment and holds it in all others.
func (c *cutter) close(length int64) cut {
	length = max(length, 1)
	if c.target == 0 {
		c.target = max((max(length, c.wanted)+500)/1000, 1)
	}
	return cut{ends: true, length: min(length, c.limit()), setup: c.setup, began: c.start}
}

// limit returns the longest that a segment may be: what still rounds to the target duration (RFC 8216, 4.3.3.1).
func (c *cutter) limit() int64 {
	if c.target == 0 {
		return c.longest
	}
	return c.target*1000 + 499
}

func (c *cutter) begin(f *live.Frame, first bool) {
	c.open, c.first = true, first
	c.begun++
	c.start, c.setup = f.Time, f.Setup()
	c.bytes = 0
	if first {
		c.newest, c.step, c.last, c.gop = f.Time, 0, 0, 0
		c.picture, c.lastKey = f.Time, f.Time
		c.origin, c.count = f.Time, 0
	}
	c.note(f)
}

// note takes f into the open segment.
func (c *cutter) note(f *live.Frame) {
	c.bytes += len(f.Body)
	if f.Kind == live.KindVideo {
		c.picture = f.Time
		if f.Key && f.Time > c.lastKey {
			c.gop, c.lastKey = f.Time-c.lastKey, f.Time
		}
	}
	if d := f.Time - c.newest; d > 0 {
		c.step = d
		if c.last > 0 {
			c.step = min(d, c.last)
		}
		c.newest, c.last = f.Time, d
		c.count++
	}
}

// frame returns the mean distance of the leading track's frames since the seam, 0 if there is none yet.
func (c *cutter) frame() float64 {
	if c.count == 0 {
		return 0
	}
	return float64(c.newest-c.origin) / float64(c.count)
}

// hole tells whether there is nothing before f for so long that no segment can stretch over it.
func (c *cutter) hole(f *live.Frame, elapsed int64) bool {
	missing := f.Time - c.newest
	return missing > stall && (elapsed > c.limit() || c.target == 0 && missing > c.wanted)
}

// leads tells whether f belongs to the track by whose time segments are cut: the picture, or the sound if there is none
// or it stands still.
func (c *cutter) leads(f *live.Frame) bool {
	return f.Kind == live.KindVideo || !c.hasPicture() || f.Time > c.picture+stall
}

func (c *cutter) hasPicture() bool {
	_, ok := c.setup.Track(live.KindVideo)
	return ok
}

// due tells whether the open segment is to end before f.
func (c *cutter) due(f *live.Frame, elapsed int64) bool {
	if elapsed <= 0 {
		return false
	}
	if elapsed+c.step > c.limit() || c.bytes > maxSegmentBytes {
		return true
	}
	wanted := c.wanted
	if c.target > 0 {
		wanted = min(wanted, c.target*1000)
	}
	if !c.hasPicture() {
		return elapsed >= wanted
	}
	if f.Kind != live.KindVideo || !f.Key {
		return false
	}
	// A GOP of exactly the wanted length may come out a little shorter, and one that would overstep the limit is better
	// not begun in this segment.
	return elapsed >= wanted-wanted/10 || elapsed+c.gop > c.limit()
}

// continues tells whether f needs nothing but what the open segment has: the same tracks with the same configurations.
// Tracks that appear at the very beginning are taken into it.
func (c *cutter) continues(f *live.Frame) bool {
	if f.Setup() == c.setup {
		return true
	}
	same, grown := compare(c.setup, f.Setup())
	if !same || grown && (!c.first || f.Time-c.start > settle) {
		return false
	}
	c.setup = f.Setup()
	return true
}

// compare tells whether b has all the tracks of a as a has them, and whether it has more.
func compare(a, b *live.Setup) (same, grown bool) {
	for _, t := range a.Tracks() {
		u, ok := find(b, t)
		if !ok || u.Codec != t.Codec || t.Config != nil && u.Config != t.Config {
			return false, false
		}
		grown = grown || t.Config != u.Config
	}
	return true, grown || len(b.Tracks()) > len(a.Tracks())
}

func find(s *live.Setup, t live.Track) (live.Track, bool) {
	for _, u := range s.Tracks() {
		if u.Kind == t.Kind && u.Number == t.Number {
			return u, true
		}
	}
	return live.Track{}, false
}
