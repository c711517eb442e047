package stats

import (
	"math"
	"runtime"

	"github.com/shirou/gopsutil/v4/cpu"
)

// A systemProcRow tells what the machine's cores have done since it was started, in jiffies: hundredths of a second.
type systemProcRow struct {
	OK         bool    `json:"ok"`
	SampleTime int64   `json:"sample_time"` // in milliseconds since 1970
	Percent    decimal `json:"percent"`     // of all cores; 1 is all of them
	User       int64   `json:"user"`
	Nice       int64   `json:"nice"`
	Sys        int64   `json:"sys"`
	Idle       int64   `json:"idle"`
	IOWait     int64   `json:"iowait"`
	IRQ        int64   `json:"irq"`
	SoftIRQ    int64   `json:"softirq"`
	Steal      int64   `json:"steal"`
	Guest      int64   `json:"guest"`
}

func (a *API) systemProcStats(*request) (any, error) {
	return dataBody{a.envelope(), a.System.sample().system}, nil
}

func (row *systemProcRow) take(t *cpu.TimesStat) {
	for _, part := range []struct {
		to      *int64
		seconds float64
	}{
		{&row.User, t.User},
		{&row.Nice, t.Nice},
		{&row.Sys, t.System},
		{&row.Idle, t.Idle},
		{&row.IOWait, t.Iowait},
		{&row.IRQ, t.Irq},
		{&row.SoftIRQ, t.Softirq},
		{&row.Steal, t.Steal},
		{&row.Guest, t.Guest},
	} {
		*part.to = int64(math.Round(part.seconds * 100))
	}
}

// cpuSeconds returns how many seconds the cores had, and how many of them they were busy.
func cpuSeconds(t *cpu.TimesStat) (all, busy float64) {
	busy = t.User + t.System + t.Nice + t.Irq + t.Softirq + t.Steal
	if runtime.GOOS != "linux" { // which counts guests as users
		busy += t.Guest + t.GuestNice
	}
	return busy + t.Idle + t.Iowait, busy
}
