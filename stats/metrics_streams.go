package stats

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// The metrics of a stream. Their counters begin anew with each stream of a name.
var (
	streamLabels   = []string{"vhost", "app", "stream"}
	streamFrames   = counter("stream_frames_total", "Frames of media that came from the publishers of a stream.", append(streamLabels, "kind")...)
	streamCounters = [...]struct {
		family
		value func(s *live.StreamInfo) int64
		more  []string // further labels
	}{
		{streamCounter("sent_bytes_total", "Bytes that were sent to viewers of a stream."), func(s *live.StreamInfo) int64 { return s.Totals.Sent }, nil},
		{streamCounter("received_bytes_total", "Bytes that were received for a stream."), func(s *live.StreamInfo) int64 { return s.Totals.Received }, nil},
		{streamFrames, func(s *live.StreamInfo) int64 { return s.Totals.VideoFrames }, []string{"video"}},
		{streamFrames, func(s *live.StreamInfo) int64 { return s.Totals.AudioFrames }, []string{"audio"}},
		{streamCounter("broken_tags_total", "Tags of a stream that could not be read and were dropped."), func(s *live.StreamInfo) int64 { return s.Totals.BrokenTags }, nil},
		{streamCounter("repaired_frames_total", "Frames of a stream whose time leapt or fell and was put right."), func(s *live.StreamInfo) int64 { return s.Repaired }, nil},
		{streamCounter("viewer_skips_total", "Times that a viewer of a stream was too slow and jumped to a newer key frame."), func(s *live.StreamInfo) int64 { return s.Totals.Skips }, nil},
	}
	streamViewers   = streamGauge("viewers", "Viewers of a stream that there are.")
	streamOnAir     = streamGauge("on_air", "Whether a stream has a publisher; of \"other\", how many streams have one.")
	streamPublished = streamGauge("published_timestamp_seconds", "When the publisher of a stream began.")
	streamSilence   = streamGauge("last_frame_age_seconds", "How long ago the newest frame of a stream came.")
	streamInterval  = streamGauge("key_frame_interval_seconds", "How long the newest whole group of pictures of a stream is, from key frame to key frame.")
)

func streamCounter(name, help string) family { return counter("stream_"+name, help, streamLabels...) }

func streamGauge(name, help string) family { return gauge("stream_"+name, help, streamLabels...) }

// streamValues are those of streamCounters.
type streamValues [len(streamCounters)]int64

func valuesOf(s *live.StreamInfo) (v streamValues) {
	for i, c := range streamCounters {
		v[i] = c.value(s)
	}
	return v
}

// streams tells of each stream that has series of its own, and of all others as one.
func (s scrape) streams(c *census) {
	for i := range c.named {
		s.stream(&c.named[i])
	}
	if !c.ever {
		return
	}
	s.counters(&c.sum, "", "", otherLabel)
	watching, onAir := 0, 0
	for i := range c.rest {
		watching += viewersOf(&c.rest[i])
		if c.rest[i].Publisher != nil {
			onAir++
		}
	}
	s.put(streamViewers, float64(watching), "", "", otherLabel)
	s.put(streamOnAir, float64(onAir), "", "", otherLabel)
}

func (s scrape) counters(values *streamValues, labels ...string) {
	for i := range streamCounters {
		c := &streamCounters[i]
		s.put(c.family, float64(values[i]), append(slices.Clip(labels), c.more...)...)
	}
}

func (s scrape) stream(info *live.StreamInfo) {
	labels := []string{info.Key.Vhost, info.Key.App, info.Key.Name}
	values := valuesOf(info)
	s.counters(&values, labels...)
	s.put(streamViewers, float64(viewersOf(info)), labels...)
	if info.Publisher == nil {
		s.put(streamOnAir, 0, labels...)
		return
	}
	s.put(streamOnAir, 1, labels...)
	s.put(streamPublished, float64(info.Publisher.Began.UnixMilli())/1000, labels...)
	s.put(streamSilence, info.Silence.Seconds(), labels...)
	if d := keyFrameInterval(info); d > 0 {
		s.put(streamInterval, d.Seconds(), labels...)
	}
}

// keyFrameInterval returns that of the main video, 0 while it is not known.
func keyFrameInterval(info *live.StreamInfo) time.Duration {
	for i := range info.Tracks {
		if t := &info.Tracks[i]; t.Kind == live.KindVideo && t.Main {
			return t.GOPTime
		}
	}
	return 0
}

// Others adds up the streams that have no series of their own, so that their common counters never go back when one of them
// ends: it counts what each of them has grown by since it was seen last. Keep it where the Hub is kept. The zero Others is
// ready for use.
type Others struct {
	mu   sync.Mutex // held from the look at the streams on, so that no scrape takes an older look for a newer one
	ever bool
	sum  streamValues
	last map[string]streamValues // by the id of the stream
}

// A census is all streams at one moment.
type census struct {
	streams []live.StreamInfo
	named   []live.StreamInfo // those that are there longest
	rest    []live.StreamInfo
	sum     streamValues // of the rest, and all that were there before
	ever    bool         // there has been one
}

// census looks at the streams, of which so many are to have series of their own. A stream that has had no publisher yet
// has none and is no other either: anybody may wait for any name.
func (o *Others) census(hub *live.Hub, limit int) *census {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := new(census)
	for _, s := range hub.Streams() {
		info := s.Info()
		c.streams = append(c.streams, info)
		if info.Publisher != nil || info.Totals.Received > 0 {
			c.named = append(c.named, info)
		}
	}
	// One that is among the longest stays among them until it ends.
	slices.SortFunc(c.named, func(a, b live.StreamInfo) int {
		return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.ID, b.ID))
	})
	n := min(limit, len(c.named))
	c.named, c.rest = c.named[:n], c.named[n:]
	o.add(c.named, c.rest)
	c.sum, c.ever = o.sum, o.ever
	return c
}

// add adds to the sum what has come for the rest since the last look, which knows all streams: one that loses its series to
// a new configuration has told of the past by itself. o.mu must be held.
func (o *Others) add(named, rest []live.StreamInfo) {
	seen := make(map[string]streamValues, len(named)+len(rest))
	for i := range named {
		seen[named[i].ID] = valuesOf(&named[i])
	}
	for i := range rest {
		now, before := valuesOf(&rest[i]), o.last[rest[i].ID]
		for n := range now {
			o.sum[n] += now[n] - before[n]
		}
		seen[rest[i].ID] = now
	}
	o.last, o.ever = seen, o.ever || len(rest) > 0
}
