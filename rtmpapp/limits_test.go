package rtmpapp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// limit puts bounds in force for the connections that follow.
func (w *world) limit(l rtmpapp.Limits) { w.Limits = func() rtmpapp.Limits { return l } }

// caller is a connection that comes from somewhere.
type caller struct {
	net.Conn
	remote, local net.Addr
}

func (c *caller) RemoteAddr() net.Addr { return c.remote }
func (c *caller) LocalAddr() net.Addr  { return c.local }

func tcp(address string) net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 50_000))
}

// odd is an address of a network that nobody knows.
type odd string

func (o odd) Network() string { return string(o) }
func (o odd) String() string  { return "somewhere" }

// call connects from an address. The connection is served; whether it was turned away is seen by turnedAway.
func (w *world) call(from net.Addr) net.Conn {
	w.t.Helper()
	ours, theirs := net.Pipe()
	go func() { _ = w.ServeConn(&caller{Conn: theirs, remote: from, local: tcp("192.0.2.1")}) }()
	w.t.Cleanup(func() { _ = ours.Close() })
	return ours
}

// turnedAway tells whether the server has closed a connection, all of which must stand still.
func turnedAway(c net.Conn) bool {
	synctest.Wait()
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

func TestConnectionsOfAnAddress(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits rtmpapp.Limits
		others []net.Addr // have a connection each
		from   net.Addr
		away   bool
	}{
		{"the last that may be", rtmpapp.Limits{PerAddress: 2}, []net.Addr{tcp("192.0.2.7")}, tcp("192.0.2.7"), false},
		{"one too many", rtmpapp.Limits{PerAddress: 2}, []net.Addr{tcp("192.0.2.7"), tcp("192.0.2.7")}, tcp("192.0.2.7"), true},
		{"another address", rtmpapp.Limits{PerAddress: 1}, []net.Addr{tcp("192.0.2.7")}, tcp("192.0.2.8"), false},
		{"IPv4 in IPv6", rtmpapp.Limits{PerAddress: 1}, []net.Addr{tcp("192.0.2.7")}, tcp("::ffff:192.0.2.7"), true},
		{"one /64", rtmpapp.Limits{PerAddress: 1}, []net.Addr{tcp("2001:db8:1:2::7")}, tcp("2001:db8:1:2:ffff::1"), true},
		{"another /64", rtmpapp.Limits{PerAddress: 1}, []net.Addr{tcp("2001:db8:1:2::7")}, tcp("2001:db8:1:3::7"), false},
		{"with a zone", rtmpapp.Limits{PerAddress: 1}, []net.Addr{tcp("fe80::7%eth0")}, tcp("fe80::7%eth0"), true},
		{"not authenticated", rtmpapp.Limits{UnauthenticatedPerAddress: 1}, []net.Addr{tcp("192.0.2.7")}, tcp("192.0.2.7"), true},
		{"of all", rtmpapp.Limits{Connections: 2}, []net.Addr{tcp("192.0.2.7"), tcp("192.0.2.8")}, tcp("192.0.2.9"), true},
		{"no bound", rtmpapp.Limits{Connections: -1, PerAddress: -1, UnauthenticatedPerAddress: -1}, make([]net.Addr, 60), tcp("192.0.2.9"), false},
		{"the default of those not authenticated", rtmpapp.Limits{}, make([]net.Addr, 50), nil, true},
		{"just below it", rtmpapp.Limits{}, make([]net.Addr, 49), nil, false},
		{"addresses not known are one", rtmpapp.Limits{PerAddress: 1}, []net.Addr{odd("tin")}, odd("can"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			timed(t, nil, func(t *testing.T, w *world) {
				w.limit(c.limits)
				for _, from := range c.others {
					equal(t, "before", turnedAway(w.call(from)), false)
				}
				equal(t, "turned away", turnedAway(w.call(c.from)), c.away)
				_, refused := w.Connections()
				equal(t, "counted", refused == 1, c.away)
			})
		})
	}
}

// Who was admitted makes room for others that were not, and who leaves makes room altogether.
func TestAdmittedMakeRoom(t *testing.T) {
	timed(t, nil, func(t *testing.T, w *world) {
		w.limit(rtmpapp.Limits{PerAddress: 3, UnauthenticatedPerAddress: 1})
		from := tcp("192.0.2.7")
		publisher := newPeer(t, w.call(from)).publish("demo")
		publisher.say(media(livetest.VideoConfig()), media(livetest.Video(0)))
		viewer := newPeer(t, w.call(from)).play("demo")
		waiting := w.call(from)
		equal(t, "the third", turnedAway(waiting), false)
		equal(t, "the fourth", turnedAway(w.call(from)), true)
		_ = viewer.conn.Close()
		viewer.hearEnd()
		equal(t, "while one waits", turnedAway(w.call(from)), true)
		_ = waiting.Close()
		synctest.Wait()
		publisher.say(wire.Command(0, "deleteStream", 0, nil, 1)) // it was admitted once
		w.await(live.EventUnpublish)
		equal(t, "when none does", turnedAway(w.call(from)), false)
	})
}

// Connections of a listener obey the bounds too. Those of a Unix socket are counted in all alone.
func TestConnectionsOfAListener(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			w := newWorld(t, nil, nil)
			w.limit(rtmpapp.Limits{Connections: 3, PerAddress: 2})
			address := map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "sock")}[network]
			ln, err := net.Listen(network, address)
			isErr(t, "listen", err, nil)
			w.serve(ln)
			served := 0
			for range 6 {
				conn, err := net.Dial(network, ln.Addr().String())
				isErr(t, "dial", err, nil)
				t.Cleanup(func() { _ = conn.Close() })
				if wire.Connect(conn) == nil {
					served++
				}
			}
			equal(t, "served", served, map[string]int{"tcp": 2, "unix": 3}[network])
		})
	}
}

// Who comes by a Unix socket is on this machine; whose address is not understood is nobody.
func TestRemoteAddresses(t *testing.T) {
	socket := &net.UnixAddr{Name: "@", Net: "unix"}
	for _, c := range []struct {
		remote, local net.Addr
		want          string
	}{
		{tcp("192.0.2.7"), nil, "192.0.2.7:50000"},
		{tcp("::ffff:192.0.2.7"), nil, "192.0.2.7:50000"},
		{tcp("2001:db8::7"), socket, "[2001:db8::7]:50000"},
		{socket, socket, "127.0.0.1:0"},
		{odd("unix"), tcp("127.0.0.1"), "invalid AddrPort"},
		{odd("tcp"), odd("fd"), "invalid AddrPort"},
		{new(net.TCPAddr), tcp("127.0.0.1"), "invalid AddrPort"},
		{nil, nil, "invalid AddrPort"},
	} {
		var remote string
		w := newWorld(t, nil, func(_ context.Context, r *live.Request) (live.Grant, error) {
			remote = r.Remote.String()
			return live.Grant{}, errors.New("enough")
		})
		ours, theirs := net.Pipe()
		go func() { _ = w.ServeConn(&caller{theirs, c.remote, c.local}) }()
		p := newPeer(t, ours).connect()
		p.say(publishing("demo"))
		p.hearEnd()
		equal(t, "remote", remote, c.want)
	}
}

// bashful is a connection whose peer has not told yet for whom it comes, as behind PROXY protocol.
type bashful struct {
	*caller
	once sync.Once
}

func (b *bashful) RemoteAddr() net.Addr {
	b.once.Do(func() { _, _ = b.Read(make([]byte, 1)) })
	return b.remote
}

// A proxy that does not say for whom it comes holds up nobody, and is not waited for longer than for a handshake.
func TestSilentProxy(t *testing.T) {
	timed(t, nil, func(t *testing.T, w *world) {
		ours, theirs := net.Pipe()
		slow := &bashful{caller: &caller{Conn: theirs, remote: tcp("192.0.2.7"), local: tcp("192.0.2.1")}}
		mine, quick := net.Pipe()
		conns := &queue{conns: []net.Conn{slow, &caller{Conn: quick, remote: tcp("192.0.2.8")}}}
		begun := time.Now()
		isErr(t, "Serve", w.Serve(conns), net.ErrClosed)
		newPeer(t, mine).connect()
		equal(t, "the other waited", time.Since(begun), 0)
		_, err := ours.Read(make([]byte, 1))
		isErr(t, "the silent one", err, io.EOF)
		equal(t, "the silent one was waited for", time.Since(begun), 5*time.Second)
		_ = ours.Close()
	})
}

// A queue is a listener to which some have connected.
type queue struct {
	net.Listener
	conns []net.Conn
}

func (q *queue) Addr() net.Addr { return tcp("192.0.2.1") }

func (q *queue) Accept() (net.Conn, error) {
	if len(q.conns) == 0 {
		return nil, net.ErrClosed
	}
	conn := q.conns[0]
	q.conns = q.conns[1:]
	return conn, nil
}

// A flood does not fill the log: it has one line at once, and one in ten seconds after that, which counts the others.
func TestFloodInTheLog(t *testing.T) {
	timed(t, nil, func(t *testing.T, w *world) {
		var log bytes.Buffer
		w.Logger = func() *slog.Logger { return slog.New(slog.NewTextHandler(&log, nil)) }
		w.limit(rtmpapp.Limits{UnauthenticatedPerAddress: 1, Connections: 2, Handshake: time.Hour})
		from := tcp("192.0.2.7")
		equal(t, "turned away", turnedAway(w.call(from)), false)
		for range 100 {
			equal(t, "turned away", turnedAway(w.call(from)), true)
		}
		equal(t, "lines", strings.Count(log.String(), "\n"), 1)
		contains(t, "log", log.String(), "192.0.2.7:50000")
		contains(t, "log", log.String(), "neither publish nor play")
		time.Sleep(10 * time.Second)
		equal(t, "turned away", turnedAway(w.call(tcp("192.0.2.8"))), false)
		equal(t, "turned away", turnedAway(w.call(tcp("192.0.2.9"))), true) // of all
		equal(t, "lines", strings.Count(log.String(), "\n"), 2)
		contains(t, "log", log.String(), "refused_before=99")
	})
}

// What a peer may send is configurable, and more for an admitted publisher.
func TestMessageLimits(t *testing.T) {
	limits := rtmpapp.Limits{Wire: wire.Limits{Command: 500, Media: 1000, ChunkStreams: 4, AMFDepth: 2, AMFValues: 12}, AdmittedMedia: 2000}
	nested := wire.Object{{Key: "a", Value: wire.Object{{Key: "b", Value: wire.Object{}}}}}
	video := func(n int) wire.Message {
		return wire.Message{Type: wire.TypeVideo, Stream: 1, Body: append([]byte{0x17, 1, 0, 0, 0}, make([]byte, n-5)...)}
	}
	for name, c := range map[string]struct {
		admitted bool
		say      wire.Message
		stays    bool
	}{
		"a command":              {false, wire.Command(0, "x", 0, nil, strings.Repeat("x", 400)), true},
		"a longer command":       {false, wire.Command(0, "x", 0, nil, strings.Repeat("x", 500)), false},
		"media":                  {false, video(1000), true},
		"more media":             {false, video(1001), false},
		"admitted":               {true, video(2000), true},
		"admitted, but too long": {true, video(2001), false},
		"nested":                 {false, wire.Command(0, "x", 0, nested.Get("a")), true},
		"values":                 {false, wire.Command(0, "x", 0, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil), true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil, nil)
			w.limit(limits)
			p := w.peer().connect()
			if c.admitted {
				p.say(publishing("demo"))
				p.hear("event 0 1", "1: onStatus 0 <nil> NetStream.Publish.Start{}")
			}
			go func() {
				_, _ = p.conn.Write(chunks(c.say, wire.Command(0, "createStream", 7, nil))) // it may not take all
			}()
			if c.stays {
				p.hear("0: _result 7 <nil> 1")
			} else {
				p.hearEnd()
			}
		})
	}
	for name, first := range map[string]wire.Message{
		"nested too deep": wire.Command(0, "connect", 1, nested),
		"too many values": wire.Command(0, "connect", 1, wire.Object{{Key: "a"}, {Key: "a"}, {Key: "a"}, {Key: "a"}, {Key: "a"}, {Key: "a"}, {Key: "a"}, {Key: "a"}, {Key: "a"}, {Key: "a"}}),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil, nil)
			w.limit(limits)
			p := w.peer()
			p.say(first)
			m, _ := p.next() // the rest was not read
			equal(t, "answer", describe(m), "0: _error 1 <nil> NetConnection.Connect.Rejected{}")
		})
	}
}
