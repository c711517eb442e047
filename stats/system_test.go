package stats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

func TestSummaries(t *testing.T) {
	a := &API{Hub: new(live.Hub), System: new(System), Version: "v1.2.3-rc.1+x"}
	rec := httptest.NewRecorder()
	a.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/api/v1/summaries", http.NoBody))
	const want = "code server service pid data ok now_ms self version pid ppid argv cwd mem_kbyte mem_percent cpu_percent " +
		"srs_uptime system cpu_percent disk_read_KBps disk_write_KBps disk_busy_percent mem_ram_kbyte mem_ram_percent " +
		"mem_swap_kbyte mem_swap_percent cpus cpus_online uptime ilde_time load_1m load_5m load_15m net_sample_time " +
		"net_recv_bytes net_send_bytes net_recvi_bytes net_sendi_bytes srs_sample_time srs_recv_bytes srs_send_bytes " +
		"conn_sys conn_sys_et conn_sys_tw conn_sys_udp conn_srs"
	if got := keys(t, rec.Body.Bytes()); got != want {
		t.Errorf("keys:\n got %s\nwant %s", got, want)
	}
	var body struct{ Data summariesRow }
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	self, system := body.Data.Self, body.Data.System
	if self.MemKB == 0 || self.PID == 0 || self.Argv == "" || self.Version != "1.2.3-rc.1+x" {
		t.Errorf("%+v", self)
	}
	if system.RAMKB == 0 || system.CPUs == 0 || system.Uptime == 0 || system.CPUPercent > 1 {
		t.Errorf("%+v", system)
	}
	if runtime.GOOS == "linux" && (!body.Data.OK || system.ConnSys < system.ConnSysTW) {
		t.Errorf("%+v", body.Data)
	}
}

// keys returns all keys of a JSON text, in their order.
func keys(t *testing.T, text []byte) string {
	t.Helper()
	var all []string
	depth := 0
	dec := json.NewDecoder(bytes.NewReader(text))
	for isKey := false; ; {
		token, err := dec.Token()
		if err != nil {
			break
		}
		switch delim, ok := token.(json.Delim); {
		case ok && delim == '{':
			depth++
			isKey = true
		case ok:
			depth--
			isKey = true
		case isKey:
			all = append(all, fmt.Sprint(token))
			isKey = false
		default:
			isKey = true
		}
	}
	if depth != 0 {
		t.Errorf("not JSON: %s", text)
	}
	return strings.Join(all, " ")
}

func TestSystemIsMeasuredOncePerSecond(t *testing.T) {
	s := new(System)
	s.sample()
	first := s.at
	s.sample()
	if s.at != first {
		t.Error("measured again within a second")
	}
	s.at = first.Add(-time.Minute)
	row := s.sample()
	if s.at.Before(first) {
		t.Error("not measured again after a minute")
	}
	if row.Self.CPUPercent > 1 {
		t.Errorf("%v cores in a minute of nothing", row.Self.CPUPercent)
	}
}

func TestNilSystem(t *testing.T) {
	var s *System
	if row := s.sample(); row.OK || row.Self.PID != 0 {
		t.Errorf("%+v", row)
	}
}

func TestDiskRates(t *testing.T) {
	start := time.Now()
	old := disks{at: start, read: 1 << 20, wrote: 9 << 20, busy: map[string]uint64{"sda": 1000, "sdb": 0}}
	now := disks{at: start.Add(2 * time.Second), read: 3 << 20, wrote: 1, busy: map[string]uint64{"sda": 2500, "sdb": 1, "sdc": 9}}
	var row systemRow
	now.since(&old, &row)
	if row.DiskReadKBps != 1024 || row.DiskWriteKBps != 0 || row.DiskBusy != 0.75 {
		t.Errorf("%+v", row)
	}
	row = systemRow{}
	now.since(&disks{}, &row)
	if row != (systemRow{}) {
		t.Errorf("without an old sample: %+v", row)
	}
}

func TestIsPartition(t *testing.T) {
	names := map[string]bool{"sda": true, "sda1": true, "sdaa": true, "nvme0n1": true, "nvme0n1p1": true, "nvme0n10": true}
	for name, want := range map[string]bool{
		"sda": false, "sda1": true, "sdaa": false, "nvme0n1": false, "nvme0n1p1": true, "nvme0n10": false, "vdb": false,
	} {
		if isPartition(name, names) != want {
			t.Errorf("%s: not %v", name, want)
		}
	}
	if !virtualDisk("loop0") || virtualDisk("sda") {
		t.Error("virtual disks are not told apart")
	}
}

func TestIsPublic(t *testing.T) {
	for cidr, want := range map[string]bool{
		"127.0.0.1/8": false, "10.1.2.3/8": false, "192.168.1.1/24": false, "169.254.1.1/16": false, "fe80::1/64": false,
		"fd00::1/8": false, "8.8.8.8/24": true, "2001:db8::1/64": true,
	} {
		ip, network, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		network.IP = ip
		if isPublic(network) != want {
			t.Errorf("%s: not %v", cidr, want)
		}
	}
}

func TestParseVersion(t *testing.T) {
	for s, want := range map[string]versionRow{
		"1.2.3":         {1, 2, 3, "1.2.3"},
		"v10.0.7-rc.1":  {10, 0, 7, "10.0.7-rc.1"},
		"1.2+build.3.4": {1, 2, 0, "1.2+build.3.4"},
		"(devel)":       {0, 0, 0, "(devel)"},
		"":              {},
	} {
		if got := parseVersion(s); got != want {
			t.Errorf("%q: %+v", s, got)
		}
	}
}

func TestDecimal(t *testing.T) {
	zero := 0.0
	for f, want := range map[float64]string{0: "0.00", 10: "10.00", 1.005: "1.00", 1e20: "100000000000000000000.00", 1 / zero: "0.00"} {
		got, err := json.Marshal(decimal(f))
		if err != nil || string(got) != want {
			t.Errorf("%g: %s, %v", f, got, err)
		}
	}
}
