package live

import "time"

// A Bound limits something by duration and by bytes; whichever is reached first counts. A zero field does not limit.
type Bound struct {
	Time  time.Duration
	Bytes int64
}

// exceeded tells whether a stretch of ms milliseconds and n bytes goes beyond b.
func (b Bound) exceeded(ms, n int64) bool {
	return b.Time > 0 && ms > b.Time.Milliseconds() || b.Bytes > 0 && n > b.Bytes
}

// ConflictRule says what happens to a second publisher of a stream.
type ConflictRule uint8

const (
	// ConflictAuto lets the newcomer replace a publisher that has been silent for SilentAfter, and refuses it otherwise.
	ConflictAuto ConflictRule = iota
	// ConflictReject refuses the newcomer.
	ConflictReject
	// ConflictReplace lets the newcomer replace the publisher once it was admitted.
	ConflictReplace
)

// SilentAfter is how long a publisher must have sent nothing for ConflictAuto to give its place away.
const SilentAfter = 2 * time.Second

// A JitterRule says how the time stamps of a publisher are mended, as SRS's time_jitter does. Whatever it says, time does
// not fall within a track, which no player survives: a fall becomes a step of about a frame.
type JitterRule uint8

const (
	// JitterFull lets the time begin at 0, and turns a leap of more than 30 s into a step of about a frame.
	JitterFull JitterRule = iota
	// JitterZero lets the time begin at 0, and leaves leaps forward as they are.
	JitterZero
	// JitterOff leaves the publisher's own time as it is, where a later publisher's does not begin before the end of the
	// earlier one's.
	JitterOff
)

// Rules are what an app's configuration says about its streams. A stream asks for them anew when the policy changes.
type Rules struct {
	// Latency is the beat of the feeds: how long frames are gathered before a write. 0 means the default.
	Latency time.Duration
	// Join bounds how far back a new viewer may start, which is where the newest group of pictures begins.
	// Negative bytes switch it off: viewers then start at the newest frame.
	Join Bound
	// Lag bounds how far a viewer may fall behind before it jumps to the newest key frame.
	Lag Bound
	// WriteTimeout ends a viewer whose socket has not taken one batch in that time.
	WriteTimeout time.Duration
	// OnConflict says what happens to a second publisher.
	OnConflict ConflictRule
	// TimeJitter says how the time of a publisher is mended. A change holds from the next publisher on.
	TimeJitter JitterRule
	// FirstPacketTimeout and IdleTimeout end a publisher that sends no media after its start, or falls silent.
	FirstPacketTimeout time.Duration
	IdleTimeout        time.Duration
	// KickoffForIdle ends a publisher whose stream has had no viewer for so long. 0 never does. It is SRS's name.
	KickoffForIdle time.Duration
	// Wait is how long a viewer waits for a publisher before it is told that there is none.
	Wait time.Duration
	// ReconnectWindow keeps viewers attached for that long after the publisher has gone. 0 ends them with it.
	ReconnectWindow time.Duration
}

// DefaultRules returns what holds where nothing is configured: batches of 100 ms, a GOP of up to 10 s or 32 MiB to join,
// a lag of up to 10 s or 16 MiB, and time-outs of 10 s (20 s for the first packet, 5 s for a viewer's wait).
func DefaultRules() Rules {
	return Rules{
		Latency:            100 * time.Millisecond,
		Join:               Bound{10 * time.Second, 32 << 20},
		Lag:                Bound{10 * time.Second, 16 << 20},
		WriteTimeout:       10 * time.Second,
		FirstPacketTimeout: 20 * time.Second,
		IdleTimeout:        10 * time.Second,
		Wait:               5 * time.Second,
	}
}

// gopCache tells whether viewers start at a group of pictures rather than at the newest frame.
func (r *Rules) gopCache() bool { return r.Join.Bytes >= 0 }

// keeps tells whether the log must keep a frame of ms milliseconds and n bytes ago.
func (r *Rules) keeps(ms, n int64) bool {
	return !r.Lag.exceeded(ms, n) || r.gopCache() && !r.Join.exceeded(ms, n)
}
