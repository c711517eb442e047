package stats

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/process"
)

// sampleAge is how long a measurement is good for.
const sampleAge = time.Second

// System measures the process and the machine when it is asked, at most once per second. Percentages of time are over the
// time since the last measurement; those of the first are over the life of the process or machine. The zero System is
// ready for use, by several goroutines.
type System struct {
	mu    sync.Mutex
	row   summariesRow
	at    time.Time
	proc  *process.Process
	cores int

	selfCPU float64 // seconds
	cpu     cpu.TimesStat
	disks   disks
	nics    nics
}

// errNotTold means that the platform does not tell something.
var errNotTold = errors.New("not told by the platform")

// sample returns what is measured here, or zeros if s is nil.
func (s *System) sample() summariesRow {
	if s == nil {
		return summariesRow{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.at.IsZero() || now.Sub(s.at) >= sampleAge {
		s.measure(now)
	}
	return s.row
}

// measure measures everything. What the platform does not tell stays 0, and makes the whole not OK.
func (s *System) measure(now time.Time) {
	s.row = summariesRow{OK: true}
	for _, part := range []func(time.Time) error{
		s.measureSelf, s.measureCPU, s.measureMemory, s.measureLoad, s.measureDisks, s.measureNet, s.measureSockets,
	} {
		if part(now) != nil {
			s.row.OK = false
		}
	}
	s.at = now
}

func (s *System) measureSelf(now time.Time) (err error) {
	row := &s.row.Self
	row.PID, row.PPID, row.Argv = os.Getpid(), os.Getppid(), strings.Join(os.Args, " ")
	if row.CWD, err = os.Getwd(); err != nil {
		return err
	}
	if s.proc == nil {
		if s.proc, err = process.NewProcess(int32(row.PID)); err != nil {
			return err
		}
	}
	times, err := s.proc.Times()
	if err != nil {
		return err
	}
	began, err := s.proc.CreateTime()
	if err != nil {
		return err
	}
	from := s.at
	if from.IsZero() {
		from = time.UnixMilli(began)
	}
	used := times.User + times.System
	row.CPUPercent = share(used-s.selfCPU, now.Sub(from).Seconds())
	row.Uptime = int64(now.Sub(time.UnixMilli(began)).Seconds())
	s.selfCPU = used
	return nil
}

func (s *System) measureCPU(time.Time) error {
	row := &s.row.System
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
	return nil
}

// cpuSeconds returns how many seconds the cores had, and how many of them they were busy.
func cpuSeconds(t *cpu.TimesStat) (all, busy float64) {
	busy = t.User + t.System + t.Nice + t.Irq + t.Softirq + t.Steal
	if runtime.GOOS != "linux" { // which counts guests as users
		busy += t.Guest + t.GuestNice
	}
	return busy + t.Idle + t.Iowait, busy
}

func (s *System) measureMemory(time.Time) error {
	row := &s.row.System
	ram, err := mem.VirtualMemory()
	if err != nil {
		return err
	}
	row.RAMKB = int64(ram.Total / 1024)
	row.RAMPercent = share(float64(ram.Used), float64(ram.Total))
	swap, err := mem.SwapMemory()
	if err != nil {
		return err
	}
	row.SwapKB = int64(swap.Total / 1024)
	row.SwapPercent = share(float64(swap.Used), float64(swap.Total))
	if s.proc == nil {
		return errNotTold
	}
	own, err := s.proc.MemoryInfo()
	if err != nil {
		return err
	}
	s.row.Self.MemKB = int64(own.RSS / 1024)
	s.row.Self.MemPercent = share(float64(own.RSS), float64(ram.Total))
	return nil
}

func (s *System) measureLoad(time.Time) error {
	row := &s.row.System
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
