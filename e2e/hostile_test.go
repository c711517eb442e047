package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// The bounds of TestHostilePeers, small enough to be gone beyond.
const (
	allConnections  = 120
	perAddress      = 40
	unauthenticated = 10
)

// TestHostilePeers attacks the server from several addresses while a good publisher is on air. The server turns away what
// is beyond its bounds, serves the others, and in the end holds no more memory, descriptors or goroutines than before. The
// viewers of the good publisher have missed no frame.
func TestHostilePeers(t *testing.T) {
	t.Parallel()
	s := serve(t, in("rtmp", fmt.Sprint("max_connections ", allConnections, perAddress, unauthenticated), "handshake_timeout 3s"))
	g := s.broadcast()
	before := s.load()

	s.flood("127.0.0.2")
	s.flood("127.0.0.3")
	s.tryOddPeers("127.0.0.4")
	s.tryUnauthenticated("127.0.0.5")
	s.tryPlayers("127.0.0.6")
	s.tryAll()

	s.awaitLoad(before)
	g.finish()
	refused := s.log(line{"logger": "rtmp", "level": "warn"})
	if len(refused) == 0 || len(refused) > 10 {
		t.Errorf("%d lines of the log tell of refused connections", len(refused))
	}
}

// dialFrom connects from an address of this machine. The connection is closed at the end of the test at the latest.
func (s *server) dialFrom(address string) net.Conn {
	s.t.Helper()
	dialer := &net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	conn, err := dialer.DialContext(s.t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(s.rtmp))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// greetFrom connects and shakes hands. The error is that of the handshake.
func (s *server) greetFrom(address string) (net.Conn, error) {
	s.t.Helper()
	conn := s.dialFrom(address)
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn, wire.Connect(conn)
}

func message(msgType uint8, body []byte) []byte {
	return wire.AppendMessage(nil, wire.ChunkCommand, wire.Message{Type: msgType, Stream: 1, Body: body}, 128)
}

func commands(list ...wire.Message) (b []byte) {
	for _, m := range list {
		b = wire.AppendMessage(b, wire.ChunkCommand, m, 128)
	}
	return b
}

var connectLive = wire.Command(0, "connect", 1, wire.Object{{Key: "app", Value: "live"}})

// flood sends 240 MiB of unfinished messages over 200 chunk streams, on as many connections at once as may be.
func (s *server) flood(address string) {
	s.t.Helper()
	var busy sync.WaitGroup
	for range unauthenticated {
		conn, err := s.greetFrom(address)
		if err != nil {
			s.t.Fatal(err)
		}
		busy.Go(func() {
			defer conn.Close()
			const part, parts = 60 << 10, 4096
			_, err := conn.Write(commands(connectLive, wire.Control(wire.TypeSetChunkSize, part)))
			taken := 0
			for n := 0; n < parts && err == nil; n++ {
				id := n % 200
				b := []byte{3 << 6, byte(id)}
				if n < 200 {
					b = []byte{0, byte(id), 0, 0, 0, 0x13, 0, 0, wire.TypeVideo, 1, 0, 0, 0}
				}
				_, err = conn.Write(append(b, make([]byte, part)...))
				taken += part
			}
			// The system takes some megabytes more than the server does.
			if taken > 64<<20 {
				s.t.Errorf("%d bytes of a flood were taken", taken)
			}
		})
	}
	busy.Wait()
}

// tryOddPeers says what has ended servers, each on a connection of its own.
func (s *server) tryOddPeers(address string) {
	s.t.Helper()
	bomb := []byte("\x0a\x7f\xff\xff\xff")
	amf := func(values ...any) []byte { return wire.AppendAMF0(nil, values...) }
	open := commands(connectLive)
	for _, say := range [][]byte{
		message(wire.TypeCommandAMF0, append(amf("connect", 1), bomb...)),
		message(wire.TypeCommandAMF0, append(amf("anything", 1), bomb...)),
		message(wire.TypeCommandAMF0, append(amf("connect", 1), bytes.Repeat([]byte("\x0a\x00\x00\x00\x01"), 12_000)...)),
		append([]byte{3, 0, 0, 0, 0xff, 0xff, 0xff, wire.TypeCommandAMF0, 0, 0, 0, 0}, make([]byte, 1<<20)...),
		slices.Concat(open, commands(wire.Command(0, "deleteStream", 0, nil, "x"), wire.Command(1, "publish", 0, nil, nil))),
		slices.Concat(open, message(wire.TypeAggregate, []byte("\x16\x00\xff\xff")), message(19, nil), message(99, []byte("x"))),
		slices.Concat(open, commands(wire.Control(wire.TypeSetChunkSize, 0))),
		slices.Concat(open, commands(wire.UserControl(31, 1), wire.Control(wire.TypeWindowAckSize, 0), wire.Control(wire.TypeAbort, 9))),
		[]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		bytes.Repeat([]byte{0xff}, 4096),
	} {
		conn, err := s.greetFrom(address)
		if err != nil {
			s.t.Fatal(err)
		}
		_, _ = conn.Write(say) // it may be ended before it has said all
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = io.Copy(io.Discard, conn)
		conn.Close()
	}
	for _, path := range []string{"ffmpeg", "gstreamer", "obs"} {
		session := readFile(s.t, "../rtmpapp/testdata/sessions/"+path+".bin")
		for i := range 20 {
			conn := s.dialFrom(address)
			_, _ = conn.Write(session[:len(session)*i/20])
			if half, ok := conn.(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			_, _ = io.Copy(io.Discard, conn) // to the end
			conn.Close()
		}
	}
}

// isServed tells whether the server says something, which it does to who has shaken hands as to who has not.
func isServed(conn net.Conn) bool {
	_ = conn.SetDeadline(time.Now().Add(patience))
	return wire.Connect(conn) == nil
}

// idle opens a connection and says no more than half of a handshake. It returns nil if the connection is turned away.
func (s *server) idle(address string) net.Conn {
	s.t.Helper()
	conn := s.dialFrom(address)
	_, _ = conn.Write(append([]byte{3}, make([]byte, 1536)...))
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		conn.Close()
		return nil
	}
	return conn
}

// tryUnauthenticated opens more connections of one address that do nothing than there may be. Time ends them.
func (s *server) tryUnauthenticated(address string) {
	s.t.Helper()
	var all []net.Conn
	for conn := s.idle(address); conn != nil; conn = s.idle(address) {
		all = append(all, conn)
	}
	if len(all) != unauthenticated {
		s.t.Errorf("%d connections that do nothing are served", len(all))
	}
	if err := s.greetOnce("127.0.0.50"); err != nil {
		s.t.Errorf("another address: %v", err)
	}
	for _, conn := range all {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			s.t.Error("a connection that does nothing is kept")
		}
	}
	eventually(s.t, "there is room again", func() error { return s.greetOnce(address) })
}

// greetOnce tells whether a connection from an address is served.
func (s *server) greetOnce(address string) error {
	conn := s.dialFrom(address)
	defer conn.Close()
	if !isServed(conn) {
		return errors.New("it is turned away")
	}
	return nil
}

// tryPlayers plays on as many connections of one address as there may be; each takes nothing of what comes.
func (s *server) tryPlayers(address string) {
	s.t.Helper()
	play := func() net.Conn {
		conn, err := s.greetFrom(address)
		if err != nil {
			conn.Close()
			return nil
		}
		_, _ = conn.Write(commands(connectLive, wire.Command(0, "createStream", 2, nil), wire.Command(1, "play", 3, nil, "good")))
		if !says(conn, "NetStream.Play.Start") {
			s.t.Error("a player is not admitted")
		}
		return conn
	}
	var players []net.Conn
	for range perAddress {
		conn := play()
		if conn == nil {
			s.t.Fatalf("the player after %d is turned away", len(players))
		}
		players = append(players, conn)
	}
	if play() != nil {
		s.t.Error("one more is served")
	}
	for _, conn := range players {
		conn.Close()
	}
	eventually(s.t, "there is room again", func() error {
		if conn := play(); conn != nil {
			return conn.Close()
		}
		return errors.New("it is turned away")
	})
}

// says reads until the server has said a text.
func says(conn net.Conn, text string) bool {
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	var seen []byte
	b := make([]byte, 4096)
	for {
		n, err := conn.Read(b)
		if seen = append(seen, b[:n]...); bytes.Contains(seen, []byte(text)) {
			return true
		}
		if err != nil {
			return false
		}
	}
}

// tryAll opens connections from many addresses until there are too many.
func (s *server) tryAll() {
	s.t.Helper()
	var all []net.Conn
	next := func() net.Conn { return s.idle("127.0.1." + strconv.Itoa(1+len(all)/unauthenticated)) }
	for conn := next(); conn != nil; conn = next() {
		all = append(all, conn)
	}
	// The broadcast has two more, and those of the players may not all be gone.
	if n := len(all); n < allConnections-unauthenticated || n > allConnections-2 {
		s.t.Errorf("%d connections are served in all", n)
	}
	for _, conn := range all {
		conn.Close()
	}
	eventually(s.t, "there is room again", func() error { return s.greetOnce("127.0.0.51") })
}

// TestBoundsBehindProxy: the addresses that a proxy tells are those that count, one by one.
func TestBoundsBehindProxy(t *testing.T) {
	t.Parallel()
	s := serve(t, with(guarded(), "rtmp", "max_connections off 2"))
	come := func(address string) bool {
		conn := s.dialFrom("127.0.0.1")
		if _, err := io.WriteString(conn, proxied(address)); err != nil {
			t.Fatal(err)
		}
		return isServed(conn)
	}
	for i, want := range []bool{true, true, false, false} {
		if come("198.51.100.7") != want {
			t.Errorf("connection %d of an address: served is %t", i+1, !want)
		}
	}
	if !come("198.51.100.8") {
		t.Error("another address is turned away")
	}
}
