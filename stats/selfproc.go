package stats

import (
	"os"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"github.com/shirou/gopsutil/v4/process"
)

// A selfProcRow is /proc/self/stat (proc_pid_stat(5)), in the kernel's order and units. Where the kernel no longer says
// anything or has a better place for it, which procfs leaves out, there are zeros.
type selfProcRow struct {
	OK          bool    `json:"ok"`
	SampleTime  int64   `json:"sample_time"` // in milliseconds since 1970
	Percent     decimal `json:"percent"`     // of a core
	PID         int     `json:"pid"`
	Comm        string  `json:"comm"`
	State       string  `json:"state"`
	PPID        int     `json:"ppid"`
	PGRP        int     `json:"pgrp"`
	Session     int     `json:"session"`
	TTY         int     `json:"tty_nr"`
	TPGID       int     `json:"tpgid"`
	Flags       uint    `json:"flags"`
	MinFlt      uint    `json:"minflt"`
	CMinFlt     uint    `json:"cminflt"`
	MajFlt      uint    `json:"majflt"`
	CMajFlt     uint    `json:"cmajflt"`
	UTime       uint    `json:"utime"`
	STime       uint    `json:"stime"`
	CUTime      int     `json:"cutime"`
	CSTime      int     `json:"cstime"`
	Priority    int     `json:"priority"`
	Nice        int     `json:"nice"`
	Threads     int     `json:"num_threads"`
	ITRealValue int     `json:"itrealvalue"` // 0
	StartTime   uint64  `json:"starttime"`
	VSize       uint    `json:"vsize"`
	RSS         int     `json:"rss"` // in pages
	RSSLimit    uint64  `json:"rsslim"`
	StartCode   uint64  `json:"startcode"`
	EndCode     uint64  `json:"endcode"`
	StartStack  uint64  `json:"startstack"`
	ESP         int     `json:"kstkesp"`     // 0
	EIP         int     `json:"kstkeip"`     // 0
	Signal      int     `json:"signal"`      // 0
	Blocked     int     `json:"blocked"`     // 0
	SigIgnore   int     `json:"sigignore"`   // 0
	SigCatch    int     `json:"sigcatch"`    // 0
	WChan       int     `json:"wchan"`       // 0
	NSwap       int     `json:"nswap"`       // 0
	CNSwap      int     `json:"cnswap"`      // 0
	ExitSignal  int     `json:"exit_signal"` // 0
	Processor   uint    `json:"processor"`
	RTPriority  uint    `json:"rt_priority"`
	Policy      uint    `json:"policy"`
	IODelay     uint64  `json:"delayacct_blkio_ticks"`
	GuestTime   int     `json:"guest_time"`
	CGuestTime  int     `json:"cguest_time"`
}

func (a *API) selfProcStats(*request) (any, error) {
	return dataBody{a.envelope(), a.System.sample().self}, nil
}

// measure reads what the kernel says. Only Linux does.
func (row *selfProcRow) measure() error {
	self, err := procfs.Self()
	if err != nil {
		return err
	}
	s, err := self.Stat()
	if err != nil {
		return err
	}
	row.PID, row.Comm, row.State = s.PID, s.Comm, s.State
	row.PPID, row.PGRP, row.Session, row.TTY, row.TPGID, row.Flags = s.PPID, s.PGRP, s.Session, s.TTY, s.TPGID, s.Flags
	row.MinFlt, row.CMinFlt, row.MajFlt, row.CMajFlt = s.MinFlt, s.CMinFlt, s.MajFlt, s.CMajFlt
	row.UTime, row.STime, row.CUTime, row.CSTime = s.UTime, s.STime, s.CUTime, s.CSTime
	row.Priority, row.Nice, row.Threads, row.StartTime = s.Priority, s.Nice, s.NumThreads, s.Starttime
	row.VSize, row.RSS, row.RSSLimit = s.VSize, s.RSS, s.RSSLimit
	row.StartCode, row.EndCode, row.StartStack = s.StartCode, s.EndCode, s.StartStack
	row.Processor, row.RTPriority, row.Policy = s.Processor, s.RTPriority, s.Policy
	row.IODelay, row.GuestTime, row.CGuestTime = s.DelayAcctBlkIOTicks, s.GuestTime, s.CGuestTime
	return nil
}

// measureSelf measures what summaries say of the process, but for its memory.
func (s *System) measureSelf(now time.Time) (err error) {
	row := &s.last.summaries.Self
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
