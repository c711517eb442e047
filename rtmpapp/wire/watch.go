package wire

import (
	"net"
	"time"
)

// A backlog is what messages are read from: first what a Watch has read ahead, then the connection.
type backlog struct {
	conn  net.Conn
	ahead []byte
}

// Read implements io.Reader.
func (b *backlog) Read(p []byte) (int, error) {
	if len(b.ahead) == 0 {
		b.ahead = nil
		return b.conn.Read(p)
	}
	n := copy(p, b.ahead)
	b.ahead = b.ahead[n:]
	return n, nil
}

// fill reads ahead until there is no more room, which gives nil, or the connection fails.
func (b *backlog) fill() error {
	for room := watchBytes - len(b.ahead); room > 0; {
		buf := make([]byte, min(room, watchRead))
		n, err := b.conn.Read(buf)
		b.ahead = append(b.ahead, buf[:n]...)
		if room -= n; err != nil {
			return err // who reads on meets it again
		}
	}
	return nil
}

// What a Watch reads ahead at most, and at once: a client that waits for an answer has next to nothing to say. What is
// decided within watchDelay is not disturbed, so that a peer who says all it has to and leaves is heard to the end.
const (
	watchBytes = 64 << 10
	watchRead  = 4 << 10
	watchDelay = time.Second
)

// Watch calls left, in another goroutine, if the peer leaves while nobody reads messages. It lifts the read deadline and
// reads ahead up to a bound, beyond which it notices nothing. It is for the goroutine that reads, which must call stop
// before it reads on; stop waits for a call of left under way, and leaves no read deadline.
func (c *Conn) Watch(left func()) (stop func()) {
	stopped, done := make(chan struct{}), make(chan struct{})
	_ = c.conn.SetReadDeadline(time.Time{}) // a connection that fails here fails at the read
	go func() {
		defer close(done)
		if c.backlog.fill() == nil {
			return
		}
		select {
		case <-stopped:
		case <-time.After(watchDelay):
			left()
		}
	}()
	return func() {
		close(stopped)
		_ = c.conn.SetReadDeadline(time.Unix(1, 0))
		<-done
		_ = c.conn.SetReadDeadline(time.Time{})
	}
}
