package stats

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	psnet "github.com/shirou/gopsutil/v4/net"
)

// measureSockets counts the machine's sockets by the kernel's own sums. To list them, as gopsutil's Connections does, takes
// seconds where there are many. Only Linux has these sums.
func (s *System) measureSockets(time.Time) error {
	v4, err := sockstat("/proc/net/sockstat")
	if err != nil {
		return err
	}
	v6, err := sockstat("/proc/net/sockstat6")
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it is missing where IPv6 is off
		return err
	}
	row := &s.row.System
	row.ConnSysTW = v4["TCP tw"]
	row.ConnSys = v4["TCP alloc"] + row.ConnSysTW // both count IPv6 as well
	row.ConnSysUDP = v4["UDP inuse"] + v6["UDP6 inuse"]
	tcp, err := psnet.ProtoCounters([]string{"tcp"})
	if err != nil {
		return err
	}
	if len(tcp) == 0 {
		return errNotTold
	}
	row.ConnSysET = tcp[0].Stats["CurrEstab"]
	return nil
}

// sockstat reads a file of lines such as "TCP: inuse 1 orphan 0 tw 8", the values of which are called "TCP inuse" etc.
func sockstat(path string) (map[string]int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	values := make(map[string]int64)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		proto, rest, _ := strings.Cut(lines.Text(), ":")
		words := strings.Fields(rest)
		for i := 0; i+1 < len(words); i += 2 {
			values[proto+" "+words[i]], _ = strconv.ParseInt(words[i+1], 10, 64) // the kernel writes numbers
		}
	}
	return values, lines.Err()
}
