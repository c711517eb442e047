package stats

import (
	"errors"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/process"
)

// sampleAge is how long a measurement is good for.
const sampleAge = time.Second

// System measures the process and the machine when it is asked, at most once per second. Percentages of time are over the
// time since the last measurement; those of the first are over the life of the process or machine. The zero System is
// ready for use, by several goroutines.
type System struct {
	mu    sync.Mutex
	last  measurement
	at    time.Time
	proc  *process.Process
	cores int

	selfCPU float64 // seconds
	cpu     cpu.TimesStat
	disks   disks
	nics    nics
}

// A measurement is what the endpoints of the system tell. What the platform does not tell is 0, and makes the row that it
// belongs to not OK.
type measurement struct {
	summaries summariesRow
	rusages   rusagesRow
	self      selfProcRow
	system    systemProcRow
	memory    meminfosRow
}

// errNotTold means that the platform does not tell something.
var errNotTold = errors.New("not told by the platform")

// sample returns what is measured here, or zeros if s is nil.
func (s *System) sample() measurement {
	if s == nil {
		return measurement{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.at.IsZero() || now.Sub(s.at) >= sampleAge {
		s.measure(now)
	}
	return s.last
}

// measure measures everything.
func (s *System) measure(now time.Time) {
	ms := now.UnixMilli()
	s.last = measurement{
		rusages: rusagesRow{SampleTime: ms},
		self:    selfProcRow{SampleTime: ms},
		system:  systemProcRow{SampleTime: ms},
		memory:  meminfosRow{SampleTime: ms},
	}
	m := &s.last
	process, processor, memory := s.measureSelf(now), s.measureCPU(), s.measureMemory()
	m.rusages.OK = m.rusages.measure() == nil
	m.self.OK = m.self.measure() == nil && process == nil
	m.self.Percent = m.summaries.Self.CPUPercent
	m.system.OK = processor == nil
	m.memory.OK = memory == nil
	m.summaries.OK = errors.Join(process, processor, memory,
		s.measureOwnMemory(), s.measureLoad(), s.measureDisks(now), s.measureNet(now), s.measureSockets()) == nil
	s.at = now
}

func (s *System) measureCPU() error {
	row := &s.last.summaries.System
	if s.cores == 0 {
		n, err := cpu.Counts(true)
		if err != nil {
			return err
		}
		s.cores = n
	}
	row.CPUs, row.CPUsOnline = s.cores, s.cores
	list, err := cpu.Times(false)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errNotTold
	}
	all, busy := cpuSeconds(&list[0])
	oldAll, oldBusy := cpuSeconds(&s.cpu)
	row.CPUPercent = min(share(busy-oldBusy, all-oldAll), 1)
	row.IdleTime = decimal(list[0].Idle)
	s.cpu = list[0]
	s.last.system.take(&s.cpu)
	s.last.system.Percent = row.CPUPercent
	return nil
}

func (s *System) measureLoad() error {
	row := &s.last.summaries.System
	up, err := host.Uptime()
	if err != nil {
		return err
	}
	row.Uptime = decimal(up)
	avg, err := load.Avg()
	if err != nil {
		return err
	}
	row.Load1, row.Load5, row.Load15 = decimal(avg.Load1), decimal(avg.Load5), decimal(avg.Load15)
	return nil
}

// share returns part/whole, or 0 where that makes no sense, as after a clock was set.
func share(part, whole float64) decimal {
	if part <= 0 || whole <= 0 {
		return 0
	}
	return decimal(part / whole)
}
