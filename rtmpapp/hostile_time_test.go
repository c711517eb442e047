package rtmpapp_test

import (
	"encoding/binary"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// trickle writes one byte per second until the connection ends.
func trickle(c net.Conn, b []byte) {
	for i := range b {
		if _, err := c.Write(b[i : i+1]); err != nil {
			return
		}
		pass(time.Second)
	}
}

// Who says little by little, or nothing more, is waited for no longer than who says nothing.
func TestSlowPeers(t *testing.T) {
	long := chunks(wire.Command(0, "x", 0, nil, string(make([]byte, 1000))))
	for name, c := range map[string]struct {
		reach func(c net.Conn)
		limit time.Duration
	}{
		"in the handshake": {func(c net.Conn) { trickle(c, append([]byte{3}, make([]byte, 2000)...)) }, 5 * time.Second},
		"in C2": {func(c net.Conn) {
			_, _ = c.Write(append([]byte{3}, make([]byte, 1600)...))
			trickle(c, make([]byte, 900))
		}, 5 * time.Second},
		"in connect":              {func(c net.Conn) { _ = wire.Connect(c); trickle(c, chunks(connectTo("live"))) }, 10 * time.Second},
		"in a command":            {func(c net.Conn) { open(c); trickle(c, long) }, 10 * time.Second},
		"in many commands":        {func(c net.Conn) { open(c); trickle(c, long); trickle(c, long) }, 10 * time.Second},
		"nothing after connect":   {open, 10 * time.Second},
		"nothing after a message": {func(c net.Conn) { open(c); _, _ = c.Write(chunks(wire.Command(0, "createStream", 2, nil))) }, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			timed(t, nil, func(t *testing.T, w *world) {
				ours, theirs := net.Pipe()
				begun := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() { c.reach(ours) })
				_ = w.ServeConn(theirs)
				near(t, "the end", time.Since(begun), c.limit)
				_ = ours.Close()
				wg.Wait()
			})
		})
	}
}

// open shakes hands and connects, and from then on takes what comes.
func open(c net.Conn) {
	if wire.Connect(c) != nil {
		return
	}
	_, _ = c.Write(chunks(connectTo("live")))
	go func() {
		b := make([]byte, 4096)
		for {
			if _, err := c.Read(b); err != nil {
				return
			}
		}
	}()
}

// A publisher whose message never becomes whole is as silent as one that says nothing.
func TestTricklingPublisher(t *testing.T) {
	timed(t, func(r *live.Rules) { r.IdleTimeout = 7 * time.Second }, func(t *testing.T, w *world) {
		p := w.peer().publish("demo")
		p.say(media(livetest.VideoConfig()), media(livetest.Video(0)))
		begun := time.Now()
		var wg sync.WaitGroup
		defer wg.Wait()
		part := head(6, wire.TypeVideo, 1000, make([]byte, 120))
		wg.Go(func() { trickle(p.conn, part) })
		p.hearStatus("NetStream.Publish.Rejected")
		near(t, "the end", time.Since(begun), 7*time.Second)
		_ = p.conn.Close()
		p.hearEnd()
	})
}

// A clock writes the pictures of a publisher in one of the forms that there are of late times.
type clock func(b []byte, n int, time uint32, body []byte) []byte

// absolute has a header of type 0 for each picture.
func absolute(onEveryChunk bool) clock {
	return func(b []byte, _ int, time uint32, body []byte) []byte {
		return late(b, 0, time, body, onEveryChunk)
	}
}

// relative has one for the first, and then the time since the one before.
func relative(b []byte, n int, time uint32, body []byte) []byte {
	if n == 0 {
		return late(b, 0, time, body, true)
	}
	return late(b, 1, livetest.FrameInterval, body, true)
}

// cut24 knows no more than the 24 bits of the header.
func cut24(b []byte, _ int, time uint32, body []byte) []byte {
	return late(b, 0, time&0xffffff, body, true)
}

// late appends a video message in chunks of 128 bytes.
func late(b []byte, format byte, time uint32, body []byte, onEveryChunk bool) []byte {
	const id = wire.ChunkVideo
	field := min(time, 0xffffff)
	b = append(b, format<<6|id, byte(field>>16), byte(field>>8), byte(field), 0, byte(len(body)>>8), byte(len(body)), wire.TypeVideo)
	if format == 0 {
		b = append(b, 1, 0, 0, 0)
	}
	for i, part := range slices.Collect(slices.Chunk(body, 128)) {
		if i > 0 {
			b = append(b, 3<<6|id)
		}
		if field == 0xffffff && (i == 0 || onEveryChunk) {
			b = binary.BigEndian.AppendUint32(b, time)
		}
		b = append(b, part...)
	}
	return b
}

// A stream goes on where the time stamps of its publisher need more than 24 bits, and where they begin again.
func TestLateTimes(t *testing.T) {
	const pictures, before = 12, 5 * livetest.FrameInterval
	for name, c := range map[string]struct {
		start uint32
		write clock
		leaps int // how much shorter one step may be, in milliseconds
	}{
		"past 24 bits":                               {1<<24 - before, absolute(true), 0},
		"past 24 bits, left out on type 3":           {1<<24 - before, absolute(false), 0},
		"past 24 bits by deltas":                     {1<<24 - before, relative, 0},
		"past 24 bits, of which no more are written": {1<<24 - before, cut24, 20},
		"far past 24 bits":                           {1 << 28, absolute(true), 0},
		"far past 24 bits, left out on type 3":       {1 << 28, absolute(false), 0},
		"far past 24 bits by deltas":                 {1 << 28, relative, 0},
		"past 31 bits":                               {1<<31 - before, absolute(true), 0},
		"past 32 bits":                               {1<<32 - before, absolute(true), 0},
		"past 32 bits, left out on type 3":           {1<<32 - before, absolute(false), 0},
		"past 32 bits by deltas":                     {1<<32 - before, relative, 0},
	} {
		t.Run(name, func(t *testing.T) {
			timed(t, nil, func(t *testing.T, w *world) {
				w.noFaults()
				p := w.peer().publish("demo")
				p.say(media(livetest.VideoConfig()))
				var viewer *peer
				for n := range pictures {
					body := append([]byte{0x27, 1, 0, 0, 0, byte(n)}, make([]byte, 300)...)
					if n == 0 {
						body[0] = 0x17
					}
					at := c.start + uint32(n*livetest.FrameInterval)
					if _, err := p.conn.Write(c.write(nil, n, at, body)); err != nil {
						t.Fatal(err)
					}
					if n == 0 {
						viewer = w.peer().play("demo")
					}
					pass(livetest.FrameInterval * time.Millisecond)
				}
				for n := range pictures {
					m, ok := viewer.next()
					for ok && (m.Type != wire.TypeVideo || m.Body[1] != 1) {
						m, ok = viewer.next()
					}
					if !ok {
						t.Fatal("the viewer has lost the stream")
					}
					equal(t, "picture", m.Body[5], byte(n))
					// What does not wrap by itself is a leap to be repaired, at a step that has to be guessed.
					if d := int(m.Time) - n*livetest.FrameInterval; d != 0 && (c.leaps == 0 || n < 5 || d < -c.leaps || d > 0) {
						t.Errorf("picture %d is at %d", n, m.Time)
					}
				}
			})
		})
	}
}
