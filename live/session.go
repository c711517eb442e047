package live

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"time"
)

// Action is what a session wants.
type Action uint8

// The actions.
const (
	ActionPlay Action = iota
	ActionPublish
)

// String returns "play" or "publish".
func (a Action) String() string {
	if a == ActionPublish {
		return "publish"
	}
	return "play"
}

// The protocols that sessions speak. They name the bytes, not the carrier: FLV over HTTPS and over HTTP are both "flv".
const (
	ProtocolRTMP = "rtmp"
	ProtocolFLV  = "flv"
	ProtocolTS   = "ts"
	ProtocolAAC  = "aac"
	ProtocolMP3  = "mp3"
	ProtocolHLS  = "hls"
)

// A Request is what a client asks for, as its protocol understood it. It is not changed once it was handed to a Hub.
type Request struct {
	Action   Action
	Protocol string
	Key      Key

	// ID is what the session will be called: eight characters that no other session has. The Hub makes one if it is empty.
	ID string

	// Query is the raw query of the stream's name or URL, without "?". Guards find tokens in it.
	Query string
	// Remote is the client's address, as far as it can be trusted; 127.0.0.1, port 0, for a client of a Unix socket. It is
	// not valid where the address is not known: such a client must not be taken for one on this machine.
	Remote netip.AddrPort
	// Host is the host name that the client asked for, without port.
	Host string
	// TCURL is RTMP's tcUrl: the URL without the stream. PageURL and SWFURL are what the client says it was embedded in.
	TCURL, PageURL, SWFURL string
	// UserAgent is the client's software: User-Agent of HTTP, flashVer of RTMP.
	UserAgent string
	// TLS is set if the connection is encrypted.
	TLS *tls.ConnectionState
	// Header is that of an HTTP request, in net/http's form, for guards; nil for RTMP. A session does not keep it.
	Header map[string][]string
	// Username and Password are what an RTMP client gives before the host of its tcUrl. A session does not keep them.
	Username, Password string
}

// A Session is one party of a stream, from its admission to its end. Its methods may be used by several goroutines.
type Session struct {
	Request

	hub      *Hub
	stream   *Stream
	grant    Grant
	began    time.Time
	counters Counters
	away     atomic.Bool // changed under the stream's lock
	ctx      context.Context
	cancel   context.CancelCauseFunc
}

func newSession(ctx context.Context, h *Hub, req Request) *Session {
	s := &Session{Request: req, hub: h, began: time.Now()}
	if s.ID == "" {
		s.ID = NewID()
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	return s
}

// accept takes down what a guard has granted, and forgets what only guards need.
func (s *Session) accept(g Grant) error {
	s.grant = g
	s.Header, s.Username, s.Password = nil, "", ""
	if g.Stream != "" {
		s.Key.Name = g.Stream
		if err := s.Key.Validate(); err != nil {
			return fmt.Errorf("the guard names another stream: %w", err)
		}
	}
	if !g.Expires.IsZero() {
		timer := time.AfterFunc(time.Until(g.Expires), func() { s.End(ErrExpired) })
		context.AfterFunc(s.ctx, func() { timer.Stop() })
	}
	return nil
}

// Stream returns the stream that the session is attached to.
func (s *Session) Stream() *Stream { return s.stream }

// Context is done when the session has ended or must end; its cause says why. A protocol unblocks its reads and writes
// then, and calls Close.
func (s *Session) Context() context.Context { return s.ctx }

// Done returns Context().Done().
func (s *Session) Done() <-chan struct{} { return s.ctx.Done() }

// Err returns why the session must end, or nil.
func (s *Session) Err() error { return context.Cause(s.ctx) }

// Sent counts n bytes that a Write has taken. It is called at the write, so that a session's last bytes are counted
// before it is gone.
func (s *Session) Sent(n int) { s.counters.addSent(int64(n)) }

// Received counts n bytes that have come in.
func (s *Session) Received(n int) { s.counters.addReceived(int64(n)) }

// End asks the session to end for a reason. It returns at once.
func (s *Session) End(reason error) { s.cancel(reason) }

// Close detaches the session from its stream and tells the observer why, which is reason unless the session was ended
// from this side before. A reason of nil or context.Canceled is a peer that left, io.EOF. Only the first call counts.
func (s *Session) Close(reason error) {
	order := s.hub.order(s.Key)
	order.Lock()
	defer order.Unlock()
	s.hub.detach(s, s.endWith(reason))
}

// endWith ends the session and returns why it has ended: for reason, unless it had ended for another before.
func (s *Session) endWith(reason error) error {
	if reason == nil || errors.Is(reason, context.Canceled) {
		reason = io.EOF
	}
	s.cancel(reason)
	if cause := s.Err(); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return reason
}

// NewID returns a new id for a session.
func NewID() string { return newID(8) }

const idAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz"

// newID returns n random characters of 0-9a-z.
func newID(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		// 256 is no multiple of 36, but an id is a name, not a secret.
		b[i] = idAlphabet[int(b[i])%len(idAlphabet)]
	}
	return string(b)
}
