package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
)

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	t := text{w: w}
	t.line("measured for %.1f s", r.Seconds)
	if p := r.Publishers; p != nil {
		t.line("publishers  %d of %d on air, %s, frames late by p50 %.1f p99 %.1f ms", p.OnAir, p.Publishers, bitrate(p.Bitrate), p.Late.P50, p.Late.P99)
		t.faults(p.Faults)
	}
	for i := range r.Viewers {
		t.viewers(&r.Viewers[i])
	}
	if s := r.Server; s != nil {
		t.server(s)
	}
	t.line("generator   %.1f %% of a core, %s", r.Generator.CPU*100, size(r.Generator.Memory))
	if r.OK {
		t.line("nothing was wrong")
	} else {
		t.line("SOMETHING WAS WRONG")
	}
	return t.err
}

// A text is written line by line until a write fails.
type text struct {
	w   io.Writer
	err error
}

func (t *text) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", args...)
	}
}

func (t *text) viewers(v *ViewersReport) {
	if v.Viewers == 0 {
		return
	}
	t.line("%-11s %d of %d receive, %d joins, %s", v.title(), v.Receiving, v.Viewers, v.Joins, bitrate(v.Bitrate))
	t.line("  each      %s (from %s to %s), %d stalls", bitrate(v.PerViewer.Median), bitrate(v.PerViewer.Min), bitrate(v.PerViewer.Max), v.Stalls)
	t.times("join", v.Join)
	t.times("latency", v.Latency)
	if v.Stuck > 0 {
		t.line("  stuck     %d, of whom the server has cut %d", v.Stuck, v.Cut)
	}
	t.line("  checked   %d frames, %d of them with a mark", v.Frames, v.Marks)
	t.faults(v.Faults)
}

// title names the protocol with all that is below it.
func (v *ViewersReport) title() string {
	s := string(v.Protocol)
	if v.Secure {
		s += "/tls"
	}
	if v.HTTP > 1 {
		s += fmt.Sprintf("/h%d", v.HTTP)
	}
	return s
}

func (t *text) times(name string, v Times) {
	if v.Count > 0 {
		t.line("  %-9s p50 %.1f  p90 %.1f  p99 %.1f  max %.1f ms", name, v.P50, v.P90, v.P99, v.Max)
	}
}

func (t *text) faults(list map[string]Faults) {
	for _, kind := range slices.Sorted(maps.Keys(list)) {
		t.line("  FAULT     %d × %s, the first: %s", list[kind].Count, kind, list[kind].First)
	}
}

func (t *text) server(s *ServerReport) {
	t.line("server      process %d, %.1f %% of a core, %s", s.PID, s.CPU*100, size(s.Memory))
	if s.MemoryPerViewer > 0 {
		t.line("  viewer    %.0f KiB each", s.MemoryPerViewer/1024)
	}
	if s.CPUPerGB > 0 {
		t.line("  cost      %.3f s of CPU per GB", s.CPUPerGB)
	}
	if s.CPUPerPublisher > 0 {
		t.line("  publisher %.3f %% of a core each", s.CPUPerPublisher*100)
	}
}

// String is a line for a terminal.
func (p Progress) String() string {
	s := fmt.Sprintf("%4.0f s  %s: %d publishers, %d viewers, %d joins, %s, %d stalls, %d faults",
		p.Elapsed.Seconds(), p.Phase, p.Publishers, p.Viewers, p.Joins, bitrate(p.Bitrate), p.Stalls, p.Faults)
	if p.Server.Memory > 0 {
		s += fmt.Sprintf("; server %.0f %%, %s", p.Server.CPU*100, size(p.Server.Memory))
	}
	return s
}

func bitrate(b float64) string {
	switch {
	case b >= 1e9:
		return fmt.Sprintf("%.2f Gbit/s", b/1e9)
	case b >= 1e6:
		return fmt.Sprintf("%.2f Mbit/s", b/1e6)
	}
	return fmt.Sprintf("%.0f kbit/s", b/1e3)
}

func size(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
