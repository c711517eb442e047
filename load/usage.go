package load

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	psnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"
)

// A Usage is what a process uses.
type Usage struct {
	// CPU is the time that its threads ran, as a share of one core: 1 is one core.
	CPU float64 `json:"cpu"`
	// Memory is the resident set, in bytes.
	Memory int64 `json:"memory"`
}

// A meter measures a process.
type meter struct {
	process *process.Process
	at      time.Time
	used    float64 // seconds of CPU at that time
}

// newMeter returns a meter of a process, from now on.
func newMeter(pid int) (*meter, error) {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return nil, fmt.Errorf("looking at the process %d: %w", pid, err)
	}
	m := &meter{process: p}
	if _, err := m.read(); err != nil {
		return nil, fmt.Errorf("looking at the process %d: %w", pid, err)
	}
	return m, nil
}

// read returns the usage since the last call.
func (m *meter) read() (Usage, error) {
	times, err := m.process.Times()
	if err != nil {
		return Usage{}, err
	}
	mem, err := m.process.MemoryInfo()
	if err != nil {
		return Usage{}, err
	}
	now, used := time.Now(), times.User+times.System
	u := Usage{Memory: int64(mem.RSS)}
	if passed := now.Sub(m.at).Seconds(); !m.at.IsZero() && passed > 0 {
		u.CPU = (used - m.used) / passed
	}
	m.at, m.used = now, used
	return u, nil
}

// server returns the process to measure: the one that is named, or the one that listens on the port of the URL if that is
// on this machine. 0 means that there is none.
func (c *Config) server(ctx context.Context) int {
	if c.PID != 0 {
		return c.PID
	}
	u, err := url.Parse(c.URL)
	if err != nil || !local(ctx, u.Hostname()) {
		return 0
	}
	conns, err := psnet.ConnectionsWithContext(ctx, "tcp")
	if err != nil {
		return 0
	}
	for _, conn := range conns {
		if conn.Status == "LISTEN" && strconv.Itoa(int(conn.Laddr.Port)) == portOf(u) && int(conn.Pid) != os.Getpid() {
			return int(conn.Pid)
		}
	}
	return 0
}

func portOf(u *url.URL) string {
	if u.Port() != "" {
		return u.Port()
	}
	return map[string]string{"http": "80", "https": "443", "rtmp": "1935", "rtmps": "443"}[u.Scheme]
}

// local tells whether a host is this machine.
func local(ctx context.Context, host string) bool {
	found, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return false
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, ip := range found {
		if ip.IP.IsLoopback() {
			return true
		}
		for _, a := range own {
			if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip.IP) {
				return true
			}
		}
	}
	return false
}
