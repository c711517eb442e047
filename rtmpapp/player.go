package rtmpapp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// A player writes a feed to a connection, in a goroutine of its own while it plays.
type player struct {
	conn    *wire.Conn
	session *live.Session
	view    live.View
	stream  uint32
	until   time.Time // when the viewer has seen all that it asked for; zero if it asked for all

	// What the viewer has switched off. It changes only while the player is stopped.
	paused                     bool // nothing is written but the end
	withoutAudio, withoutVideo bool

	reader *live.FeedReader // nil while stopped
	halt   context.CancelFunc
	done   chan struct{}
	stuck  bool // a write has failed; known when done is closed
}

// errComplete ends a player that has played for as long as it was asked to.
var errComplete = errors.New("played for as long as was asked for")

// start plays from the newest key frame. The player must have been stopped.
func (p *player) start() {
	view := p.chosen()
	newMuxer := func() live.Muxer { return chunker{stream: p.stream, view: view} }
	p.reader = p.session.Feed(fmt.Sprintf("rtmp/%d", p.stream), view, newMuxer).Join(p.session)
	ctx, cancel := context.WithCancel(p.session.Context())
	p.halt = cancel
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		if err := p.run(ctx); err != nil {
			p.session.End(err)
		}
	}()
}

// chosen returns the view without what the viewer has switched off.
func (p *player) chosen() live.View {
	v := p.view
	if p.withoutAudio {
		v.Tracks.Audio = live.NoTrack
	}
	if p.withoutVideo {
		v.Tracks.Video = live.NoTrack
	}
	return v
}

// stop ends playing and waits for the last write.
func (p *player) stop() {
	if p.reader == nil {
		return
	}
	p.halt()
	<-p.done
	p.reader.Leave()
	p.reader = nil
}

// run copies the feed to the connection and returns why the session is to end, nil if ctx has ended. A write ends by
// itself, or when the session does.
func (p *player) run(ctx context.Context) error {
	defer hook(p.session.Context(), p.conn.Interrupt)()
	if !p.until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, p.until, errComplete)
		defer cancel()
	}
	var bufs [][]byte
	for {
		var err error
		bufs, err = p.reader.Next(ctx, bufs)
		switch {
		case errors.Is(err, io.EOF):
			return p.finish(live.ErrEnded,
				onStatus(p.stream, "status", "NetStream.Play.UnpublishNotify", "the publisher has left"),
				onStatus(p.stream, "status", "NetStream.Play.Stop", "the stream has ended"))
		case errors.Is(err, errComplete):
			return p.finish(errComplete,
				wire.Data(p.stream, "onPlayStatus", status("status", "NetStream.Play.Complete", errComplete.Error())),
				onStatus(p.stream, "status", "NetStream.Play.Stop", errComplete.Error()))
		case err != nil:
			return nil //nolint:nilerr // stopped, or the session has ended already
		case p.paused:
		default:
			if err := p.write(bufs); err != nil {
				return err
			}
		}
	}
}

// write hands a batch to the socket.
func (p *player) write(bufs [][]byte) error {
	limit := p.session.Stream().WriteTimeout()
	n, err := p.conn.WriteChunks(bufs, limit)
	p.session.Sent(int(n))
	p.stuck = err != nil && !errors.Is(err, wire.ErrInterrupted)
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) && p.session.Err() == nil {
		return fmt.Errorf("%w: took no data for %s", live.ErrSlow, limit)
	}
	return err
}

// finish tells the viewer that nothing more will come, and returns why, or that it could not be told.
func (p *player) finish(reason error, messages ...wire.Message) error {
	messages = append(messages, wire.UserControl(wire.EventStreamEOF, p.stream))
	if err := p.conn.WriteWithin(lastWords, messages...); err != nil {
		return err
	}
	return reason
}
