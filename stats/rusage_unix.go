//go:build unix

package stats

import (
	"runtime"

	"golang.org/x/sys/unix"
)

func (row *rusagesRow) measure() error {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return err
	}
	row.UTime, row.STime = whole(u.Utime.Sec), whole(u.Stime.Sec)
	row.MaxRSS = whole(u.Maxrss)
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" { // which tells it in bytes
		row.MaxRSS /= 1024
	}
	row.IXRSS, row.IDRSS, row.ISRSS = whole(u.Ixrss), whole(u.Idrss), whole(u.Isrss)
	row.MinFlt, row.MajFlt, row.NSwap = whole(u.Minflt), whole(u.Majflt), whole(u.Nswap)
	row.InBlock, row.OutBlock = whole(u.Inblock), whole(u.Oublock)
	row.MsgSnd, row.MsgRcv, row.NSignals = whole(u.Msgsnd), whole(u.Msgrcv), whole(u.Nsignals)
	row.NVCSw, row.NIvCSw = whole(u.Nvcsw), whole(u.Nivcsw)
	return nil
}

// whole returns a number of the C library, which is as long as the machine's words.
func whole[T ~int32 | ~int64](n T) int64 { return int64(n) }
