package stats

import (
	"errors"
	"io/fs"

	"github.com/prometheus/procfs"
	psnet "github.com/shirou/gopsutil/v4/net"
)

// measureSockets counts the machine's sockets by the kernel's own sums. To list them, as gopsutil's Connections does, takes
// seconds where there are many. Only Linux has these sums.
func (s *System) measureSockets() error {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return err
	}
	v4, err := proc.NetSockstat()
	if err != nil {
		return err
	}
	row := &s.last.summaries.System
	tcp, udp := sockets(v4, "TCP"), sockets(v4, "UDP")
	row.ConnSysTW = told(tcp.TW)
	row.ConnSys = told(tcp.Alloc) + row.ConnSysTW // both count IPv6 as well
	row.ConnSysUDP = int64(udp.InUse)
	v6, err := proc.NetSockstat6()
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it is missing where IPv6 is off
		return err
	}
	if err == nil {
		row.ConnSysUDP += int64(sockets(v6, "UDP6").InUse)
	}
	counters, err := psnet.ProtoCounters([]string{"tcp"})
	if err != nil {
		return err
	}
	if len(counters) == 0 {
		return errNotTold
	}
	row.ConnSysET = counters[0].Stats["CurrEstab"]
	return nil
}

// sockets returns the sums of a protocol, zeros if there are none.
func sockets(stat *procfs.NetSockstat, protocol string) procfs.NetSockstatProtocol {
	for _, p := range stat.Protocols {
		if p.Protocol == protocol {
			return p
		}
	}
	return procfs.NetSockstatProtocol{}
}

func told(n *int) int64 {
	if n == nil {
		return 0
	}
	return int64(*n)
}
