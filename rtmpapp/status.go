package rtmpapp

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// The codes by which clients are told why something is not done, or ends. Of those that would fit, these are the ones
// that clients show, or act upon (read in their sources, tried with their programs):
//
//   - ffmpeg shows the description of any status of the level "error", and of the _error to a connect;
//   - librtmp, and so rtmpdump, shows Play.Failed, Play.StreamNotFound, Connect.InvalidApp and NetStream.Failed, by their
//     codes alone, and closes then; others it passes over;
//   - OBS, which has a librtmp of its own, shows these and Publish.BadName, Denied and Rejected with their descriptions;
//     once it publishes it listens no more;
//   - GStreamer shows the description of any of them, but of the _error to a connect only if that says Connect.Rejected.
const (
	codeInvalidApp     = "NetConnection.Connect.InvalidApp"
	codeRejected       = "NetConnection.Connect.Rejected"
	codeFailed         = "NetStream.Failed" // nothing that was asked for, but the connection itself
	codeBadName        = "NetStream.Publish.BadName"
	codePublishDenied  = "NetStream.Publish.Denied"
	codePublishEnded   = "NetStream.Publish.Rejected"
	codeStreamNotFound = "NetStream.Play.StreamNotFound"
	codePlayFailed     = "NetStream.Play.Failed"
)

// errSilent is wrapped by the end of a connection on which nothing was begun in time.
var errSilent = errors.New("nothing begun in time")

// status is the information object of an answer.
func status(level, code, description string) wire.Object {
	return wire.Object{
		{Key: "level", Value: level},
		{Key: "code", Value: code},
		{Key: "description", Value: description},
	}
}

// onStatus tells a client how its stream is doing (RTMP 1.0, 7.2.2).
func onStatus(stream uint32, level, code, description string) wire.Message {
	return wire.Command(stream, "onStatus", 0, nil, status(level, code, description))
}

// publishCode is what clients know the end or refusal of a publisher by.
func publishCode(err error) string {
	switch {
	case isAny(err, live.ErrBusy, live.ErrReplaced, live.ErrName, live.ErrApp):
		return codeBadName
	case isAny(err, live.ErrDenied, live.ErrUnauthorized, live.ErrExpired):
		return codePublishDenied
	case isAny(err, wire.ErrProtocol, wire.ErrAMF):
		return codeFailed
	}
	return codePublishEnded
}

// playCode is what clients know the end or refusal of a player by.
func playCode(err error) string {
	if isAny(err, live.ErrNotFound, live.ErrName, live.ErrApp) {
		return codeStreamNotFound
	}
	return codePlayFailed
}

func isAny(err error, kinds ...error) bool {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// describe returns what a client may be told of err.
func describe(err error) string {
	if isAny(err, wire.ErrProtocol, wire.ErrAMF) {
		return err.Error() // it is about the client's own bytes
	}
	return live.Description(err)
}

// refuseConnect answers a connect with a refusal, the connection's last words. What librtmp and OBS do not show of an
// _error they show of a status, for which ffmpeg and GStreamer do not stay.
func (c *connection) refuseConnect(cmd command, err error) {
	c.say(
		wire.Command(0, "_error", cmd.transaction, nil, status("error", codeRejected, describe(err))),
		onStatus(0, "error", codeInvalidApp, describe(err)),
	)
}

// ended makes the reason of the connection's end of the error with which it ends, and tells the peer.
func (c *connection) ended(err error) error {
	ses := c.session()
	switch {
	case ses != nil && ses.Err() != nil:
		err = ses.Err()
	case c.said || errors.Is(err, wire.ErrWrite):
		return err // it knows, or hears nothing any more
	case isTimeout(err) && c.publisher != nil:
		err = live.Refuse(live.ErrIdle, "no audio or video came for %s", c.patience)
	case isTimeout(err) && c.app == "":
		err = live.Refuse(errSilent, "no connect came within %s", c.patience)
	case isTimeout(err):
		err = live.Refuse(errSilent, "neither publish nor play came within %s", c.patience)
	case !isAny(err, wire.ErrProtocol, wire.ErrAMF):
		return err // it has left
	}
	if ses != nil {
		ses.End(err) // it interrupts a write that nobody is left to take
	}
	c.sayEnd(err)
	return err
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// sayEnd tells the peer why the connection is ended from this side.
func (c *connection) sayEnd(reason error) {
	switch {
	case c.publisher != nil:
		c.say(onStatus(c.stream, "error", publishCode(reason), describe(reason)))
	case c.player == nil:
		c.say(onStatus(0, "error", codeFailed, describe(reason)))
	default:
		c.player.stop()
		if isAny(reason, live.ErrEnded, errComplete) {
			c.told() // by the player
			return
		}
		if c.player.stuck {
			return // it has not taken what came before
		}
		c.say(onStatus(c.stream, "error", playCode(reason), describe(reason)))
	}
}

// lastWords is how long a peer may take to take the reason of its end. A stuck one must not hold up the server's.
const lastWords = time.Second

// say sends the last words of a connection.
func (c *connection) say(m ...wire.Message) {
	if c.wire.WriteWithin(lastWords, m...) == nil { // the connection ends either way
		c.told()
	}
}

// told notes that the peer has been told why the connection ends, and is to be left a moment to hear it.
func (c *connection) told() {
	c.said = true
	c.server.leave(c.net)
}

// The bounds of linger. Who breaks the rules of the protocol gets less.
const (
	lingerTime    = 2 * time.Second
	lingerBytes   = 16 << 20
	offenderBytes = 256 << 10
)

// linger reads on for a moment after the last words: closing while there is something unread would make the kernel take
// back what the peer has not read yet. Where our side can be closed alone it is, which tells the peer that no more will
// come; a connection that is wrapped, say for PROXY protocol, waits for the peer to close all the same.
func (c *connection) linger(reason error) {
	if half, ok := c.net.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
		return
	}
	limit := int64(lingerBytes)
	if isAny(reason, wire.ErrProtocol, wire.ErrAMF) {
		limit = offenderBytes
	}
	_ = c.net.SetReadDeadline(time.Now().Add(lingerTime)) // a connection that fails here fails at the read
	_, _ = io.CopyN(io.Discard, c.net, limit)
}
