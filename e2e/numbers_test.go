package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// connectionLog is a global option by which the log tells of each RTMP connection's bytes.
const connectionLog = `log connections {
	output stderr
	format json
	level DEBUG
	include rtmp.connection
}
`

// A sums is what the API tells of all clients together.
type sums struct{ clients, stream, vhost, server int64 }

// sums returns what was sent: to the clients that there are, of the stream, of the vhost and in all.
func (s *server) sums(stream string) (sum sums) {
	s.t.Helper()
	var answer struct {
		Clients []clientRow
		Streams []streamRow
		Vhosts  []struct {
			Clients, Streams int
			Sent             int64 `json:"send_bytes"`
		}
		Data struct {
			System struct {
				Sent int64 `json:"srs_send_bytes"`
			}
		}
	}
	for _, path := range []string{"/clients/?count=1000", "/streams/?count=1000", "/vhosts/", "/summaries"} {
		if err := s.api(http.MethodGet, path, &answer); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, row := range answer.Clients {
		sum.clients += row.Sent
	}
	for _, row := range answer.Streams {
		if row.Name == stream {
			sum.stream = row.Sent
		}
	}
	for _, row := range answer.Vhosts {
		sum.vhost += row.Sent
	}
	sum.server = answer.Data.System.Sent
	return sum
}

// count returns how many clients the API tells of: by the list, by the vhosts, and on the stream.
func (s *server) count(stream string) (list, vhosts, onStream int) {
	s.t.Helper()
	var answer struct {
		Total   int
		Streams []streamRow
		Vhosts  []struct{ Clients int }
	}
	for _, path := range []string{"/streams/?count=1000", "/vhosts/", "/clients/?count=1"} {
		if err := s.api(http.MethodGet, path, &answer); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, row := range answer.Vhosts {
		vhosts += row.Clients
	}
	for _, row := range answer.Streams {
		if row.Name == stream {
			onStream = row.Clients
		}
	}
	return answer.Total, vhosts, onStream
}

// awaitCount waits until the API tells of so many clients everywhere.
func (s *server) awaitCount(stream string, want int) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%d clients", want), func() error {
		list, vhosts, onStream := s.count(stream)
		if list != want || vhosts != want || onStream != want {
			return fmt.Errorf("there are %d on the list, %d of vhosts, %d of the stream", list, vhosts, onStream)
		}
		return nil
	})
}

// checkRows compares what the log says of the end of each member with what it has received.
func (s *server) checkRows(members []*member, check func(m *member, counted int64)) {
	s.t.Helper()
	for _, m := range members {
		l := s.awaitLog(1, line{"msg": "play ended", "user_agent": m.name})[0]
		counted, _ := l["bytes_sent"].(float64)
		check(m, int64(counted))
	}
}

// exactly is a check that both are the same.
func exactly(t testing.TB) func(m *member, counted int64) {
	return func(m *member, counted int64) {
		t.Helper()
		if got := m.got.Load(); counted != got {
			t.Errorf("%s has received %d bytes, %d were counted", m.name, got, counted)
		}
	}
}

// everyWay is a hundred viewers of FLV over all that HTTP comes by, and some of other formats.
var everyWay = []wish{
	{kind: "flv-http", scheme: "http", version: http1, ending: ".flv", count: 40},
	{kind: "flv-https1", scheme: "https", version: http1, ending: ".flv", count: 30},
	{kind: "flv-https2", scheme: "https", version: http2, ending: ".flv", count: 25},
	{kind: "flv-https3", scheme: "https", version: h3, ending: ".flv", count: 5},
	{kind: "flv-socket", scheme: "https", version: http1, ending: ".flv", count: 5, socket: true},
	{kind: "ts", scheme: "http", version: http1, ending: ".ts", count: 3},
	{kind: "aac", scheme: "https", version: http2, ending: ".aac", count: 2},
}

// TestNumbers counts what viewers receive whom the server ends, because they are kicked or the publisher has left: it is
// what the API tells of them, of the stream, of the vhost and of the server, to the byte.
func TestNumbers(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	encoder := s.publish(s.url("rtmp", "/live/test"))
	const seen = 40 << 10

	// Kicked, while the publisher goes on.
	members := append(s.crowd("kicked", "test", everyWay...), s.curls("kicked", "test")...)
	for i := range 4 {
		members = append(members, s.hlsMember(i, 1+i%2, s.url("https", "/live/test.m3u8")))
	}
	await(t, members[:100], seen)
	s.awaitCount("test", len(members)+1)
	for _, m := range members[len(members)-4:] {
		<-m.done // which rests
	}
	s.kickAll("flv-play", "hls-play")
	sum := gather(t, members, true)
	s.awaitCount("test", 1)
	s.checkRows(members, exactly(t))
	if got := s.sums("test"); got != (sums{0, sum, sum, sum}) {
		t.Errorf("the kicked have received %d bytes, the API tells of %+v", sum, got)
	}

	// Those whose publisher leaves.
	rest := append(s.crowd("left", "test", everyWay...), s.curls("left", "test")...)
	await(t, rest[:100], seen)
	s.awaitCount("test", len(rest)+1)
	if err := encoder.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	sum += gather(t, rest, true)
	s.awaitCount("test", 0)
	s.checkRows(rest, exactly(t))
	if got := s.sums("test"); got != (sums{0, 0, sum, sum}) {
		t.Errorf("all have received %d bytes, the API tells of %+v", sum, got)
	}
	t.Logf("%d viewers have received %d bytes", len(members)+len(rest), sum)

	for range 3 { // who publishes again is one client, and none when it has left
		encoder := s.publish(s.url("rtmp", "/live/test"))
		s.awaitCount("test", 1)
		encoder.stop(t)
		s.awaitCount("test", 0)
	}
	if got := s.sums("test"); got != (sums{0, 0, sum, sum}) {
		t.Errorf("after publishing again the API tells of %+v, before it was %d", got, sum)
	}
}

// curls are viewers by curl, over HTTP, HTTPS and HTTP/2.
func (s *server) curls(name, stream string) []*member {
	s.t.Helper()
	return []*member{
		s.curlMember(name+"-curl", 0, s.url("http", "/live/"+stream+".flv")),
		s.curlMember(name+"-curl", 1, s.url("https", "/live/"+stream+".flv"), "--http1.1"),
		s.curlMember(name+"-curl", 2, s.url("https", "/live/"+stream+".flv"), "--http2"),
		s.curlMember(name+"-curl", 3, s.url("https", "/live/"+stream+".ts"), "--http2"),
	}
}

// kickAll ends all clients of some types.
func (s *server) kickAll(kinds ...string) {
	s.t.Helper()
	var answer struct{ Clients []clientRow }
	if err := s.api(http.MethodGet, "/clients/?count=1000", &answer); err != nil {
		s.t.Fatal(err)
	}
	for _, row := range answer.Clients {
		for _, kind := range kinds {
			if row.Type == kind {
				s.kick(row.ID)
			}
		}
	}
}

// TestNumbersOfRTMP counts what comes to RTMP viewers over the wire. What is counted for each is all of it but the
// handshake, the answers to its commands and the reason of its end, which are the same for all; the connection counts all.
func TestNumbersOfRTMP(t *testing.T) {
	t.Parallel()
	s := serve(t, strings.Replace(basic, "\trtmp {", connectionLog+"\trtmp {", 1))
	encoder := s.publish(s.url("rtmp", "/live/test"))
	end := map[string]func(){
		"kicked":       func() { s.kickAll("rtmp-play") },
		"stream ended": func() { encoder.stop(t) },
	}
	const handshake = 1 + 2*1536
	var sum int64
	for _, reason := range []string{"kicked", "stream ended"} {
		var members []*rtmpMember
		for range 5 {
			members = append(members, s.rtmpMember("test"))
		}
		for _, m := range members {
			goesOn(t, m)
		}
		end[reason]()
		besides := make(map[int64]bool)
		for _, m := range members {
			_ = m.ended(t, patience)
			connection := s.awaitLog(1, line{"msg": "connection ended", "remote": m.remote()})[0]
			session := s.awaitLog(1, line{"msg": "play ended", "remote": m.remote()})[0]
			if session["reason"] != reason {
				t.Errorf("the viewer has ended: %v", session["reason"])
			}
			all, _ := connection["bytes_sent"].(float64)
			media, _ := session["bytes_sent"].(float64)
			eventually(t, "all bytes have come", func() error {
				if got := m.relay.answers.Len(); int64(got) != int64(all) {
					return fmt.Errorf("%d bytes have come, %d were counted", got, int64(all))
				}
				return nil
			})
			besides[int64(all-media)] = true
			sum += int64(media)
		}
		for n := range besides {
			if len(besides) > 1 || n <= handshake || n > handshake+1500 {
				t.Errorf("beside the stream, viewers that end for the reason %q receive %v bytes", reason, besides)
			}
		}
	}
	s.awaitCount("test", 0)
	if got := s.sums("test"); got != (sums{0, 0, sum, sum}) {
		t.Errorf("all have received %d bytes, the API tells of %+v", sum, got)
	}
}
