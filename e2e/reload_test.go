package e2e

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
)

// An audience has a viewer of every kind.
type audience struct {
	rtmp  []*watcher
	flv   []*viewer
	ts    []*viewer
	hls   []*player
	kinds map[string]int // as the API has them, with the publisher
}

// gather lets an audience watch the stream test.
func (s *server) gather() *audience {
	s.t.Helper()
	a := new(audience)
	for _, scheme := range []string{"rtmp", "rtmps"} {
		a.rtmp = append(a.rtmp, s.play(s.url(scheme, "/live/test")))
	}
	for _, w := range ways {
		a.flv = append(a.flv, s.watch(w.version, s.url(w.scheme, "/live/test.flv")))
		if w.version != h3 {
			a.ts = append(a.ts, s.watch(w.version, s.url(w.scheme, "/live/test.ts")))
			a.hls = append(a.hls, s.tune(w.version, s.url(w.scheme, "/live/test.m3u8")))
		}
	}
	a.kinds = map[string]int{
		"fmle-publish": 1, "rtmp-play": len(a.rtmp), "flv-play": len(a.flv) + len(a.ts), "hls-play": len(a.hls),
	}
	return a
}

// everybody returns all of the audience.
func (a *audience) everybody() (all []stream) {
	for _, w := range a.rtmp {
		all = append(all, w)
	}
	for _, v := range slices.Concat(a.flv, a.ts) {
		all = append(all, v)
	}
	for _, p := range a.hls {
		all = append(all, p)
	}
	return all
}

// check checks that nobody has missed anything, from the first to the last moment.
func (a *audience) check(t testing.TB) {
	t.Helper()
	for _, w := range a.rtmp {
		checkSmooth(t, w.name, w.seen())
	}
	for _, v := range a.flv {
		checkSmooth(t, v.name, readFLV(t, v.Bytes()))
	}
	for _, v := range a.ts {
		found := packets(t, file(t, "whole.ts", v.Bytes()))
		found.checkTimes(t, 0, pictureRate)
		found.checkTimes(t, 1, sampleRate/1024.0)
	}
	for _, p := range a.hls {
		if _, seams := p.position(); seams != 0 {
			t.Errorf("%s has %d discontinuities", p.name, seams)
		}
	}
}

// checkSmooth checks that the time of no track falls, and that no picture is missing.
func checkSmooth(t testing.TB, name string, frames []*live.Frame) {
	t.Helper()
	checkTimes(t, name, frames)
	const tolerance = 3 // the film begins anew
	last := int64(-1)
	for _, f := range mediaOf(frames, live.KindVideo) {
		if gap := f.Time - last; last >= 0 && gap > tolerance*1000/pictureRate {
			t.Errorf("%s: no picture from %d to %d", name, last, f.Time)
		}
		last = f.Time
	}
}

// TestReload reloads under a publisher and an audience, with configurations that can be loaded and some that cannot.
// Nobody may notice.
func TestReload(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	encoder := s.publish(s.url("rtmps", "/live/test"))
	a := s.gather()
	ids := slices.Sorted(maps.Keys(s.awaitClients(a.kinds)))
	unharmed := func(after string) {
		t.Helper()
		goesOn(t, a.everybody()...)
		if now := slices.Sorted(maps.Keys(s.awaitClients(a.kinds))); !slices.Equal(now, ids) {
			t.Errorf("%s the clients are %v, before they were %v", after, now, ids)
		}
		if err := encoder.running(); err != nil {
			t.Fatal(err)
		}
	}
	unharmed("before")
	for i, config := range []string{
		in("app live", "\t\t\tlatency low", "\t\t\tgop_cache 5s 8MiB"),
		with(in("rtmp", "\t\tapp more {\n\t\t}"), "https://localhost", "\theader X-Edited yes"),
		strings.Replace(basic, "segment 1s", "segment 2s\n\t\t\t\twindow 5", 1),
		basic,
	} {
		if output, err := s.reload(config); err != nil {
			t.Fatalf("reload %d: %v\n%s", i, err, output)
		}
		unharmed(fmt.Sprintf("after reload %d", i))
	}
	s.tryBadReloads(unharmed)
	a.check(t)
	const peeks = 3
	s.awaitLog(peeks, line{"msg": "play ended"})
	if n := len(s.log(line{"logger": "rtmp.session"})); n != len(ids)+2*peeks {
		t.Errorf("the log has %d lines about sessions", n)
	}
}

// tryBadReloads reloads what cannot be loaded: each must be refused with a reason and change nothing.
func (s *server) tryBadReloads(unharmed func(after string)) {
	s.t.Helper()
	blocked, other := occupy(s.t), freePorts(s.t, 1)[0]
	// Were one of these in force, nobody could play.
	closed := in("app live", "\t\t\tplay {\n\t\t\t\tdeny all\n\t\t\t}")
	misspelt := with(closed, "app live", "\t\t\tlatencyy low")
	for _, bad := range []struct{ name, config, why string }{
		{"unknown directive", misspelt, s.config + ":" + lineOf(misspelt, "latencyy")},
		{"RTMP port in use", with(closed, "rtmp", fmt.Sprintf("\t\tserver :%d\n\t\tserver :%d", other, blocked)), ":" + strconv.Itoa(blocked)},
		{"HTTP port in use", closed + fmt.Sprintf("http://localhost:%d {\n\trespond hello\n}\n", blocked), ":" + strconv.Itoa(blocked)},
	} {
		output, err := s.reload(bad.config)
		if err == nil || !strings.Contains(output, bad.why) {
			s.t.Errorf("%s: %v\n%s", bad.name, err, output)
		}
		if conn, err := net.Dial("tcp", s.address(other)); err == nil {
			conn.Close()
			s.t.Errorf("%s: a listener of the failed configuration is open", bad.name)
		}
		s.peek("/live/test.flv")
		unharmed("after " + bad.name)
	}
}

// peek checks that a stream can be played, and leaves.
func (s *server) peek(path string) {
	s.t.Helper()
	resp, err := get(s.t.Context(), s.browser(http1), http1, s.url("http", path))
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		s.t.Errorf("%s is answered %s", path, resp.Status)
	}
}

// occupy listens on a port of its own, as a program does that shares it with nobody.
func occupy(t testing.TB) (port int) {
	t.Helper()
	port = freePorts(t, 1)[0]
	ln, err := net.Listen("tcp", ":"+strconv.Itoa(port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return port
}

// TestStop stops a server with an audience, one of whom does not read. It must end within the grace, and all others
// must see a clean end.
func TestStop(t *testing.T) {
	t.Parallel()
	const grace = 5 * time.Second
	s := serve(t, basic)
	encoder := s.publish(s.url("rtmp", "/live/test"))
	a := s.gather()
	stuck := s.stuck("/live/test.flv")
	a.kinds["flv-play"]++
	s.awaitClients(a.kinds)
	goesOn(t, a.everybody()...)

	began := time.Now()
	if output, err := s.caddy("stop"); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if err := s.wait(t, patience); err != nil {
		t.Errorf("caddy ended with %v", err)
	}
	if took := time.Since(began); took > grace+time.Second {
		t.Errorf("stopping took %s", took)
	}
	for _, v := range slices.Concat(a.flv, a.ts) {
		v.ended(t, time.Second)
	}
	for _, w := range a.rtmp {
		err := w.ended(t, time.Second)
		if status, ok := errors.AsType[*rtmpapp.StatusError](err); !ok || status.Description != "server is shutting down" {
			t.Errorf("%s ended with %v", w.name, err)
		}
	}
	if err := encoder.wait(t, time.Second); err == nil {
		t.Error("the encoder did not hear that the server has gone")
	}
	stuck.Close()
	s.checkEnds(len(a.everybody()) + 2)
}

// stuck asks for a stream and does not read the answer.
func (s *server) stuck(path string) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address(s.http))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if tcp, ok := conn.(*net.TCPConn); !ok || tcp.SetReadBuffer(4<<10) != nil {
		s.t.Fatal("the system's buffer cannot be made small")
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// checkEnds checks that the log tells of the ends of n sessions, and as many beginnings.
func (s *server) checkEnds(n int) {
	s.t.Helper()
	begins := len(s.log(line{"msg": "play started"})) + len(s.log(line{"msg": "publish started"}))
	ends := len(s.log(line{"msg": "play ended"})) + len(s.log(line{"msg": "publish ended"}))
	if begins != n || ends != n {
		s.t.Errorf("the log has %d beginnings and %d ends of %d sessions", begins, ends, n)
	}
}
