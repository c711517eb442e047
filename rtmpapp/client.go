package rtmpapp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// A Client is a connection to another RTMP server, on which one stream is published or played.
type Client struct {
	conn   net.Conn
	wire   *wire.Conn
	name   string // of the stream, with its query
	stream uint32
	calls  float64 // transaction ids given out
}

// A StatusError is what a server answered instead of doing what it was asked for.
type StatusError struct {
	Code        string // such as NetStream.Publish.BadName
	Description string
}

// Error returns the code and the description.
func (e *StatusError) Error() string { return e.Code + ": " + e.Description }

// Dial connects to the app of rawURL, which is rtmp:// or rtmps://host[:port]/app/stream[?query]. Until it returns, and
// during Publish and Play, ctx bounds every wait; after that the Client lives until Close. config is for rtmps, and may be
// nil.
func Dial(ctx context.Context, rawURL string, config *tls.Config) (*Client, error) {
	return DialFrom(ctx, new(net.Dialer), rawURL, config)
}

// DialFrom is Dial with what a dialer says of the connection, such as the address that it comes from.
func DialFrom(ctx context.Context, dialer *net.Dialer, rawURL string, config *tls.Config) (*Client, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("parsing the RTMP URL: %w", err)
	}
	app, name, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if !ok {
		return nil, fmt.Errorf("the RTMP URL %q names no stream", u.Redacted())
	}
	if u.RawQuery != "" {
		name += "?" + u.RawQuery
	}
	conn, err := dial(ctx, dialer, u, config)
	if err != nil {
		return nil, err
	}
	c := &Client{conn: conn, name: name}
	defer c.bound(ctx)()
	if err := c.connect(app, u.Scheme+"://"+u.Host+"/"+app); err != nil {
		_ = conn.Close() // the first error is the one to tell
		return nil, err
	}
	return c, nil
}

func dial(ctx context.Context, dialer *net.Dialer, u *url.URL, config *tls.Config) (net.Conn, error) {
	address := u.Host
	ports := map[string]string{"rtmp": "1935", "rtmps": "443"}
	port, ok := ports[u.Scheme]
	if !ok {
		return nil, fmt.Errorf("%q is no RTMP URL", u.Redacted())
	}
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), port)
	}
	var conn net.Conn
	var err error
	if u.Scheme == "rtmps" {
		conn, err = (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", address)
	} else {
		conn, err = dialer.DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", address, err)
	}
	return conn, nil
}

// bound lets ctx end what is under way, until the returned function is called.
func (c *Client) bound(ctx context.Context) (release func()) {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Now()) })
	return func() { stop() }
}

func (c *Client) connect(app, tcURL string) error {
	if err := wire.Connect(c.conn); err != nil {
		return err
	}
	c.wire = wire.NewConn(c.conn, wire.Limits{Media: wire.AdmittedMediaBytes})
	if err := c.wire.Write(wire.Control(wire.TypeSetChunkSize, wire.WriteChunkSize)); err != nil {
		return err
	}
	_, err := c.call("connect", append(wire.Object{
		{Key: "app", Value: app},
		{Key: "type", Value: "nonprivate"},
		{Key: "flashVer", Value: "FMLE/3.0 (compatible; caddy-rtmp)"},
		{Key: "tcUrl", Value: tcURL},
	}, enhancedProperties()...))
	if err != nil {
		return fmt.Errorf("opening the app %q: %w", app, err)
	}
	values, err := c.call("createStream", nil)
	if err != nil {
		return fmt.Errorf("creating a message stream: %w", err)
	}
	if len(values) > 1 {
		id, _ := values[1].(float64)
		c.stream = uint32(id)
	}
	return nil
}

// call sends a command and returns what follows the transaction id in its result.
func (c *Client) call(name string, args ...any) ([]any, error) {
	c.calls++
	if err := c.wire.Write(wire.Command(0, append([]any{name, c.calls}, args...)...)); err != nil {
		return nil, err
	}
	for {
		values, err := c.readCommand()
		if err != nil {
			return nil, err
		}
		if id, _ := values[1].(float64); id != c.calls {
			continue
		}
		switch values[0] {
		case "_result":
			return values[2:], nil
		case "_error":
			return nil, statusError(values)
		}
	}
}

// readCommand returns the values of the next command message: at least a name and a transaction id.
func (c *Client) readCommand() ([]any, error) {
	for {
		m, err := c.wire.ReadMessage()
		if err != nil {
			return nil, err
		}
		if m.Type != wire.TypeCommandAMF0 {
			continue
		}
		values, err := wire.DecodeAMF0(m.Body)
		if err != nil {
			return nil, err
		}
		if len(values) >= 2 {
			return values, nil
		}
	}
}

func statusError(values []any) error {
	for _, v := range values {
		if o, ok := v.(wire.Object); ok && o.String("code") != "" {
			return &StatusError{o.String("code"), o.String("description")}
		}
	}
	return &StatusError{"", "the server refused without a reason"}
}

// begin sends publish or play and waits for the status that says it has begun.
func (c *Client) begin(ctx context.Context, code string, values ...any) error {
	defer c.bound(ctx)()
	if err := c.wire.Write(wire.Command(c.stream, values...)); err != nil {
		return err
	}
	for {
		answer, err := c.readCommand()
		if err != nil {
			return err
		}
		if answer[0] != "onStatus" {
			continue
		}
		status := statusError(answer)
		se, _ := errors.AsType[*StatusError](status)
		if se.Code == code {
			return nil
		}
		if o, ok := answer[len(answer)-1].(wire.Object); ok && o.String("level") == "error" {
			return status
		}
	}
}

// Publish begins to publish. The frames are sent as they are written, each in one write; WriteFrame blocks while the
// server does not take them. It reads no more: a server that says something is heard by the next write to fail.
func (c *Client) Publish(ctx context.Context) (live.FrameWriter, error) {
	if err := c.begin(ctx, "NetStream.Publish.Start", "publish", 0, nil, c.name, "live"); err != nil {
		return nil, fmt.Errorf("publishing: %w", err)
	}
	return &clientWriter{client: c}, nil
}

// Play begins to play.
func (c *Client) Play(ctx context.Context) (live.FrameReader, error) {
	if err := c.begin(ctx, "NetStream.Play.Start", "play", 0, nil, c.name, -2000); err != nil {
		return nil, fmt.Errorf("playing: %w", err)
	}
	return &clientReader{client: c}, nil
}

// Close ends the stream and the connection.
func (c *Client) Close() error {
	_ = c.wire.Write(wire.Command(0, "deleteStream", 0, nil, c.stream)) // politeness; the close says it too
	return c.conn.Close()
}

type clientWriter struct {
	client *Client
	buf    []byte
	bufs   [][]byte
}

// clientWriteTimeout bounds one write to a server.
const clientWriteTimeout = 10 * time.Second

// WriteFrame implements live.FrameWriter.
func (w *clientWriter) WriteFrame(f *live.Frame) error {
	g := *f
	if f.Kind == live.KindData && f.Config {
		g.Body = append(append([]byte(nil), setDataFrame...), f.Body...)
	}
	w.buf = chunker{stream: w.client.stream, view: allTracks}.AppendFrame(w.buf[:0], &g)
	w.bufs = append(w.bufs[:0], w.buf)
	_, err := w.client.wire.WriteChunks(w.bufs, clientWriteTimeout)
	return err
}

type clientReader struct {
	client *Client
	frames []*live.Frame // of the newest message, which are still to be given
}

// ReadFrame implements live.FrameReader. It returns io.EOF when the server says that the stream has ended, or leaves. After
// an error that wraps live.ErrTag it may be called again: only that one tag was broken.
func (r *clientReader) ReadFrame(ctx context.Context) (*live.Frame, error) {
	defer r.client.bound(ctx)()
	for {
		if len(r.frames) > 0 {
			f := r.frames[0]
			r.frames = r.frames[1:]
			return f, nil
		}
		m, err := r.client.wire.ReadMessage()
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, err
		}
		if len(m.Body) == 0 {
			continue // nothing but a sign of life
		}
		if r.frames, err = r.parse(m); err != nil {
			return nil, err
		}
	}
}

// parse returns the frames of a message, or the end of the stream if it tells of that.
func (r *clientReader) parse(m wire.Message) ([]*live.Frame, error) {
	switch m.Type {
	case wire.TypeVideo:
		return live.ParseTags(r.frames[:0], live.KindVideo, m.Time, m.Body)
	case wire.TypeAudio:
		return live.ParseTags(r.frames[:0], live.KindAudio, m.Time, m.Body)
	case wire.TypeDataAMF0:
		if aboutPlaying(m.Body) {
			return nil, nil
		}
		return live.ParseTags(r.frames[:0], live.KindData, m.Time, bytes.TrimPrefix(m.Body, setDataFrame))
	case wire.TypeCommandAMF0:
		return nil, endOfPlay(m.Body)
	}
	return nil, nil
}

// aboutPlaying tells whether a data message is the server's, not the stream's.
func aboutPlaying(body []byte) bool {
	return bytes.HasPrefix(body, []byte("\x02\x00\x11|RtmpSampleAccess")) || bytes.HasPrefix(body, []byte("\x02\x00\x08onStatus"))
}

// endOfPlay returns io.EOF or the server's reason if a command says that a stream has ended.
func endOfPlay(body []byte) error {
	values, err := wire.DecodeAMF0(body)
	if err != nil || len(values) == 0 || values[0] != "onStatus" {
		return nil //nolint:nilerr // a command that is not understood does not end the stream
	}
	o, _ := values[len(values)-1].(wire.Object)
	switch {
	case o.String("level") == "error":
		return statusError(values)
	case o.String("code") == "NetStream.Play.Stop", o.String("code") == "NetStream.Play.UnpublishNotify":
		return io.EOF
	}
	return nil
}
