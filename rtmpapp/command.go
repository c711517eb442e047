package rtmpapp

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// A command is a decoded command message.
type command struct {
	stream      uint32 // the message stream that it came on
	name        string
	transaction float64 // 0 wants no answer
	args        []any   // what follows the transaction id, the command object first
}

// A handle does what a command asks for. An error ends the connection.
type handle func(c *connection, cmd command) error

// commands are the commands that are understood (RTMP 1.0, 7.2, and what encoders send besides).
var commands = map[string]handle{
	"connect":         (*connection).connect,
	"releaseStream":   (*connection).acknowledge,
	"FCPublish":       (*connection).acknowledge,
	"FCSubscribe":     (*connection).acknowledge,
	"_checkbw":        (*connection).acknowledge,
	"createStream":    (*connection).createStream,
	"getStreamLength": (*connection).getStreamLength,
	"publish":         (*connection).publish,
	"play":            (*connection).play,
	"pause":           (*connection).pause,
	"pauseRaw":        (*connection).pause,
	"receiveAudio":    (*connection).receiveAudio,
	"receiveVideo":    (*connection).receiveVideo,
	"seek":            (*connection).seek,
	"FCUnpublish":     (*connection).fcUnpublish,
	"closeStream":     (*connection).closeStream,
	"deleteStream":    (*connection).closeStream,
}

// command decodes and dispatches a command message.
func (c *connection) command(m wire.Message) error {
	values, err := c.limits.Wire.DecodeAMF0(m.Body)
	if err != nil && len(values) < 2 {
		return err
	}
	cmd := command{stream: m.Stream}
	if len(values) > 0 {
		cmd.name, _ = values[0].(string)
	}
	if len(values) > 1 {
		cmd.transaction, _ = values[1].(float64)
	}
	if len(values) > 2 {
		cmd.args = values[2:]
	}
	if c.app == "" && cmd.name != "connect" {
		return errNotConnected
	}
	h := c.handlers[cmd.name]
	if h == nil {
		return c.unknown(cmd)
	}
	return h(c, cmd)
}

var (
	errNotConnected   = fmt.Errorf("%w: a command came before connect", wire.ErrProtocol)
	errConnectedTwice = fmt.Errorf("%w: a second connect came", wire.ErrProtocol)
)

// text returns the n-th argument after the command object, "" if it is not a string.
func (cmd command) text(n int) string {
	if n+1 >= len(cmd.args) {
		return ""
	}
	s, _ := cmd.args[n+1].(string)
	return s
}

// unknown answers a command that is not understood, as servers do: with an error that clients pass over.
func (c *connection) unknown(cmd command) error {
	if cmd.transaction == 0 || cmd.name == "_result" || cmd.name == "_error" {
		return nil
	}
	return c.wire.Write(wire.Command(0, "_error", cmd.transaction, nil,
		status("error", "NetConnection.Call.Failed", "this server knows no such command")))
}

// acknowledge answers a command that needs nothing done.
func (c *connection) acknowledge(cmd command) error {
	if cmd.transaction == 0 {
		return nil
	}
	return c.wire.Write(wire.Command(0, "_result", cmd.transaction, nil))
}

// connect opens an app (RTMP 1.0, 7.2.1.1).
func (c *connection) connect(cmd command) error {
	if c.app != "" {
		return errConnectedTwice
	}
	var o wire.Object
	if len(cmd.args) > 0 {
		o, _ = cmd.args[0].(wire.Object)
	}
	app, vhost, query := splitApp(o.String("app"))
	if _, named := o.Get("app").(string); named {
		app = cmp.Or(app, defaultApp)
	}
	c.app, c.vhost = app, vhost
	c.request.TCURL = o.String("tcUrl")
	c.request.PageURL = o.String("pageUrl")
	c.request.SWFURL = o.String("swfUrl")
	c.request.UserAgent = o.String("flashVer")
	c.request.Query = query
	c.caps = capsOf(o)
	if u, err := url.Parse(c.request.TCURL); err == nil {
		c.request.Host = hostname(u.Host)
		c.setCredentials(u)
		if query == "" {
			c.request.Query = u.RawQuery
		}
	}
	if err := c.server.Hub.CheckApp(c.app); err != nil { // now, so that an encoder need not send more to be told
		c.refuseConnect(cmd, err)
		return err
	}
	return c.wire.Write(
		wire.Control(wire.TypeWindowAckSize, wire.WindowSize),
		wire.SetPeerBandwidth(wire.WindowSize),
		wire.Control(wire.TypeSetChunkSize, wire.WriteChunkSize),
		connected(cmd.transaction, o),
	)
}

// setCredentials takes the user's name and password off the tcUrl, which is shown to others.
func (c *connection) setCredentials(u *url.URL) {
	if u.User == nil {
		return
	}
	c.request.Username = u.User.Username()
	c.request.Password, _ = u.User.Password()
	u.User = nil
	c.request.TCURL = u.String()
}

// defaultApp is the app of a connect that gives an empty name, as SRS calls it.
const defaultApp = "__defaultApp__"

// splitApp takes the query, Flash's default instance and the old form of naming a vhost, app...vhost...name, off the app
// of a connect.
func splitApp(s string) (app, vhost, query string) {
	app, query, _ = strings.Cut(s, "?")
	app = strings.TrimSuffix(strings.Trim(app, "/"), "/_definst_")
	app, vhost, _ = strings.Cut(app, "...vhost...")
	return app, vhost, query
}

func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}

// connected is the answer to connect, in which the client said o.
func connected(transaction float64, o wire.Object) wire.Message {
	encoding, _ := o.Get("objectEncoding").(float64)
	properties := wire.Object{{Key: "fmsVer", Value: "FMS/3,5,7,7009"}, {Key: "capabilities", Value: 31}, {Key: "mode", Value: 1}}
	if isEnhanced(o) {
		properties = append(properties, enhancedProperties()...)
	}
	return wire.Command(0, "_result", transaction, properties,
		append(status("status", "NetConnection.Connect.Success", "Connection succeeded."),
			wire.Property{Key: "objectEncoding", Value: encoding}))
}

// maxStreams bounds the ids of message streams, since each that viewers use makes a feed of its own.
const maxStreams = 8

// createStream gives a message stream (7.2.1.3). A client may make several, but use only one at a time, so after some the
// ids come again.
func (c *connection) createStream(cmd command) error {
	c.streams = c.streams%maxStreams + 1
	return c.wire.Write(wire.Command(0, "_result", cmd.transaction, nil, c.streams))
}

// getStreamLength answers 0, which is what live streams have.
func (c *connection) getStreamLength(cmd command) error {
	return c.wire.Write(wire.Command(0, "_result", cmd.transaction, nil, 0))
}

// closeStream ends what was begun on a message stream. What clients name in deleteStream varies, so the connection's only
// session is meant whatever it is.
func (c *connection) closeStream(cmd command) error {
	if c.publisher != nil {
		return c.unpublish(cmd)
	}
	if c.player != nil {
		c.endSession(nil)
		c.setReadDeadline(c.server.limits().Connect)
	}
	return nil
}
