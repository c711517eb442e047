package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// What we tell a peer, and how long it may take to take a reply. Large chunks cost least on both sides.
const (
	WriteChunkSize = 60000
	WindowSize     = 2_500_000
	replyTimeout   = 10 * time.Second
	minWindow      = 4 << 10 // who wants an acknowledgement for less gets one for so much
	maxWindow      = 1 << 31 // a number that is negative to others; nobody means to wait that long
)

// A Conn is a connection after its handshake: it reads and writes messages, acknowledges what it reads and answers pings.
// One goroutine may read while any number write.
type Conn struct {
	conn    net.Conn
	backlog *backlog
	reader  *ChunkReader

	window int64 // acknowledge after so many bytes
	acked  int64

	interrupted atomic.Bool
	written     atomic.Int64

	mu        sync.Mutex // orders the writes; it is held around a socket write, but nobody waits for it to read or to end
	chunkSize int
	cut       bool // a write has ended within a message, so nothing can follow
	buf       []byte
	bufs      [][]byte // what WriteChunks writes; kept for its room
	rest      net.Buffers
}

// ErrWrite is wrapped by the errors of all writes.
var ErrWrite = errors.New("writing to the peer failed")

// What was not tried fails with these.
var (
	errCut         = fmt.Errorf("%w: an earlier write was cut", ErrWrite)
	ErrInterrupted = fmt.Errorf("%w: interrupted: %w", ErrWrite, os.ErrDeadlineExceeded)
)

// NewConn returns a Conn over conn, the handshake of which is done.
func NewConn(conn net.Conn, limits Limits) *Conn {
	b := &backlog{conn: conn}
	return &Conn{
		conn:      conn,
		backlog:   b,
		reader:    NewChunkReader(b, limits),
		window:    WindowSize,
		chunkSize: defaultChunkSize,
	}
}

// SetLimits changes what the peer may make us hold. It is for the goroutine that reads.
func (c *Conn) SetLimits(limits Limits) { c.reader.SetLimits(limits) }

// BytesRead returns how many bytes were read as messages. It is for the goroutine that reads.
func (c *Conn) BytesRead() int64 { return c.reader.BytesRead() }

// BytesWritten returns how many bytes the connection has taken after the handshake.
func (c *Conn) BytesWritten() int64 { return c.written.Load() }

// ReadMessage returns the next message that is not about the connection itself.
func (c *Conn) ReadMessage() (Message, error) {
	for {
		m, err := c.reader.ReadMessage()
		if err != nil {
			return m, err
		}
		if err := c.acknowledge(); err != nil {
			return m, err
		}
		switch m.Type {
		case TypeSetChunkSize, TypeAbort, TypeAck, TypeSetPeerBandwidth:
		case TypeWindowAckSize:
			c.setWindow(m.Body)
		case TypeUserControl:
			if err := c.control(m); err != nil {
				return m, err
			}
		default:
			return m, nil
		}
	}
}

// setWindow takes the window that a peer wants. What cannot be meant leaves the one in force.
func (c *Conn) setWindow(body []byte) {
	if len(body) < 4 {
		return
	}
	if n := int64(binary.BigEndian.Uint32(body)); n > 0 && n < maxWindow {
		c.window = max(n, minWindow)
	}
}

// acknowledge tells the peer what has come in, each time it is a window more.
func (c *Conn) acknowledge() error {
	read := c.reader.BytesRead()
	if read-c.acked < c.window {
		return nil
	}
	c.acked = read
	return c.Write(Control(TypeAck, uint32(read)))
}

// control answers a ping; other user control events, known or not, tell us nothing.
func (c *Conn) control(m Message) error {
	if len(m.Body) < 6 || binary.BigEndian.Uint16(m.Body) != EventPingRequest {
		return nil
	}
	return c.Write(UserControl(EventPingResponse, binary.BigEndian.Uint32(m.Body[2:])))
}

// Write sends messages in one write. A SetChunkSize among them holds for those after it.
func (c *Conn) Write(messages ...Message) error { return c.WriteWithin(replyTimeout, messages...) }

// WriteWithin is Write for a peer that may have less time to take the messages.
func (c *Conn) WriteWithin(limit time.Duration, messages ...Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf = c.buf[:0]
	for _, m := range messages {
		c.buf = AppendMessage(c.buf, chunkStreamFor(m.Type), m, c.chunkSize)
		if m.Type == TypeSetChunkSize {
			c.chunkSize = int(binary.BigEndian.Uint32(m.Body))
		}
	}
	if c.cut {
		return errCut
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return fmt.Errorf("%w: setting the deadline: %w", ErrWrite, err)
	}
	n, err := c.conn.Write(c.buf)
	if cap(c.buf) > allocateAhead {
		c.buf = nil
	}
	return c.wrote(int64(n), err)
}

// wrote takes down how a write went. c.mu must be held.
func (c *Conn) wrote(n int64, err error) error {
	c.written.Add(n)
	if err == nil {
		return nil
	}
	c.cut = c.cut || n > 0
	return fmt.Errorf("%w: %w", ErrWrite, err)
}

// WriteChunks sends chunks that are ready, which must be of WriteChunkSize, within the given time; 0 means any. It returns
// how many bytes were taken. It keeps nothing of bufs.
func (c *Conn) WriteChunks(bufs [][]byte, limit time.Duration) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return 0, errCut
	}
	var deadline time.Time
	if limit > 0 {
		deadline = time.Now().Add(limit)
	}
	if err := c.conn.SetWriteDeadline(deadline); err != nil {
		return 0, fmt.Errorf("%w: setting the deadline: %w", ErrWrite, err)
	}
	if c.interrupted.Load() {
		return 0, ErrInterrupted
	}
	// A net.Buffers is consumed by its write, and would be allocated anew each time.
	c.bufs = append(c.bufs[:0], bufs...)
	c.rest = c.bufs
	n, err := c.rest.WriteTo(c.conn)
	return n, c.wrote(n, err)
}

// interruptAfter is what a write under way is left to end by itself, so that a peer who keeps up can still be told why.
const interruptAfter = 250 * time.Millisecond

// Interrupt ends the WriteChunks under way soon, with os.ErrDeadlineExceeded, and all later ones at once, with
// ErrInterrupted. Write still works where no message was cut.
func (c *Conn) Interrupt() {
	c.interrupted.Store(true)
	_ = c.conn.SetWriteDeadline(time.Now().Add(interruptAfter)) // a connection that fails here fails at the write
}

func chunkStreamFor(msgType uint8) uint8 {
	switch msgType {
	case TypeAudio:
		return ChunkAudio
	case TypeVideo:
		return ChunkVideo
	case TypeDataAMF0:
		return ChunkData
	case TypeCommandAMF0:
		return ChunkCommand
	}
	return chunkControl
}
