package hls

import "time"

// A listing says what a playlist is to hold.
type listing struct {
	count      int           // segments at least
	time       time.Duration // how long they play at least
	dvr        time.Duration // how long those of the long playlist play at least; 0 if there is none
	target     int64         // the target duration in seconds
	partTarget int64         // in milliseconds; 0 if parts are not listed
	media      media         // what the newest segment is made of
	still      bool          // the picture stands still, though it has one
	files      bool          // segments are in files, but for the newest
	ended      bool          // the stream has
	old        bool          // a process before has left it, and nothing has come since
}

// first returns the index of the first of the newest segments that play for at least as long as given, are as many as are
// to be listed, and fill three target durations (RFC 8216bis, 6.2.2).
func (l listing) first(segments []*segment, long time.Duration) int {
	least := max(long.Milliseconds(), 3*1000*l.target)
	i := len(segments)
	for sum := int64(0); i > 0 && (sum < least || len(segments)-i < l.count); i-- {
		sum += segments[i-1].length
	}
	return i
}

// longest returns how long the longest playlist plays at least.
func (l listing) longest() time.Duration { return max(l.time, l.dvr) }

// length returns how long segments play in all.
func length(segments []*segment) time.Duration {
	return time.Duration(played(segments)) * time.Millisecond
}

// played returns how long segments play in all, in milliseconds.
func played(segments []*segment) (ms int64) {
	for _, s := range segments {
		ms += s.length
	}
	return ms
}
