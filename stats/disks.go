package stats

import (
	"strings"
	"time"

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
	for name, d := range list {
		if virtualDisk(name) || isPartition(name, list) {
			continue
		}
		sum.read += d.ReadBytes
		sum.wrote += d.WriteBytes
		sum.busy[name] = d.IoTime
	}
	sum.since(&s.disks, &s.row.System)
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

// virtualDisk tells whether a block device has its bytes from another one, which counts them, or from memory.
func virtualDisk(name string) bool {
	for _, prefix := range []string{"loop", "ram", "zram", "dm-", "md", "sr", "fd"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// isPartition tells whether a name of Linux is that of a part of another disk: sda1 of sda, nvme0n1p1 of nvme0n1.
func isPartition[T any](name string, disks map[string]T) bool {
	parent := strings.TrimRight(name, "0123456789")
	if parent == name {
		return false
	}
	if _, ok := disks[parent]; ok {
		return true
	}
	numbered, ok := strings.CutSuffix(parent, "p")
	if !ok {
		return false
	}
	_, ok = disks[numbered]
	return ok
}
