package rtmpapp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// A connection is one RTMP peer, from the handshake to the end. All its state belongs to the goroutine that reads.
type connection struct {
	server   *Server
	net      net.Conn
	listener net.Addr // nil if it did not come by one of ours
	wire     *wire.Conn
	ctx      context.Context // of all its sessions
	cancel   context.CancelCauseFunc
	limits   Limits // those in force when it began
	seat     seat

	app     string // as connect named it
	caps    uint32 // what the client can, by Enhanced RTMP's capsEx
	vhost   string // the one that it named with the app, if any
	request live.Request

	last      *live.Request     // the newest session that was asked for, admitted or not
	streams   uint32            // message streams made by createStream
	frames    []*live.Frame     // of the newest message; kept for its room
	publisher *live.Publisher   // at most one of these two is set
	player    *player           //
	stream    uint32            // the message stream of the publisher or player
	counted   int64             // bytes read that are counted already
	deadline  time.Time         // the read deadline in force
	patience  time.Duration     // how long it was to let a read take
	unhook    func()            // undoes the end of reads when the session ends
	said      bool              // the peer was told why the connection ends
	handlers  map[string]handle // by command
}

// errDone ends a connection that has nothing left to say, errFault one that has met a fault of ours.
var (
	errDone  = errors.New("the peer has left")
	errFault = errors.New("fault in the server")
)

func newConnection(s *Server, conn net.Conn, listener net.Addr) *connection {
	c := &connection{server: s, net: conn, listener: listener, limits: s.limits(), handlers: commands}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	return c
}

// serve speaks with the peer until it leaves, fails, or is refused.
func (c *connection) serve() error {
	defer c.cancel(io.EOF)
	defer func() { c.seat.leave() }()
	if err := c.handshake(); err != nil {
		return err
	}
	defer c.disconnect()
	defer c.endSession(errFault) // a session must not outlive us, even if we do not get to its end
	c.setReadDeadline(c.limits.Connect)
	err := c.loop()
	if ses := c.session(); ses != nil {
		ses.End(reasonOf(err)) // before all else, since it interrupts a write that nobody is left to take
	}
	c.endSession(err)
	if c.said {
		c.linger(err)
	}
	if errors.Is(err, errDone) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// handshake does all that comes before the first message. What costs most comes last, so that who is one too many is
// turned away before.
func (c *connection) handshake() error {
	if err := c.net.SetDeadline(time.Now().Add(c.limits.Handshake)); err != nil {
		return fmt.Errorf("setting the handshake deadline: %w", err)
	}
	if err := c.takeSeat(); err != nil {
		return err
	}
	if t, ok := c.net.(interface {
		HandshakeContext(ctx context.Context) error
		ConnectionState() tls.ConnectionState
	}); ok {
		if err := t.HandshakeContext(context.Background()); err != nil { // bounded by the deadline
			return fmt.Errorf("TLS handshake: %w", err)
		}
		state := t.ConnectionState()
		if state.NegotiatedProtocol == "acme-tls/1" {
			return errDone // the challenge was the handshake
		}
		c.request.TLS = &state
	}
	if err := wire.Accept(c.net); err != nil {
		return err
	}
	c.request.Protocol = live.ProtocolRTMP
	c.wire = wire.NewConn(c.net, c.limits.strangers())
	return nil
}

// takeSeat finds out who the peer is and counts it. Behind PROXY protocol that takes a read, so it is not for the
// goroutine that accepts.
func (c *connection) takeSeat() (err error) {
	c.request.Remote = remoteOf(c.net, c.listener)
	if c.request.Remote == loopback {
		return nil // by a Unix socket: everybody behind it would count as one
	}
	c.seat, err = c.server.quota.take(live.OriginOf(c.request.Remote.Addr()), c.limits)
	return err
}

// loop handles one message after the other.
func (c *connection) loop() error {
	for {
		m, err := c.wire.ReadMessage()
		c.count()
		if err == nil {
			err = c.handle(m)
		}
		if err == nil {
			continue
		}
		return c.ended(err)
	}
}

// ask does f, which may take long since it asks others, with a context that ends when the peer leaves meanwhile: it would
// else go unnoticed, as nobody reads.
func (c *connection) ask(f func(ctx context.Context) error) error {
	stop := c.wire.Watch(func() { c.cancel(io.EOF) })
	err := f(c.ctx)
	stop()
	if err != nil && c.ctx.Err() != nil {
		return errDone
	}
	return err
}

func (c *connection) session() *live.Session {
	switch {
	case c.publisher != nil:
		return c.publisher.Session()
	case c.player != nil:
		return c.player.session
	}
	return nil
}

// count adds what was read since the last time to the session.
func (c *connection) count() {
	n := c.wire.BytesRead()
	if ses := c.session(); ses != nil {
		ses.Received(int(n - c.counted))
		c.counted = n
	}
}

// begin makes ses the connection's session, which was admitted: reads end when it does.
func (c *connection) begin(ses *live.Session, stream uint32) {
	c.seat.admit()
	c.stream = stream
	c.unhook = hook(ses.Context(), func() { _ = c.net.SetReadDeadline(time.Now()) })
	c.count()
}

// hook lets f be called when ctx is done, until unhook is called, which waits for an f under way: a deadline that it sets
// must not cut what comes after.
func hook(ctx context.Context, f func()) (unhook func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		f()
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// reasonOf returns io.EOF for a peer that left as it should, else err.
func reasonOf(err error) error {
	if err == nil || errors.Is(err, errDone) {
		return io.EOF
	}
	return err
}

// endSession closes the session, if there is one, for a reason, and leaves the connection ready for another.
func (c *connection) endSession(reason error) {
	reason = reasonOf(reason)
	if c.unhook != nil {
		c.unhook()
		c.unhook = nil
	}
	if p := c.publisher; p != nil {
		c.publisher = nil
		p.Close(reason)
	}
	if p := c.player; p != nil {
		c.player = nil
		p.stop()
		p.session.Close(reason)
	}
	c.wire.SetLimits(c.limits.strangers())
}

// disconnect lets the hub tell that the connection has ended, if it ever asked for a stream.
func (c *connection) disconnect() {
	if c.last != nil {
		c.server.Hub.Disconnect(*c.last, live.Totals{
			Sent:     wire.HandshakeBytes + c.wire.BytesWritten(),
			Received: wire.HandshakeBytes + c.wire.BytesRead(),
		})
	}
}

// handle does what a message asks for. An error ends the connection.
func (c *connection) handle(m wire.Message) error {
	switch m.Type {
	case wire.TypeAudio:
		return c.media(live.KindAudio, m)
	case wire.TypeVideo:
		return c.media(live.KindVideo, m)
	case wire.TypeAggregate:
		return c.aggregate(m)
	case wire.TypeDataAMF3:
		m.Body = bytes.TrimPrefix(m.Body, amf0Follows)
		return c.data(m)
	case wire.TypeDataAMF0:
		return c.data(m)
	case wire.TypeCommandAMF3:
		m.Body = bytes.TrimPrefix(m.Body, amf0Follows)
		return c.command(m)
	case wire.TypeCommandAMF0:
		return c.command(m)
	}
	return nil // shared objects and the unknown are nobody's harm
}

// amf0Follows is the byte before the AMF0 values of an AMF3 message. Some encoders leave it out.
var amf0Follows = []byte{0}

// A read deadline is set anew only when it is older than a part of the limit, and at most maxDeadlineAge: often enough that
// nobody is cut off much before the limit, and not with every message.
const (
	deadlineAgePart = 16
	maxDeadlineAge  = time.Second
)

// setReadDeadline lets the next reads take until limit from now, or a sixteenth less. Zero lifts the deadline.
func (c *connection) setReadDeadline(limit time.Duration) {
	now := time.Now()
	c.patience = limit
	if limit <= 0 {
		c.deadline = time.Time{}
	} else {
		age := min(limit/deadlineAgePart, maxDeadlineAge)
		if d := c.deadline.Sub(now); d >= limit-age && d <= limit {
			return
		}
		c.deadline = now.Add(limit)
	}
	_ = c.net.SetReadDeadline(c.deadline)                   // a connection that fails here fails at the next read
	if ses := c.session(); ses != nil && ses.Err() != nil { // it may have ended in between
		_ = c.net.SetReadDeadline(now)
	}
}
