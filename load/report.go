package load

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// A Report is what a run has found. Bit rates are in bits per second, and times in milliseconds.
type Report struct {
	// OK says that nothing was wrong: there are no Faults. Stalls are none.
	OK bool `json:"ok"`
	// Seconds is how long was measured. Frames, bytes, bit rates, stalls, latency and usage are of that time; joins and
	// faults are of the whole run.
	Seconds    float64           `json:"seconds"`
	Publishers *PublishersReport `json:"publishers,omitempty"`
	Viewers    []ViewersReport   `json:"viewers,omitempty"`
	// Server is nil if its process is not known.
	Server *ServerReport `json:"server,omitempty"`
	// Generator is what the run itself has used. Close to all cores, what it says of the server is no longer true.
	Generator Usage `json:"generator"`
}

// A PublishersReport is about all publishers.
type PublishersReport struct {
	Publishers int     `json:"publishers"`
	OnAir      int     `json:"on_air"` // in the end
	Bitrate    float64 `json:"bitrate"`
	Frames     int64   `json:"frames"`
	// Late is how much later than it should each frame was written.
	Late   Times             `json:"late_ms"`
	Faults map[string]Faults `json:"faults"`
}

// A ViewersReport is about all viewers of one protocol.
type ViewersReport struct {
	Protocol  Protocol `json:"protocol"`
	Secure    bool     `json:"secure"`         // over TLS
	HTTP      int      `json:"http,omitempty"` // its version
	Viewers   int      `json:"viewers"`        // at once
	Receiving int      `json:"receiving"`      // in the end
	Joins     int64    `json:"joins"`
	Bytes     int64    `json:"bytes"`
	Bitrate   float64  `json:"bitrate"` // of all
	// PerViewer are the bit rates of single viewers.
	PerViewer Rates `json:"per_viewer"`
	Frames    int64 `json:"frames"`
	// Marks is how many pictures had a mark: the number of those that the checks of Missing and Latency are about.
	Marks  int64 `json:"marks"`
	Stalls int64 `json:"stalls"`
	Stuck  int   `json:"stuck,omitempty"` // viewers who read nothing
	Cut    int64 `json:"cut,omitempty"`   // those of them whom the server has ended
	// Join is from the request, with its connection, to the first key frame.
	Join Times `json:"join_ms"`
	// Latency is from the publisher's write to arrival, of pictures sent after the viewer had come; of streams without marks
	// from the program date-time of HLS.
	Latency Times             `json:"latency_ms"`
	Faults  map[string]Faults `json:"faults"`
}

// Rates are bit rates of several viewers.
type Rates struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

// A ServerReport is about the process of the server.
type ServerReport struct {
	PID int `json:"pid"`
	Usage
	// MemoryBefore is its memory when publishers were on air and no viewer had come.
	MemoryBefore int64 `json:"memory_before"`
	// MemoryPerViewer is what each viewer has added, in bytes.
	MemoryPerViewer float64 `json:"memory_per_viewer,omitempty"`
	// CPUPerGB is CPU time in seconds for each 10^9 bytes that viewers have received.
	CPUPerGB float64 `json:"cpu_per_gb,omitempty"`
	// CPUPerPublisher is the share of a core for each publisher, where there are no viewers.
	CPUPerPublisher float64 `json:"cpu_per_publisher,omitempty"`
}

// Faults returns all faults of the report, by kind.
func (r *Report) Faults() map[string]Faults {
	all := make(map[string]Faults)
	add := func(list map[string]Faults) {
		for kind, f := range list {
			all[kind] = Faults{Count: all[kind].Count + f.Count, First: cmp.Or(all[kind].First, f.First)}
		}
	}
	if r.Publishers != nil {
		add(r.Publishers.Faults)
	}
	for _, v := range r.Viewers {
		add(v.Faults)
	}
	return all
}

// publishers reports on them, at the end of the measurement.
func (r *run) publishers() *PublishersReport {
	if r.config.Publish == 0 {
		return nil
	}
	return &PublishersReport{
		Publishers: r.config.Publish,
		OnAir:      int(r.in.onAir.Load()),
		Bitrate:    float64(r.in.bytes.Load()-r.begun.sent) * 8 / r.seconds,
		Frames:     r.in.frames.Load() - r.begun.frames,
		Late:       r.in.late.times(),
	}
}

// viewers reports on those of one protocol, at the end of the measurement.
func (r *run) viewers(t *tally) ViewersReport {
	v := ViewersReport{
		Protocol:  t.protocol,
		HTTP:      r.config.HTTP,
		Secure:    strings.HasPrefix(r.config.address(t.protocol, 1), "https:"),
		Viewers:   t.viewers,
		Receiving: int(t.active.Load()),
		Frames:    t.frames.Load() - r.begun.of[t].frames,
		Marks:     t.marks.Load() - r.begun.of[t].marks,
		Stalls:    t.stalls.Load(),
		Latency:   t.latency.times(),
	}
	if t.protocol == RTMP {
		v.HTTP, v.Secure = 0, strings.HasPrefix(r.config.RTMP, "rtmps:")
	}
	var rates []float64
	for _, p := range r.places {
		if p.tally != t {
			continue
		}
		n := p.bytes.Load() - p.mark
		v.Bytes += n
		if p.stuck {
			v.Stuck++
			continue
		}
		rates = append(rates, float64(n)*8/r.seconds)
	}
	v.Bitrate = float64(v.Bytes) * 8 / r.seconds
	if slices.Sort(rates); len(rates) > 0 {
		v.PerViewer = Rates{Min: rates[0], Median: rates[len(rates)/2], Max: rates[len(rates)-1]}
	}
	return v
}

// usage reports on the server, at the end of the measurement.
func (r *run) usage(viewers []ViewersReport) *ServerReport {
	if r.server == nil {
		return nil
	}
	now, err := r.server.read()
	if err != nil {
		return nil
	}
	s := &ServerReport{PID: int(r.server.process.Pid), Usage: now, MemoryBefore: r.before.Memory}
	var bytes int64
	receiving := 0
	for _, v := range viewers {
		bytes += v.Bytes
		receiving += v.Receiving
	}
	if receiving > 0 {
		s.MemoryPerViewer = float64(now.Memory-r.before.Memory) / float64(receiving)
	}
	if bytes > 0 {
		s.CPUPerGB = now.CPU * r.seconds / (float64(bytes) / 1e9)
	}
	if r.config.Play == 0 {
		s.CPUPerPublisher = now.CPU / float64(max(r.in.onAir.Load(), 1))
	}
	return s
}

// complete adds to a report what is known only when everybody has left.
func (r *run) complete(report *Report) {
	if p := report.Publishers; p != nil {
		p.Faults = r.in.register.list()
	}
	for i, t := range r.tallies {
		v := &report.Viewers[i]
		v.Joins, v.Join, v.Cut, v.Faults = t.joins.Load(), t.join.times(), t.cut.Load(), t.register.list()
	}
	report.OK = len(slices.Collect(maps.Keys(report.Faults()))) == 0
}
