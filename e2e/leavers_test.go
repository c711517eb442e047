package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

// A stuckViewer has begun to read a stream, over HTTP/1.1 and a socket of its own, and reads no more.
type stuckViewer struct {
	name string
	conn *net.TCPConn
	got  int64 // body bytes
}

func (s *server) stuckViewer(name string) *stuckViewer {
	s.t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.http))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	v := &stuckViewer{name: name}
	v.conn, _ = conn.(*net.TCPConn)
	if _, err := fmt.Fprintf(conn, "GET /live/test.flv HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n\r\n", s.address(s.http), name); err != nil {
		s.t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%v, %v", resp, err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, 1000)); err != nil {
		s.t.Fatal(err)
	}
	v.got = 1000 + int64(r.Buffered())
	return v
}

// held returns how many bytes wait in the system, on both sides of the connection.
func (v *stuckViewer) held(t testing.TB) (sum int64) {
	t.Helper()
	local, _ := v.conn.LocalAddr().(*net.TCPAddr)
	remote, _ := v.conn.RemoteAddr().(*net.TCPAddr)
	here, there := fmt.Sprintf("%04X", local.Port), fmt.Sprintf("%04X", remote.Port)
	ends := 0
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for text := range strings.Lines(string(b)) {
			f := strings.Fields(text)
			if len(f) < 5 {
				continue
			}
			_, own, _ := strings.Cut(f[1], ":")
			_, other, _ := strings.Cut(f[2], ":")
			if own+other != here+there && own+other != there+here {
				continue
			}
			ends++
			for queue := range strings.SplitSeq(f[4], ":") { // what was sent and not taken, what has come and was not read
				n, err := strconv.ParseInt(queue, 16, 64)
				if err != nil {
					t.Fatal(err)
				}
				sum += n
			}
		}
	}
	if ends != 2 {
		t.Fatalf("the system knows %d ends of the connection", ends)
	}
	return sum
}

// TestNumbersOfLeavers counts what viewers receive who leave by themselves. While the publisher is held, what was counted
// is what they have read and what waits in the system for them to read, to the byte. For those who leave while the stream
// flows it is at least what they have read.
func TestNumbersOfLeavers(t *testing.T) {
	t.Parallel()
	s := serve(t, in("app live", "idle_timeout 1m"))
	encoder := s.publish(s.url("rtmp", "/live/test"))
	members := s.crowd("held", "test", everyWay...)
	var stuck []*stuckViewer
	for i := range 3 {
		stuck = append(stuck, s.stuckViewer(fmt.Sprintf("stuck-%d", i)))
	}
	await(t, members[:100], 150<<10)
	encoder.freeze()
	t.Cleanup(encoder.thaw)
	eventually(t, "what was counted has come, or waits", func() error {
		var sum int64
		for _, m := range members {
			sum += m.got.Load()
		}
		for _, v := range stuck {
			sum += v.got + v.held(t)
		}
		if got := s.sums("test"); got != (sums{sum, sum, sum, sum}) {
			return fmt.Errorf("%d bytes, the API tells of %+v", sum, got)
		}
		return nil
	})
	for _, v := range stuck {
		want := v.got + v.held(t)
		if want < 16<<10 {
			t.Errorf("%s holds only %d bytes", v.name, want)
		}
		v.conn.Close()
		l := s.awaitLog(1, line{"msg": "play ended", "user_agent": v.name})[0]
		if counted, _ := l["bytes_sent"].(float64); int64(counted) != want {
			t.Errorf("%s held %d bytes, %.0f were counted", v.name, want, counted)
		}
	}
	leave(members)
	gather(t, members, false)
	s.checkRows(members, exactly(t))
	s.awaitCount("test", 1)

	encoder.thaw()
	members = s.crowd("leaver", "test", everyWay...)
	await(t, members[:100], 40<<10)
	leave(members)
	gather(t, members, false)
	s.checkRows(members, func(m *member, counted int64) {
		// Nobody of them has been slow, so little was on its way.
		if got := m.got.Load(); counted < got || counted > got+512<<10 {
			t.Errorf("%s has received %d bytes, %d were counted", m.name, got, counted)
		}
	})
	s.awaitCount("test", 1)
}

// leave lets all members go.
func leave(members []*member) {
	for _, m := range members {
		m.quit()
	}
}
