package stats

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

func TestSummaries(t *testing.T) {
	a := &API{Hub: new(live.Hub), System: new(System), Version: "v1.2.3-rc.1+x"}
	rec := httptest.NewRecorder()
	a.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/api/v1/summaries", http.NoBody))
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

func TestSystemIsMeasuredOncePerSecond(t *testing.T) {
	s := new(System)
	s.sample()
	first := s.at
	s.sample()
	if s.at != first {
		t.Error("measured again within a second")
	}
	s.at = first.Add(-time.Minute)
	self := s.sample().summaries.Self
	if s.at.Before(first) {
		t.Error("not measured again after a minute")
	}
	if self.CPUPercent > 1 {
		t.Errorf("%v cores in a minute of nothing", self.CPUPercent)
	}
}

func TestNilSystem(t *testing.T) {
	var s *System
	if got := s.sample(); got != (measurement{}) {
		t.Errorf("%+v", got)
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

func TestVirtualDisks(t *testing.T) {
	for name, want := range map[string]bool{
		"sda": false, "nvme0n1": false, "vdb": false, "mmcblk0": false, "loop0": true, "zram0": true, "dm-12": true, "md127": true,
		"sr0": true,
	} {
		if virtualDisk(name) != want {
			t.Errorf("%s: not %v", name, want)
		}
	}
	if whole, ok := wholeDisks(); ok != (runtime.GOOS == "linux") {
		t.Errorf("%v, %v", whole, ok)
	}
}

// TestSystemRows checks what cannot be otherwise.
func TestSystemRows(t *testing.T) {
	m := new(System).sample()
	if linux := runtime.GOOS == "linux"; m.self.OK != linux || linux && (!m.rusages.OK || !m.system.OK || !m.memory.OK) {
		t.Fatalf("%+v", m)
	}
	self, ram := m.self, m.memory
	for row, sane := range map[string]bool{
		"rusages": !m.rusages.OK || m.rusages.MaxRSS > 1000 && m.rusages.MinFlt > 0,
		"self": !self.OK || self.PID == os.Getpid() && self.PPID == os.Getppid() && self.State != "" && self.Comm != "" &&
			self.Threads > 1 && self.RSS > 0,
		"system": !m.system.OK || m.system.User > 0 && m.system.Idle > 0 && m.system.Percent <= 1,
		"memory": !ram.OK || ram.Active+ram.Free == ram.Total && ram.RealInUse+ram.NotInUse == ram.Total &&
			ram.RealInUse+ram.Buffers+ram.Cached == ram.Active && ram.PercentRAM > 0 && ram.PercentRAM <= 1,
	} {
		if !sane {
			t.Errorf("%s: %+v", row, m)
		}
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
