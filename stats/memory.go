package stats

import "github.com/shirou/gopsutil/v4/mem"

// A meminfosRow tells of the machine's memory, in kilobytes. Percents are parts of 1.
type meminfosRow struct {
	OK          bool    `json:"ok"`
	SampleTime  int64   `json:"sample_time"` // in milliseconds since 1970
	PercentRAM  decimal `json:"percent_ram"`
	PercentSwap decimal `json:"percent_swap"`
	Active      int64   `json:"MemActive"` // all that is not free
	RealInUse   int64   `json:"RealInUse"` // likewise, without buffers and caches
	NotInUse    int64   `json:"NotInUse"`
	Total       int64   `json:"MemTotal"`
	Free        int64   `json:"MemFree"`
	Buffers     int64   `json:"Buffers"`
	Cached      int64   `json:"Cached"`
	SwapTotal   int64   `json:"SwapTotal"`
	SwapFree    int64   `json:"SwapFree"`
}

func (a *API) meminfos(*request) (any, error) {
	return dataBody{a.envelope(), a.System.sample().memory}, nil
}

func (s *System) measureMemory() error {
	ram, err := mem.VirtualMemory()
	if err != nil {
		return err
	}
	swap, err := mem.SwapMemory()
	if err != nil {
		return err
	}
	row := &s.last.memory
	row.Total, row.Free, row.Buffers = kilobytes(ram.Total), kilobytes(ram.Free), kilobytes(ram.Buffers)
	row.Cached = kilobytes(ram.Cached - min(ram.Sreclaimable, ram.Cached)) // as the kernel says it
	row.Active = row.Total - row.Free
	row.RealInUse = row.Active - row.Buffers - row.Cached
	row.NotInUse = row.Total - row.RealInUse
	row.SwapTotal, row.SwapFree = kilobytes(swap.Total), kilobytes(swap.Free)
	row.PercentRAM = share(float64(row.RealInUse), float64(row.Total))
	row.PercentSwap = share(float64(row.SwapTotal-row.SwapFree), float64(row.SwapTotal))
	system := &s.last.summaries.System
	system.RAMKB, system.RAMPercent = row.Total, row.PercentRAM
	system.SwapKB, system.SwapPercent = row.SwapTotal, row.PercentSwap
	return nil
}

// measureOwnMemory measures the memory of the process. That of the machine must be known.
func (s *System) measureOwnMemory() error {
	if s.proc == nil {
		return errNotTold
	}
	own, err := s.proc.MemoryInfo()
	if err != nil {
		return err
	}
	row := &s.last.summaries
	row.Self.MemKB = kilobytes(own.RSS)
	row.Self.MemPercent = share(float64(row.Self.MemKB), float64(row.System.RAMKB))
	return nil
}

func kilobytes(bytes uint64) int64 { return int64(bytes / 1024) }
