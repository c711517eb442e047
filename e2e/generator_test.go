package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	generator "github.com/caddy-rtmp/caddy-rtmp/load"
)

// generate runs rtmpload, which publishes to the server and plays from it, to its end. It returns what it reports, and an
// error if it says that something was wrong.
func (s *server) generate(scheme, stream string, args ...string) (*generator.Report, error) {
	s.t.Helper()
	bin, err := loadBin()
	if err != nil {
		s.t.Fatal(err)
	}
	ingest := "rtmp"
	if scheme == "https" {
		ingest = "rtmps"
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, append([]string{
		"-json", "-silent", "-ca", s.rootCert(),
		"-url", s.url(scheme, "/live/"+stream), "-rtmp", s.url(ingest, "/live/"+stream),
	}, args...)...)
	dieWithUs(cmd)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, ended := cmd.Output()
	report := new(generator.Report)
	if err := json.Unmarshal(out, report); err != nil {
		s.t.Fatalf("%s: %v, %v\n%s%s", strings.Join(cmd.Args, " "), ended, err, out, problems.String())
	}
	if report.OK != (ended == nil) {
		s.t.Errorf("rtmpload ended with %v and reports OK: %v", ended, report.OK)
	}
	if !report.OK {
		return report, fmt.Errorf("rtmpload has met %+v", report.Faults())
	}
	return report, nil
}

// affordable returns how many viewers a test has: as many as it wants, but a tenth against a server that was built with the race
// detector, for which they are too many on two cores.
func affordable(n int) int {
	if raced() {
		return n / 10
	}
	return n
}

// raced tells whether the server was built with the race detector, which remembers all memory that there ever was.
func raced() bool { return raceEnabled && os.Getenv("CADDY_BIN") == "" }

// TestGenerator lets rtmpload play every protocol, plain and over TLS, by every version of HTTP, and looks at its report.
func TestGenerator(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	for name, c := range map[string]struct {
		scheme string
		http   int
	}{
		"plain":  {"http", 1},
		"TLS":    {"https", 1},
		"HTTP 2": {"https", 2},
		"HTTP 3": {"https", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.on(t)
			stream := strings.ReplaceAll(name, " ", "")
			r, err := s.generate(c.scheme, stream, "-publish", "2", "-play", "10", "-proto", "flv,ts,rtmp,hls,ll-hls",
				"-bitrate", "500k", "-http", fmt.Sprint(c.http), "-duration", "5s")
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Viewers) != 5 || r.Publishers == nil || r.Publishers.OnAir != 2 || r.Publishers.Bitrate < 500_000 {
				t.Fatalf("%+v, the publishers %+v", r, r.Publishers)
			}
			for _, v := range r.Viewers {
				checkReport(t, &v, c.scheme == "https", c.http)
			}
			if r.Server == nil || r.Server.PID != s.cmd.Process.Pid || r.Server.Memory == 0 || r.Server.CPU == 0 {
				t.Errorf("the server is process %d, and is reported as %+v", s.cmd.Process.Pid, r.Server)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		r, err := s.on(t).generate("http", "none", "-play", "2", "-duration", "7s")
		if f := r.Faults()["refused"]; err == nil || f.Count != 2 || !strings.Contains(f.First, "404") {
			t.Errorf("viewers of nothing: %+v", r.Faults())
		}
	})
}

// checkReport looks at what is reported of two viewers of a protocol.
func checkReport(t *testing.T, v *generator.ViewersReport, secure bool, version int) {
	t.Helper()
	if v.Protocol == generator.RTMP {
		version = 0
	}
	if v.Secure != secure || v.HTTP != version || v.Receiving != 2 || v.Joins != 2 || v.Join.Count != 2 {
		t.Errorf("%s: %+v", v.Protocol, v)
	}
	const atLeast = 300_000 // of 500,000 bit/s: HLS comes in pieces
	if v.PerViewer.Min < atLeast || v.Marks == 0 || v.Latency.Count == 0 || v.Latency.P50 <= 0 {
		t.Errorf("%s: %+v", v.Protocol, v)
	}
}

// TestIngest lets many publish what nobody watches.
func TestIngest(t *testing.T) {
	t.Parallel()
	const publishers = 100
	s := serve(t, in("rtmp", "max_connections off off off"))
	r, err := s.generate("http", "many", "-publish", fmt.Sprint(publishers), "-bitrate", "200k", "-duration", "3s")
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Publishers; p.OnAir != publishers || p.Bitrate < 0.9*publishers*200_000 || r.Server.CPUPerPublisher <= 0 {
		t.Errorf("%+v, the server %+v", p, r.Server)
	}
}

// TestChurn lets ten thousand viewers of all kinds come and go. The server has then no more clients, goroutines, descriptors
// or memory than after the first thousand.
func TestChurn(t *testing.T) {
	t.Parallel()
	s := serve(t, in("rtmp", "max_connections off off off"))
	s.loop(s.url("rtmp", "/live/churn"), film.frames(t))
	s.awaitStream("churn")
	alone := map[string]int{"fmle-publish": 1}
	come := func(n int) {
		t.Helper()
		r, err := s.generate("http", "churn", "-play", "100", "-stay", "50ms", "-joins", fmt.Sprint(n), "-ramp", "1000",
			"-proto", "flv,ts,rtmp,flv,ts,rtmp,hls", "-settle", "1ms")
		if err != nil {
			t.Fatal(err)
		}
		var joins int64
		for _, v := range r.Viewers {
			joins += v.Joins
			t.Logf("%s: %d joins, %d of them with a picture", v.Protocol, v.Joins, v.Join.Count)
			if v.Join.Count != v.Joins {
				t.Errorf("%s: not everybody has had a picture: %+v", v.Protocol, v)
			}
		}
		if joins != int64(n) {
			t.Errorf("%d viewers have come, not %d", joins, n)
		}
		s.awaitClients(alone)
	}
	come(affordable(1000))
	before := s.load()
	come(affordable(10_000))
	s.awaitLoad(before)
}

// TestStuckViewers has a thousand viewers of whom two hundred read nothing. The others miss no frame, and those are ended
// by the write time-out, with their reason.
func TestStuckViewers(t *testing.T) {
	t.Parallel()
	viewers, stuck := affordable(1000), affordable(200)
	s := serve(t, with(in("app live", "\t\t\twrite_timeout 2s"), "rtmp", "max_connections off off off"))
	r, err := s.generate("http", "stuck", "-publish", "1", "-play", fmt.Sprint(viewers), "-stuck", fmt.Sprint(stuck),
		"-proto", "flv,ts,rtmp", "-bitrate", "1M", "-ramp", "400", "-duration", "12s")
	if err != nil {
		t.Error(err)
	}
	var healthy, cut int
	for _, v := range r.Viewers {
		healthy += v.Viewers - v.Stuck
		cut += int(v.Cut)
		if v.Marks == 0 || v.PerViewer.Min < 500_000 {
			t.Errorf("%s: those who read have had %d pictures, the slowest %.0f bit/s", v.Protocol, v.Marks, v.PerViewer.Min)
		}
	}
	if healthy != viewers-stuck || cut != stuck {
		t.Errorf("%d viewers have read, and %d others were cut; want %d and %d", healthy, cut, viewers-stuck, stuck)
	}
	const each = 128 << 10
	if grown := r.Server.Memory - r.Server.MemoryBefore; !raced() && grown > int64(viewers)*each {
		t.Errorf("the server has grown by %d bytes for %d viewers", grown, viewers)
	}
	t.Logf("%d viewers, %d of them stuck: %+v", viewers, stuck, r.Server)
	s.awaitClients(map[string]int{})
	eventually(t, "the log gives the reason of each", func() error {
		slow := 0
		for _, l := range s.log(line{"msg": "play ended", "stream": "stuck"}) {
			if reason, _ := l["reason"].(string); strings.Contains(reason, live.ErrSlow.Error()) {
				slow++
			}
		}
		if slow != stuck {
			return errors.New(fmt.Sprint(slow, " viewers were too slow"))
		}
		return nil
	})
}
