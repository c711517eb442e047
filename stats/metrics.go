package stats

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// DefaultStreamSeries is how many streams have series of their own where nothing else is said.
const DefaultStreamSeries = 1000

// Metrics are what Prometheus is told of a hub, as a prometheus.Collector. They belong to one configuration, which
// registers them with its registry; what they tell was counted elsewhere and outlives it. The cost of a scrape grows with
// the streams, apps and targets that there are, not with the viewers, and no frame waits for it but for the moment in which
// its stream's figures are read. Fields must not be changed once the metrics are registered.
type Metrics struct {
	// Hub is what is told of. It must not be nil.
	Hub *live.Hub
	// Streams bounds the streams that have series of their own: those that are there longest. All others are one, of which
	// vhost and app are empty and stream is "other". 0 is no series of streams at all.
	Streams int
	// Others adds up the streams that have no series of their own. It must be set.
	Others *Others
	// Connections returns how many RTMP connections there are, and how many were refused so far since there were too many.
	// If nil, nothing is told of them.
	Connections func() (open int, refused int64)
	// Callbacks returns what is known of calls to back ends. If nil, nothing is told of them.
	Callbacks func() Callbacks
}

// otherLabel stands for what has no series of its own. Nothing can be taken for it, since its vhost is empty.
const otherLabel = "other"

// Describe implements prometheus.Collector.
func (*Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range described {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	s, c := scrape{to}, m.Others.census(m.Hub, m.Streams)
	s.server(m.Hub, c.streams)
	s.apps(m.Hub.Apps(), c.streams)
	if m.Streams > 0 {
		s.streams(c)
	}
	if m.Connections != nil {
		open, refused := m.Connections()
		s.put(connections, float64(open))
		s.put(connectionsRefused, float64(refused))
	}
	if m.Callbacks != nil {
		s.callbacks(m.Callbacks(), time.Now())
	}
}

// A family is one metric.
type family struct {
	*prometheus.Desc
	kind prometheus.ValueType
}

// described are all metrics.
var described []*prometheus.Desc

func describe(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc("caddy_rtmp_"+name, help, labels, nil)
	described = append(described, d)
	return d
}

func counter(name, help string, labels ...string) family {
	return family{describe(name, help, labels...), prometheus.CounterValue}
}

func gauge(name, help string, labels ...string) family {
	return family{describe(name, help, labels...), prometheus.GaugeValue}
}

// A scrape is one collection.
type scrape struct{ to chan<- prometheus.Metric }

func (s scrape) put(f family, value float64, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(f.Desc, f.kind, value, labels...)
}

// The metrics of the whole server.
var (
	sentBytes          = counter("sent_bytes_total", "Bytes that were sent: the bodies of answers by HTTP, and all of RTMP.")
	receivedBytes      = counter("received_bytes_total", "Bytes that were received by RTMP.")
	brokenTags         = counter("broken_tags_total", "Tags of publishers that could not be read and were dropped.")
	skips              = counter("viewer_skips_total", "Times that a viewer was too slow and jumped to a newer key frame, by the bound of the lag.", "bound")
	skippedBytes       = counter("viewer_skipped_bytes_total", "Bytes that viewers have missed since they were too slow.")
	streamsOnAir       = gauge("streams", "Streams that have a publisher.")
	publishers         = gauge("publishers", "Publishers that there are.", "protocol")
	viewers            = gauge("viewers", "Viewers that there are, but those that are away.", "protocol")
	viewersAway        = gauge("viewers_away", "Viewers that have fallen silent and may come back, as those of HLS do.", "protocol")
	publishes          = counter("publishes_total", "Publishers that were admitted.", "protocol")
	plays              = counter("plays_total", "Viewers that were admitted, also those who then found no publisher.", "protocol")
	publishEnds        = counter("publish_ends_total", "Publishers that have ended, by why.", "protocol", "reason")
	playEnds           = counter("play_ends_total", "Viewers that have ended, by why.", "protocol", "reason")
	refusals           = counter("refusals_total", "Publishers and viewers that were refused, by why.", "action", "protocol", "reason")
	connections        = gauge("connections", "RTMP connections that there are.")
	connectionsRefused = counter("connections_refused_total", "RTMP connections that were closed at once since there were too many.")
)

func (s scrape) server(hub *live.Hub, streams []live.StreamInfo) {
	t := hub.Totals()
	s.put(sentBytes, float64(t.Sent))
	s.put(receivedBytes, float64(t.Received))
	s.put(brokenTags, float64(t.BrokenTags))
	s.put(skips, float64(t.SkipsByBytes), "size")
	s.put(skips, float64(t.Skips-t.SkipsByBytes), "duration")
	s.put(skippedBytes, float64(t.SkippedBytes))
	onAir := 0
	for i := range streams {
		if streams[i].Publisher != nil {
			onAir++
		}
	}
	s.put(streamsOnAir, float64(onAir))
	s.tally(hub.Tally())
}

// known are the protocols that have series from the beginning, so that a rate sees the first event.
var known = []live.Count{
	{Event: live.EventPublish, Protocol: live.ProtocolRTMP},
	{Event: live.EventPlay, Protocol: live.ProtocolRTMP},
	{Event: live.EventPlay, Protocol: live.ProtocolFLV},
	{Event: live.EventPlay, Protocol: live.ProtocolTS},
	{Event: live.EventPlay, Protocol: live.ProtocolAAC},
	{Event: live.EventPlay, Protocol: live.ProtocolMP3},
	{Event: live.EventPlay, Protocol: live.ProtocolHLS},
	{Event: live.EventAway, Protocol: live.ProtocolHLS},
}

// tally tells what has become of sessions.
func (s scrape) tally(counts []live.Count) {
	publishing, playing := make(map[string]began), make(map[string]began) // by protocol
	away := make(map[string]int64)
	for _, c := range append(counts, known...) {
		switch c.Event {
		case live.EventPublish:
			publishing[c.Protocol] = publishing[c.Protocol].add(c.N, 0)
		case live.EventUnpublish:
			publishing[c.Protocol] = publishing[c.Protocol].add(0, c.N)
			s.put(publishEnds, float64(c.N), c.Protocol, c.Reason)
		case live.EventPlay:
			playing[c.Protocol] = playing[c.Protocol].add(c.N, 0)
		case live.EventStop:
			playing[c.Protocol] = playing[c.Protocol].add(0, c.N)
			s.put(playEnds, float64(c.N), c.Protocol, c.Reason)
		case live.EventAway:
			away[c.Protocol] += c.N
		case live.EventRefuse:
			s.put(refusals, float64(c.N), c.Action.String(), c.Protocol, c.Reason)
		}
	}
	for protocol, n := range publishing {
		s.put(publishes, float64(n.all), protocol)
		s.put(publishers, float64(n.all-n.over), protocol)
	}
	for protocol, n := range playing {
		s.put(plays, float64(n.all), protocol)
		s.put(viewers, float64(n.all-n.over-away[protocol]), protocol)
	}
	for protocol, n := range away {
		s.put(viewersAway, float64(n), protocol)
	}
}

// began are the sessions that have begun, and those of them that are over.
type began struct{ all, over int64 }

func (b began) add(all, over int64) began { return began{b.all + all, b.over + over} }
