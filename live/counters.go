package live

import "sync/atomic"

// Counters count what passed one party. What a session counts is counted for its stream, its vhost and the server in
// the same moment, so no total ever misses a session's last bytes.
type Counters struct {
	parent *Counters

	sent, received           atomic.Int64
	videoFrames, audioFrames atomic.Int64
	broken                   atomic.Int64
	skips, skipsByBytes      atomic.Int64
	skipped                  atomic.Int64
}

// Totals are the values of counters at one moment. Sent is what left the server: body bytes handed to a Write, before
// any encoding and TLS. Received is what came in.
type Totals struct {
	Sent, Received           int64
	VideoFrames, AudioFrames int64
	BrokenTags               int64 // tags of a publisher that could not be parsed
	Skips                    int64 // times that a viewer lagged too far behind and jumped to a newer key frame
	SkipsByBytes             int64 // those of Skips that passed the bound in bytes; the others passed the one in time
	SkippedBytes             int64 // what viewers have missed by skips
}

func (c *Counters) addSent(n int64) {
	for ; c != nil; c = c.parent {
		c.sent.Add(n)
	}
}

func (c *Counters) addReceived(n int64) {
	for ; c != nil; c = c.parent {
		c.received.Add(n)
	}
}

func (c *Counters) addFrame(k Kind) {
	for ; c != nil; c = c.parent {
		switch k {
		case KindVideo:
			c.videoFrames.Add(1)
		case KindAudio:
			c.audioFrames.Add(1)
		}
	}
}

func (c *Counters) addBroken() {
	for ; c != nil; c = c.parent {
		c.broken.Add(1)
	}
}

// addSkip counts that n bytes were passed over, for the bound in bytes or the one in time.
func (c *Counters) addSkip(n int64, byBytes bool) {
	for ; c != nil; c = c.parent {
		c.skips.Add(1)
		c.skipped.Add(n)
		if byBytes {
			c.skipsByBytes.Add(1)
		}
	}
}

// Totals returns the values now.
func (c *Counters) Totals() Totals {
	return Totals{
		Sent:         c.sent.Load(),
		Received:     c.received.Load(),
		VideoFrames:  c.videoFrames.Load(),
		AudioFrames:  c.audioFrames.Load(),
		BrokenTags:   c.broken.Load(),
		Skips:        c.skips.Load(),
		SkipsByBytes: c.skipsByBytes.Load(),
		SkippedBytes: c.skipped.Load(),
	}
}
