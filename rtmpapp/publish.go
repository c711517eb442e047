package rtmpapp

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// fileProperties are what an encoder that reads a file says of that file; of a live stream they are not true, and players
// believe them.
var fileProperties = []string{"duration", "filesize", "keyframes", "lasttimestamp", "lastkeyframetimestamp"}

// publish puts a stream on air (RTMP 1.0, 7.2.2.6).
func (c *connection) publish(cmd command) error {
	if c.session() != nil {
		return c.wire.Write(onStatus(cmd.stream, "error", codeBadName, "this connection is in use already"))
	}
	req := c.requestFor(cmd.text(0))
	var p *live.Publisher
	err := c.ask(func(ctx context.Context) (err error) {
		p, err = c.server.Hub.Publish(ctx, req)
		return err
	})
	if err != nil {
		if c.ctx.Err() == nil {
			c.say(onStatus(cmd.stream, "error", publishCode(err), describe(err)))
		}
		return err
	}
	c.publisher = p
	c.begin(p.Session(), cmd.stream)
	c.wire.SetLimits(c.limits.admitted())
	c.setReadDeadline(p.Stream().Rules().FirstPacketTimeout)
	return c.wire.Write(
		wire.UserControl(wire.EventStreamBegin, cmd.stream),
		onStatus(cmd.stream, "status", "NetStream.Publish.Start", "publishing "+req.Key.URL()),
	)
}

// requestFor is what the client asks for when it names a stream.
func (c *connection) requestFor(name string) live.Request {
	req := c.request
	name, query, _ := strings.Cut(name, "?")
	if query != "" && req.Query != "" {
		query += "&"
	}
	req.Query = query + req.Query
	vhost := live.NamedVhost(req.Query, c.vhost, req.Host)
	req.Key = c.server.Hub.Resolve(live.Key{Vhost: vhost, App: c.app, Name: name})
	req.ID = live.NewID()
	c.last = &req
	return req
}

// fcUnpublish does what unpublish does and answers first, for clients that wait for it.
func (c *connection) fcUnpublish(cmd command) error {
	if err := c.acknowledge(cmd); err != nil {
		return err
	}
	return c.unpublish(cmd)
}

// unpublish takes the stream off air at the client's wish. The connection stays, for another stream.
func (c *connection) unpublish(command) error {
	if c.publisher == nil {
		return nil
	}
	c.endSession(nil)
	c.setReadDeadline(c.server.limits().Connect)
	return c.wire.Write(onStatus(c.stream, "status", "NetStream.Unpublish.Success", "the stream has ended"))
}

// media puts an audio or video message on air.
func (c *connection) media(kind live.Kind, m wire.Message) error {
	p := c.publisher
	if p == nil || len(m.Body) == 0 {
		return nil // an empty message is how some encoders keep a connection alive
	}
	c.setReadDeadline(c.idleLimit())
	var err error
	if c.frames, err = live.ParseTags(c.frames[:0], kind, m.Time, m.Body); err != nil {
		p.Drop(err)
		return nil
	}
	defer clear(c.frames) // the stream holds them for as long as it must
	for _, f := range c.frames {
		if err := p.WriteFrame(f); err != nil {
			return err
		}
	}
	return nil
}

// idleLimit is how long a publisher may be silent.
func (c *connection) idleLimit() time.Duration {
	rules := c.publisher.Stream().Rules()
	return rules.IdleTimeout
}

// aggregate puts the messages of an aggregate message on air.
func (c *connection) aggregate(m wire.Message) error {
	list, err := wire.SplitAggregate(m)
	if err != nil && c.publisher != nil {
		c.publisher.Drop(err)
	}
	for _, sub := range list {
		if sub.Type == wire.TypeAggregate {
			continue // they do not nest
		}
		sub.Body = bytes.Clone(sub.Body) // else one small frame in the log would hold the whole
		if err := c.handle(sub); err != nil {
			return err
		}
	}
	return nil
}

// setDataFrame is how the AMF0 string begins with which encoders wrap the metadata.
var setDataFrame = []byte("\x02\x00\x0d@setDataFrame")

// data puts a data message on air.
func (c *connection) data(m wire.Message) error {
	p := c.publisher
	if p == nil {
		return nil
	}
	f, err := live.ParseTag(live.KindData, m.Time, bytes.TrimPrefix(m.Body, setDataFrame))
	if err != nil {
		p.Drop(err)
		return nil
	}
	if f.Config {
		f.Body = wire.WithoutProperties(f.Body, fileProperties...)
	}
	return p.WriteFrame(f)
}
