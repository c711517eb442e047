package stats

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A latencyRow tells how long frames are gathered before they are written, and what that has added to the latency of the
// viewers of each format within the last 10 s, or up to 20, without what sockets and networks add.
type latencyRow struct {
	BatchMS float64     `json:"batch_ms"`
	Formats []formatRow `json:"formats"`
}

type formatRow struct {
	Format  string  `json:"format"`
	Viewers int     `json:"viewers"`
	MeanMS  float64 `json:"mean_ms"`
	MaxMS   float64 `json:"max_ms"`
}

// latency adds up the feeds of a format, which differ by their tracks.
func latency(info *live.StreamInfo) latencyRow {
	row := latencyRow{milliseconds(info.Beat), []formatRow{}}
	sums := make(map[string]live.FeedInfo)
	for _, f := range info.Feeds {
		format, _, _ := strings.Cut(f.Format, "/")
		sum := sums[format]
		sum.Viewers += f.Viewers
		sum.Delay.Mean += f.Delay.Mean * time.Duration(f.Viewers)
		sum.Delay.Max = max(sum.Delay.Max, f.Delay.Max)
		sums[format] = sum
	}
	for format, sum := range sums {
		mean := sum.Delay.Mean / time.Duration(max(sum.Viewers, 1))
		row.Formats = append(row.Formats, formatRow{format, sum.Viewers, milliseconds(mean), milliseconds(sum.Delay.Max)})
	}
	slices.SortFunc(row.Formats, func(a, b formatRow) int { return cmp.Compare(a.Format, b.Format) })
	return row
}

// milliseconds returns d in milliseconds, to a tenth.
func milliseconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond)) / float64(time.Millisecond)
}
