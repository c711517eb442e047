package rtmpapp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = time.Minute

// world is a server with its hub, and what its observer was told.
type world struct {
	*rtmpapp.Server
	t *testing.T

	mu     sync.Mutex
	events []live.Event
	told   chan struct{} // closed and made anew with each event
}

// newWorld returns a server whose rules are the defaults, without waiting for publishers, but for what change does to them. At the end of the test all
// must end by itself.
func newWorld(t *testing.T, change func(*live.Rules), guard live.GuardFunc) *world {
	t.Helper()
	w := &world{Server: &rtmpapp.Server{Hub: new(live.Hub)}, t: t, told: make(chan struct{})}
	vhosts := map[string]string{"tv.example": "tv.example", "www.tv.example": "tv.example"}
	p := &live.Policy{Observer: w, Vhosts: vhosts, Rules: func(k live.Key) (live.Rules, error) {
		r := live.DefaultRules()
		r.Latency, r.Wait = 5*time.Millisecond, 0
		if change != nil {
			change(&r)
		}
		if k.App != "live" {
			return r, live.Refuse(live.ErrApp, "there is no app %s", k.App)
		}
		return r, nil
	}}
	if guard != nil {
		p.Guard = guard
	}
	w.Hub.Activate(p)
	t.Cleanup(w.end)
	return w
}

// end ends everything, which must leave nothing.
func (w *world) end() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.Hub.Close(ctx); err != nil {
		w.t.Errorf("closing the hub: %v", err)
	}
	if err := w.Close(ctx); err != nil {
		w.t.Errorf("closing the server: %v", err)
	}
	if n := len(w.Hub.Snapshot().Sessions); n > 0 {
		w.t.Errorf("%d sessions are left", n)
	}
}

func (w *world) Observe(e live.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
	close(w.told)
	w.told = make(chan struct{})
}

// await returns the first event of a type, once there is one.
func (w *world) await(typ live.EventType) live.Event {
	w.t.Helper()
	return w.awaitNth(typ, 1)
}

func (w *world) awaitNth(typ live.EventType, n int) live.Event {
	w.t.Helper()
	limit := time.After(patience)
	for {
		w.mu.Lock()
		seen, told := 0, w.told
		for _, e := range w.events {
			if e.Type == typ {
				seen++
			}
			if seen == n {
				w.mu.Unlock()
				return e
			}
		}
		w.mu.Unlock()
		select {
		case <-told:
		case <-limit:
			w.t.Fatalf("no %s event", typ)
		}
	}
}

// listen serves on a loopback port and returns the URL of the app live there.
func (w *world) listen() string {
	w.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.serve(ln)
	return "rtmp://" + ln.Addr().String() + "/live/"
}

// serve serves a listener until the end of the test.
func (w *world) serve(ln net.Listener) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.Serve(ln); !errors.Is(err, net.ErrClosed) && !errors.Is(err, rtmpapp.ErrServerClosed) {
			w.t.Errorf("Serve: %v", err)
		}
	}()
	w.t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
}

// A peer is a client of hand-made messages. It takes all that the server says.
type peer struct {
	t     *testing.T
	conn  net.Conn
	heard chan wire.Message // closed at the end of the connection
	hold  chan struct{}     // taken while the peer shall read nothing
}

// A duplex is one end of two pipes, each of which can be closed alone as those of TCP can.
type duplex struct {
	net.Conn // what it reads
	out      net.Conn
}

func newDuplex() (a, b duplex) {
	a1, b1 := net.Pipe()
	a2, b2 := net.Pipe()
	return duplex{a1, a2}, duplex{b2, b1}
}

func (d duplex) Write(b []byte) (int, error)        { return d.out.Write(b) }
func (d duplex) SetWriteDeadline(t time.Time) error { return d.out.SetWriteDeadline(t) }
func (d duplex) CloseWrite() error                  { return d.out.Close() }
func (d duplex) Close() error                       { return errors.Join(d.Conn.Close(), d.out.Close()) }

func (d duplex) SetDeadline(t time.Time) error {
	return errors.Join(d.Conn.SetReadDeadline(t), d.out.SetWriteDeadline(t))
}

// peer returns a client that has shaken hands with w, over pipes.
func (w *world) peer() *peer {
	w.t.Helper()
	ours, theirs := newDuplex()
	go func() { _ = w.ServeConn(theirs) }()
	return newPeer(w.t, ours)
}

func newPeer(t *testing.T, conn net.Conn) *peer {
	t.Helper()
	if err := wire.Connect(conn); err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, conn: conn, heard: make(chan wire.Message, 10_000), hold: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(p.heard)
		r := wire.NewChunkReader(conn, wire.Limits{})
		for {
			p.hold <- struct{}{}
			<-p.hold
			m, err := r.ReadMessage()
			if err != nil {
				return
			}
			p.heard <- m
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return p
}

func chunks(messages ...wire.Message) []byte {
	var b []byte
	for _, m := range messages {
		b = wire.AppendMessage(b, wire.ChunkCommand, m, 128)
	}
	return b
}

func (p *peer) say(messages ...wire.Message) {
	p.t.Helper()
	_ = p.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := p.conn.Write(chunks(messages...)); err != nil {
		p.t.Fatalf("saying: %v", err)
	}
	_ = p.conn.SetWriteDeadline(time.Time{})
}

// next returns the next message; ok is false at the end of the connection.
func (p *peer) next() (m wire.Message, ok bool) {
	p.t.Helper()
	select {
	case m, ok := <-p.heard:
		return m, ok
	case <-time.After(patience):
		p.t.Fatal("the server says nothing")
		return m, false
	}
}

// hear checks what the server says next, each message as describe renders it; "end" is the end of the connection.
func (p *peer) hear(want ...string) {
	p.t.Helper()
	for _, s := range want {
		got := "end"
		if m, ok := p.next(); ok {
			got = describe(m)
		}
		if got != s {
			p.t.Fatalf("heard\n     %s\nwant %s", got, s)
		}
	}
}

// hearStatus passes over messages until the server gives the status of the given code, and returns its description.
func (p *peer) hearStatus(code string) string {
	p.t.Helper()
	for {
		m, ok := p.next()
		if !ok {
			p.t.Fatalf("the connection ended before %s", code)
		}
		if m.Type != wire.TypeCommandAMF0 {
			continue
		}
		values, _ := wire.DecodeAMF0(m.Body)
		o, _ := values[len(values)-1].(wire.Object)
		if o.String("code") == code {
			return o.String("description")
		}
	}
}

// hearConnected passes over messages until the server answers connect, and returns the properties that it names.
func (p *peer) hearConnected() wire.Object {
	p.t.Helper()
	for {
		m, ok := p.next()
		if !ok {
			p.t.Fatal("the connection ended before connect was answered")
		}
		if m.Type == wire.TypeCommandAMF0 {
			values, err := wire.DecodeAMF0(m.Body)
			isErr(p.t, "answer", err, nil)
			o, _ := values[2].(wire.Object)
			return o
		}
	}
}

// hearEnd passes over what the server says until the connection ends.
func (p *peer) hearEnd() {
	p.t.Helper()
	for {
		if _, ok := p.next(); !ok {
			return
		}
	}
}

// describe renders a message: a command by its name, transaction and arguments, an object by its code.
func describe(m wire.Message) string {
	switch m.Type {
	case wire.TypeCommandAMF0, wire.TypeDataAMF0:
		values, err := wire.DecodeAMF0(m.Body)
		if err != nil {
			return err.Error()
		}
		list := make([]string, len(values))
		for i, v := range values {
			list[i] = fmt.Sprint(v)
			if o, ok := v.(wire.Object); ok {
				list[i] = o.String("code") + "{}"
			}
		}
		return fmt.Sprintf("%d: %s", m.Stream, strings.Join(list, " "))
	case wire.TypeUserControl:
		return fmt.Sprintf("event %d %d", binary.BigEndian.Uint16(m.Body), binary.BigEndian.Uint32(m.Body[2:]))
	case wire.TypeAudio, wire.TypeVideo:
		return fmt.Sprintf("%d: media %d @%d %x", m.Stream, m.Type, m.Time, m.Body[:2])
	}
	return fmt.Sprintf("control %d %d", m.Type, binary.BigEndian.Uint32(m.Body))
}

func connectTo(app string) wire.Message {
	return wire.Command(0, "connect", 1, wire.Object{{Key: "app", Value: app}, {Key: "tcUrl", Value: "rtmp://example.com:1935/" + app}, {Key: "flashVer", Value: "test"}})
}

// connected is how the server answers connect.
var connected = []string{"control 5 2500000", "control 6 2500000", "control 1 60000", "0: _result 1 {} NetConnection.Connect.Success{}"}

func (p *peer) connect() *peer {
	p.t.Helper()
	p.say(connectTo("live"))
	p.hear(connected...)
	return p
}

func publishing(name string) wire.Message { return wire.Command(1, "publish", 5, nil, name, "live") }

func playing(name string) wire.Message { return wire.Command(1, "play", 5, nil, name) }

// publish connects and publishes.
func (p *peer) publish(name string) *peer {
	p.t.Helper()
	p.connect()
	p.say(publishing(name))
	p.hear("event 0 1", "1: onStatus 0 <nil> NetStream.Publish.Start{}")
	return p
}

var playStart = []string{
	"event 0 1", "1: onStatus 0 <nil> NetStream.Play.Reset{}", "1: onStatus 0 <nil> NetStream.Play.Start{}", "1: |RtmpSampleAccess true true",
}

// play connects and plays.
func (p *peer) play(name string) *peer {
	p.t.Helper()
	p.connect()
	p.say(playing(name))
	p.hear(playStart...)
	return p
}

func media(f *live.Frame) wire.Message {
	types := map[live.Kind]uint8{live.KindVideo: wire.TypeVideo, live.KindAudio: wire.TypeAudio, live.KindData: wire.TypeDataAMF0}
	return wire.Message{Type: types[f.Kind], Stream: 1, Time: uint32(f.Time), Body: f.Body}
}

// reader returns a viewer of the stream demo, which must be on air.
func (w *world) reader() *live.Reader {
	w.t.Helper()
	return livetest.Play(w.t, w.Hub, livetest.Key).Stream().NewReaderFromOldest(live.Tracks{})
}

func readFrame(t *testing.T, r live.FrameReader) *live.Frame {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	f, err := r.ReadFrame(ctx)
	if err != nil {
		t.Fatalf("reading a frame: %v", err)
	}
	return f
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func isErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func contains(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s: %q does not contain %q", what, got, want)
	}
}
