package stats

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/procfs/blockdevice"
	"github.com/shirou/gopsutil/v4/disk"
)

// disks are the totals of all disks at a time.
type disks struct {
	at          time.Time
	read, wrote uint64
	busy        map[string]uint64 // milliseconds that each disk had something to do
}

func (s *System) measureDisks(now time.Time) error {
	list, err := disk.IOCounters()
	if err != nil {
		return err
	}
	sum := disks{at: now, busy: make(map[string]uint64)}
	whole, ok := wholeDisks()
	for name, d := range list {
		if ok && !whole[name] {
			continue
		}
		sum.read += d.ReadBytes
		sum.wrote += d.WriteBytes
		sum.busy[name] = d.IoTime
	}
	sum.since(&s.disks, &s.last.summaries.System)
	s.disks = sum
	return nil
}

// since writes what happened since old into a row. There are no rates without an old, and none for a disk that is new.
func (d *disks) since(old *disks, row *systemRow) {
	seconds := d.at.Sub(old.at).Seconds()
	if old.at.IsZero() || seconds <= 0 {
		return
	}
	kbps := func(now, before uint64) int64 {
		if now < before { // a disk was taken out
			return 0
		}
		return int64(float64(now-before) / 1024 / seconds)
	}
	row.DiskReadKBps, row.DiskWriteKBps = kbps(d.read, old.read), kbps(d.wrote, old.wrote)
	for name, ms := range d.busy {
		before, ok := old.busy[name]
		if ok && ms > before {
			row.DiskBusy = max(row.DiskBusy, min(share(float64(ms-before)/1000, seconds), 1))
		}
	}
}

// wholeDisks returns which block devices are disks of their own: no parts of others, and not virtual. ok is false where the
// platform does not tell, and lists no parts of disks either.
func wholeDisks() (names map[string]bool, ok bool) {
	sys, err := blockdevice.NewDefaultFS()
	if err != nil {
		return nil, false
	}
	list, err := sys.SysBlockDevices()
	if err != nil {
		return nil, false
	}
	names = make(map[string]bool)
	for _, name := range list {
		names[name] = !virtualDisk(name)
	}
	return names, true
}

// virtualDisk tells whether a block device of Linux has its bytes from another one or from memory, or holds a medium that
// comes and goes.
func virtualDisk(name string) bool {
	kind := strings.TrimRight(name, "0123456789")
	return slices.Contains([]string{"loop", "ram", "zram", "dm-", "md", "sr", "fd"}, kind)
}
