package live

import (
	"sync/atomic"
	"time"
)

// A Publisher writes the frames of one stream. It is a FrameWriter for one goroutine.
type Publisher struct {
	stream  *Stream
	session *Session
	began   int64        // when the session did, in nanoseconds since the stream did
	last    atomic.Int64 // when the newest frame came, in nanoseconds since the session began
}

func newPublisher(s *Stream, ses *Session) *Publisher {
	p := &Publisher{stream: s, session: ses, began: int64(ses.began.Sub(s.began))}
	p.last.Store(int64(time.Since(ses.began)))
	return p
}

// Session returns the publisher's session.
func (p *Publisher) Session() *Session { return p.session }

// Stream returns the stream that is written.
func (p *Publisher) Stream() *Stream { return p.stream }

// WriteFrame puts f on air, with its time repaired. It never waits for a viewer. It fails if the session was ended, with
// the reason.
func (p *Publisher) WriteFrame(f *Frame) error {
	if err := p.session.Err(); err != nil {
		return err
	}
	if f.Media() {
		p.session.counters.addFrame(f.Kind)
		p.last.Store(int64(time.Since(p.session.began)))
	}
	p.stream.write(p, f, p.began+p.last.Load())
	return nil
}

// Drop counts a tag that could not be read, and remembers why.
func (p *Publisher) Drop(why error) {
	p.session.counters.addBroken()
	p.stream.hub.faults.note(p.session, why)
}

// Close takes the publisher off air. reason is nil or io.EOF if it left as it should.
func (p *Publisher) Close(reason error) { p.session.Close(reason) }

// silence returns how long no media has come.
func (p *Publisher) silence() time.Duration {
	return time.Since(p.session.began) - time.Duration(p.last.Load())
}
