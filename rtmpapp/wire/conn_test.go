package wire_test

import (
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// pipe returns both ends of a connection: ours, and the peer's as a reader of chunks.
func pipe(t *testing.T) (c *wire.Conn, peer net.Conn, said *wire.ChunkReader) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() {
		_ = ours.Close()
		_ = theirs.Close()
	})
	return wire.NewConn(ours, wire.Limits{}), theirs, wire.NewChunkReader(theirs, wire.Limits{})
}

func say(t *testing.T, w io.Writer, chunks ...[]byte) {
	t.Helper()
	if _, err := w.Write(slices.Concat(chunks...)); err != nil {
		t.Error(err)
	}
}

func hear(t *testing.T, r *wire.ChunkReader) string {
	t.Helper()
	m, err := r.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return describe(m)
}

func TestConnPassesMessages(t *testing.T) {
	c, peer, _ := pipe(t)
	go say(t, peer,
		setChunkSize(4096),
		type0(2, 0, 4, wire.TypeAck, 0, "abcd"),
		type0(2, 0, 5, wire.TypeSetPeerBandwidth, 0, "abcde"),
		type0(2, 0, 2, wire.TypeWindowAckSize, 0, "ab"), // cut, and passed over
		type0(2, 0, 2, wire.TypeUserControl, 0, "ab"),   // likewise
		type0(2, 0, 6, wire.TypeUserControl, 0, "\x00\x1fabcd"),
		abort(7),
		type0(4, 1, 1, audio, 1, "a"),
		type0(4, 1, 1, 99, 1, "b"))
	for _, want := range []string{"8/1@1:a", "99/1@1:b"} {
		m, err := c.ReadMessage()
		isErr(t, "read", err, nil)
		equal(t, "message", describe(m), want)
	}
}

func TestConnAnswersPings(t *testing.T) {
	c, peer, said := pipe(t)
	go say(t, peer, type0(2, 0, 6, wire.TypeUserControl, 0, "\x00\x06ABCD"), type0(4, 1, 1, audio, 1, "a"))
	got := make(chan string, 1)
	go func() { got <- hear(t, said) }()
	_, err := c.ReadMessage()
	isErr(t, "read", err, nil)
	equal(t, "pong", <-got, "4/0@0:\x00\x07ABCD")
}

func TestConnAcknowledges(t *testing.T) {
	c, peer, said := pipe(t)
	const message = 12 + 1000
	go func() {
		say(t, peer, setChunkSize(1000), type0(2, 0, 4, wire.TypeWindowAckSize, 0, "\x00\x00\x00\x01")) // too small to obey
		for range 10 {
			say(t, peer, type0(4, 1, 1000, audio, 1, long(1000)))
		}
	}()
	acks := make(chan string, 2)
	go func() {
		acks <- hear(t, said)
		acks <- hear(t, said)
	}()
	for range 10 {
		_, err := c.ReadMessage()
		isErr(t, "read", err, nil)
	}
	// The control messages take 32 bytes; a window is 4 KiB at least.
	equal(t, "first", <-acks, "3/0@0:"+string(be32(32+5*message)))
	equal(t, "second", <-acks, "3/0@0:"+string(be32(32+10*message)))
}

// A window that cannot be meant leaves the one in force, which is of 2.5 MB.
func TestConnKeepsItsWindow(t *testing.T) {
	const half = 1_250_000
	for _, window := range []string{"\x00\x00\x00\x00", "\xff\xff\xff\xff", "\x80\x00\x00\x00", "\x00\x01"} {
		c, peer, said := pipe(t)
		go func() {
			say(t, peer, setChunkSize(half), type0(2, 0, len(window), wire.TypeWindowAckSize, 0, window))
			say(t, peer, type0(4, 1, half, audio, 1, long(half)))
			say(t, peer, type0(4, 1, half, audio, 1, long(half)))
		}()
		ack := make(chan string, 1)
		go func() { ack <- hear(t, said) }()
		for range 2 {
			_, err := c.ReadMessage()
			isErr(t, "read", err, nil)
		}
		equal(t, "acknowledged", <-ack, "3/0@0:"+string(be32(uint32(16+12+len(window)+2*(12+half)))))
	}
}

func TestConnWrites(t *testing.T) {
	c, _, said := pipe(t)
	go func() {
		isErr(t, "write", c.Write(
			wire.Control(wire.TypeSetChunkSize, wire.WriteChunkSize),
			wire.Command(1, "x", 0, nil),
			wire.Data(1, long(1000)),
			wire.UserControl(wire.EventStreamBegin, 1),
			wire.SetPeerBandwidth(5)), nil)
		bufs := [][]byte{wire.AppendMessage(nil, wire.ChunkVideo, wire.Message{Type: video, Body: make([]byte, 100_000)}, wire.WriteChunkSize)}
		n, err := c.WriteChunks(bufs, time.Minute)
		isErr(t, "write chunks", err, nil)
		equal(t, "taken", n, 12+100_000+1)
	}()
	for _, want := range []string{"1/0@0:\x00\x00\xea\x60", "20/1@0:<14>", "18/1@0:<1003>", "4/0@0:\x00\x00\x00\x00\x00\x01", "6/0@0:\x00\x00\x00\x05\x02", "9/0@0:<100000>"} {
		equal(t, "message", hear(t, said), want)
	}
}

// sink is a connection that takes everything.
type sink struct{ net.Conn }

func (sink) Write(b []byte) (int, error)      { return len(b), nil }
func (sink) SetWriteDeadline(time.Time) error { return nil }

// A batch costs the collector nothing, however many viewers take it.
func TestWriteChunksAllocatesNothing(t *testing.T) {
	c := wire.NewConn(sink{}, wire.Limits{})
	batch := [][]byte{make([]byte, 100), make([]byte, 1000)}
	equal(t, "allocations", testing.AllocsPerRun(100, func() { _, _ = c.WriteChunks(batch, time.Minute) }), 0)
}

// A write that was cut in a message lets nothing follow; one of which nothing was taken does.
func TestConnCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer, _ := pipe(t)
		_, err := c.WriteChunks([][]byte{[]byte("xyz")}, time.Second)
		isErr(t, "nothing taken", err, os.ErrDeadlineExceeded)
		go func() { _, _ = io.ReadFull(peer, make([]byte, 1)) }()
		n, err := c.WriteChunks([][]byte{[]byte("xyz")}, time.Second)
		isErr(t, "cut", err, os.ErrDeadlineExceeded)
		equal(t, "taken", n, 1)
		begun := time.Now()
		isErr(t, "after the cut", c.Write(wire.Control(wire.TypeAck, 1)), wire.ErrWrite)
		_, err = c.WriteChunks([][]byte{[]byte("xyz")}, time.Second)
		isErr(t, "after the cut", err, wire.ErrWrite)
		equal(t, "at once", time.Since(begun), 0)
	})
}

// A peer that leaves while nobody reads is noticed after a moment, one that says something is not thought to have left,
// and what it said is read later.
func TestConnWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer, _ := pipe(t)
		left := make(chan struct{})
		stop := c.Watch(func() { close(left) })
		_, _ = peer.Write(wire.AppendMessage(nil, wire.ChunkCommand, wire.Control(wire.TypeAck, 1), 128))
		_, _ = peer.Write(wire.AppendMessage(nil, wire.ChunkCommand, wire.Command(0, "x", 0), 128))
		time.Sleep(time.Hour)
		stop()
		stop = c.Watch(func() { close(left) })
		begun := time.Now()
		_ = peer.Close()
		<-left
		equal(t, "noticed", time.Since(begun), time.Second)
		stop()
		m, err := c.ReadMessage()
		isErr(t, "read", err, nil)
		equal(t, "what was said", m.Type, wire.TypeCommandAMF0)
		_, err = c.ReadMessage()
		isErr(t, "the end", err, io.EOF)
	})
}

// A peer that takes nothing is waited for as long as was said, for ever if nothing was.
func TestConnWriteLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer, _ := pipe(t)
		begun := time.Now()
		isErr(t, "reply", c.Write(wire.Control(wire.TypeAck, 1)), os.ErrDeadlineExceeded)
		equal(t, "reply", time.Since(begun), 10*time.Second)

		begun = time.Now()
		_, err := c.WriteChunks([][]byte{[]byte("x")}, 3*time.Second)
		isErr(t, "chunks", err, os.ErrDeadlineExceeded)
		equal(t, "chunks", time.Since(begun), 3*time.Second)

		begun = time.Now()
		go func() {
			time.Sleep(time.Hour)
			_, _ = io.ReadFull(peer, make([]byte, 1))
		}()
		_, err = c.WriteChunks([][]byte{[]byte("x")}, 0)
		isErr(t, "without limit", err, nil)
		equal(t, "without limit", time.Since(begun), time.Hour)
	})
}

func TestConnInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer, said := pipe(t)
		go func() {
			time.Sleep(time.Second)
			c.Interrupt()
		}()
		_, err := c.WriteChunks([][]byte{[]byte("x")}, 0)
		isErr(t, "under way", err, os.ErrDeadlineExceeded)
		_, err = c.WriteChunks([][]byte{[]byte("x")}, time.Minute)
		isErr(t, "later", err, os.ErrDeadlineExceeded)
		go func() { isErr(t, "messages", c.Write(wire.Control(wire.TypeAck, 1)), nil) }()
		equal(t, "message", hear(t, said), "3/0@0:\x00\x00\x00\x01")
		_ = peer.Close()
	})
}

func TestConnEnds(t *testing.T) {
	c, peer, _ := pipe(t)
	c.SetLimits(wire.Limits{Media: 10})
	go say(t, peer, type0(4, 1, 11, audio, 1, ""))
	_, err := c.ReadMessage()
	isErr(t, "beyond the limits", err, wire.ErrProtocol)
	equal(t, "bytes read", c.BytesRead(), 12)

	c, peer, _ = pipe(t)
	_ = peer.Close()
	_, err = c.ReadMessage()
	isErr(t, "the peer has left", err, io.EOF)
}
