package stats

import (
	"net"
	"time"

	psnet "github.com/shirou/gopsutil/v4/net"
)

// nicsAge is how long it is believed which networks the interfaces are in: on a host of many containers it costs time to
// find out.
const nicsAge = time.Minute

// nics tells which interfaces have an address of the internet.
type nics struct {
	at     time.Time
	public map[string]bool
}

func (s *System) measureNet(now time.Time) error {
	if err := s.nics.refresh(now); err != nil {
		return err
	}
	list, err := psnet.IOCounters(true)
	if err != nil {
		return err
	}
	row := &s.last.summaries.System
	row.NetSampleTime = now.UnixMilli()
	for _, nic := range list {
		recv, send := &row.NetRecviBytes, &row.NetSendiBytes
		if s.nics.public[nic.Name] {
			recv, send = &row.NetRecvBytes, &row.NetSendBytes
		}
		*recv += int64(nic.BytesRecv)
		*send += int64(nic.BytesSent)
	}
	return nil
}

func (n *nics) refresh(now time.Time) error {
	if !n.at.IsZero() && now.Sub(n.at) < nicsAge {
		return nil
	}
	list, err := net.Interfaces()
	if err != nil {
		return err
	}
	n.at, n.public = now, make(map[string]bool)
	for _, nic := range list {
		addrs, err := nic.Addrs()
		if err != nil {
			continue // the interface has gone meanwhile
		}
		for _, addr := range addrs {
			if isPublic(addr) {
				n.public[nic.Name] = true
			}
		}
	}
	return nil
}

func isPublic(addr net.Addr) bool {
	ipnet, ok := addr.(*net.IPNet)
	return ok && ipnet.IP.IsGlobalUnicast() && !ipnet.IP.IsPrivate()
}
