package rtmpapp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// play begins to watch a stream (RTMP 1.0, 7.2.2.1).
func (c *connection) play(cmd command) error {
	if cmd.stream > maxStreams {
		return c.wire.Write(onStatus(cmd.stream, "error", "NetStream.Play.Failed", "this connection has no such message stream"))
	}
	if c.session() != nil {
		c.endSession(nil) // a play list goes on with its next entry
	}
	req := c.requestFor(cmd.text(0))
	tracks, err := tracksFor(req.Query, c.caps)
	var ses *live.Session
	if err == nil {
		ses, err = c.server.Hub.Play(context.Background(), req, 0)
	}
	if err != nil {
		code := "NetStream.Play.Failed"
		if errors.Is(err, live.ErrNotFound) || errors.Is(err, live.ErrName) {
			code = "NetStream.Play.StreamNotFound"
		}
		c.say(onStatus(cmd.stream, "error", code, live.Description(err)))
		return err
	}
	c.player = &player{conn: c.wire, net: c.net, session: ses, tracks: tracks, stream: cmd.stream}
	c.begin(ses, cmd.stream)
	c.setReadDeadline(0) // a viewer has nothing to say; a dead one fails to take what is written
	err = c.wire.Write(
		wire.UserControl(wire.EventStreamBegin, cmd.stream),
		onStatus(cmd.stream, "status", "NetStream.Play.Reset", "playing and resetting "+req.Key.URL()),
		onStatus(cmd.stream, "status", "NetStream.Play.Start", "playing "+req.Key.URL()),
		wire.Data(cmd.stream, "|RtmpSampleAccess", true, true),
	)
	if err != nil {
		return err
	}
	c.player.start(false)
	return nil
}

// pause stops or resumes a player (7.2.2.8). What it misses is lost: it goes on at the newest key frame.
func (c *connection) pause(cmd command) error {
	p := c.player
	if p == nil || len(cmd.args) < 2 {
		return nil
	}
	on, _ := cmd.args[1].(bool)
	if on == p.mute {
		return nil
	}
	p.stop()
	if !p.writable() {
		return p.session.Err()
	}
	code, text := "NetStream.Unpause.Notify", "going on"
	if on {
		code, text = "NetStream.Pause.Notify", "paused"
	}
	if err := c.wire.Write(onStatus(c.stream, "status", code, text)); err != nil {
		return err
	}
	p.start(on)
	return nil
}

// A player writes a feed to a connection, in a goroutine of its own while it plays.
type player struct {
	conn    *wire.Conn
	net     net.Conn
	session *live.Session
	tracks  live.Tracks
	stream  uint32

	mute   bool             // nothing is written but the end, while the viewer pauses
	reader *live.FeedReader // nil while stopped
	halt   context.CancelFunc
	done   chan struct{}
	broken atomic.Bool // a write has failed
}

// start plays from the newest key frame, or is mute. It must have been stopped.
func (p *player) start(mute bool) {
	p.mute = mute
	format := fmt.Sprintf("rtmp/%d", p.stream)
	p.reader = p.session.Stream().Feed(format, p.tracks, p.newMuxer).Join(p.session)
	ctx, cancel := context.WithCancel(p.session.Context())
	p.halt = cancel
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		if err := p.run(ctx); ctx.Err() == nil || p.broken.Load() {
			p.session.End(err)
		}
	}()
}

// newMuxer returns a muxer that names the tracks if there can be several of a kind.
func (p *player) newMuxer() live.Muxer {
	return chunker{stream: p.stream, multitrack: p.tracks.Several()}
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

// writable tells whether messages can still be written.
func (p *player) writable() bool { return !p.broken.Load() }

// run copies the feed to the connection until the stream or the session ends, or ctx is done. A write ends by itself, or
// when the session does.
func (p *player) run(ctx context.Context) error {
	defer hook(p.session.Context(), p.conn.Interrupt)()
	var bufs [][]byte
	for {
		var err error
		bufs, err = p.reader.Next(ctx, bufs)
		if errors.Is(err, io.EOF) {
			return p.finish()
		}
		if err != nil {
			return err
		}
		if p.mute {
			continue
		}
		limit := p.session.Stream().Rules().WriteTimeout
		out := net.Buffers(bufs)
		n, err := p.conn.WriteChunks(&out, limit)
		p.session.Sent(int(n))
		if err == nil {
			continue
		}
		p.broken.Store(true)
		if errors.Is(err, os.ErrDeadlineExceeded) && p.session.Err() == nil {
			return fmt.Errorf("%w: took no data for %s", live.ErrSlow, limit)
		}
		return err
	}
}

// finish tells the viewer that the stream has ended.
func (p *player) finish() error {
	err := p.conn.WriteWithin(lastWords,
		onStatus(p.stream, "status", "NetStream.Play.UnpublishNotify", "the publisher has left"),
		onStatus(p.stream, "status", "NetStream.Play.Stop", "the stream has ended"),
		wire.UserControl(wire.EventStreamEOF, p.stream),
	)
	if err != nil {
		p.broken.Store(true)
		return err
	}
	return live.ErrEnded
}
