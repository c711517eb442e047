package rtmpapp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

func dial(t *testing.T, url string, config *tls.Config) *rtmpapp.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := rtmpapp.Dial(ctx, url, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// relay publishes frames to url+"demo" with one client and plays them with another, to the end.
func relay(t *testing.T, w *world, url string, config *tls.Config) {
	t.Helper()
	publisher := dial(t, url+"demo?key=1", config)
	out, err := publisher.Publish(t.Context())
	isErr(t, "publish", err, nil)
	frames := livetest.GOPs(1)
	for _, f := range frames[:10] {
		isErr(t, "write", out.WriteFrame(f), nil)
	}
	equal(t, "query", w.await(live.EventPublish).Session.Query, "key=1")
	in, err := dial(t, url+"demo", config).Play(t.Context())
	isErr(t, "play", err, nil)
	for i, want := range frames {
		if i == 10 {
			for _, f := range frames[10:] {
				isErr(t, "write", out.WriteFrame(f), nil)
			}
		}
		got := readFrame(t, in)
		if got.Kind != want.Kind || got.Time != want.Time || !bytes.Equal(got.Body, want.Body) {
			t.Fatalf("frame %d: got %s at %d, want %s at %d", i, got.Kind, got.Time, want.Kind, want.Time)
		}
	}
	isErr(t, "close", publisher.Close(), nil)
	_, err = in.ReadFrame(t.Context())
	isErr(t, "end", err, io.EOF)
}

func TestClient(t *testing.T) {
	w := newWorld(t, nil, nil)
	relay(t, w, w.listen(), nil)
}

func TestClientOverTLS(t *testing.T) {
	https := httptest.NewUnstartedServer(nil) // it has a certificate
	https.StartTLS()
	defer https.Close()
	w := newWorld(t, nil, nil)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := tls.NewListener(plain, https.TLS)
	done := make(chan error, 1)
	go func() { done <- w.Serve(ln) }()
	pool := x509.NewCertPool()
	pool.AddCert(https.Certificate())
	config := &tls.Config{RootCAs: pool}
	relay(t, w, "rtmps://"+ln.Addr().String()+"/live/", config)
	equal(t, "TLS", w.await(live.EventPublish).Session.TLS != nil, true)
	_ = ln.Close()
	isErr(t, "Serve", <-done, net.ErrClosed)
}

func TestClientIsRefused(t *testing.T) {
	w := newWorld(t, nil, nil)
	url := w.listen()
	livetest.Publish(t, w.Hub, livetest.Key)
	status := func(err error) string {
		se, ok := errors.AsType[*rtmpapp.StatusError](err)
		if !ok {
			t.Errorf("no status: %v", err)
			return ""
		}
		equal(t, "description", se.Description != "", true)
		return se.Code
	}
	_, err := dial(t, url+"demo", nil).Publish(t.Context())
	equal(t, "second publisher", status(err), "NetStream.Publish.BadName")
	_, err = dial(t, url+"none", nil).Play(t.Context())
	equal(t, "missing stream", status(err), "NetStream.Play.StreamNotFound")
	_, err = rtmpapp.Dial(t.Context(), strings.Replace(url, "/live/", "/other/demo", 1), nil)
	equal(t, "unknown app", status(err), "NetConnection.Connect.Rejected")
	for _, bad := range []string{"http://localhost/live/demo", "rtmp://localhost/live", "rtmp://%zz", "rtmp://127.0.0.1:1/live/demo"} {
		if _, err := rtmpapp.Dial(t.Context(), bad, nil); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

// A context ends every wait of a client.
func TestClientContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = rtmpapp.Dial(ctx, "rtmp://"+silent.Addr().String()+"/live/demo", nil)
	if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() {
		t.Errorf("Dial: %v", err)
	}
	w := newWorld(t, nil, nil)
	url := w.listen()
	w.onAir()
	in, err := dial(t, url+"demo", nil).Play(t.Context())
	isErr(t, "play", err, nil)
	ctx, cancel2 := context.WithCancelCause(t.Context())
	for range 7 {
		readFrame(t, in)
	}
	reason := errors.New("enough")
	go cancel2(reason)
	_, err = in.ReadFrame(ctx)
	isErr(t, "ReadFrame", err, reason)
}

// A peer over TCP that is refused reads why, though it has more to say than is read.
func TestLastWordsArrive(t *testing.T) {
	w := newWorld(t, nil, nil)
	url := w.listen()
	livetest.Publish(t, w.Hub, livetest.Key)
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(url, "rtmp://"), "/live/"))
	if err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, conn).connect()
	p.say(publishing("demo"), wire.Message{Type: wire.TypeVideo, Stream: 1, Body: make([]byte, 1<<20)})
	p.hearStatus("NetStream.Publish.BadName")
	p.hear("end")
}

func TestHTTPRequestIsRefused(t *testing.T) {
	w := newWorld(t, nil, nil)
	var log bytes.Buffer
	w.Logger = func() *slog.Logger {
		return slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	ours, theirs := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- w.ServeConn(theirs) }()
	_, _ = ours.Write([]byte("GET / HTTP/1.1\r\n\r\n")) // it may end before it has read all
	isErr(t, "ServeConn", <-done, nil)
	contains(t, "log", log.String(), "speaks no RTMP")
	_ = ours.Close()
}

// A fault of ours in one connection ends neither the process nor keeps its stream.
func TestFault(t *testing.T) {
	w := newWorld(t, nil, nil)
	ours, theirs := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- w.ServeConn(&faulty{Conn: theirs}) }()
	p := newPeer(t, ours).connect()
	p.say(publishing("demo"))
	p.hear("end")
	isErr(t, "ServeConn", <-done, nil)
	w.await(live.EventUnpublish)
	w.peer().publish("demo")
}

// faulty panics when it is to say that a stream is published.
type faulty struct{ net.Conn }

func (f *faulty) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("Publish.Start")) {
		panic("fault")
	}
	return f.Conn.Write(b)
}

// Server.Close ends connections in every state.
func TestServerClose(t *testing.T) {
	w := newWorld(t, nil, nil)
	url := w.listen()
	address := strings.TrimSuffix(strings.TrimPrefix(url, "rtmp://"), "/live/")
	silent, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	publisher := w.peer().publish("demo")
	publisher.say(media(livetest.VideoConfig()), media(livetest.Video(0)))
	viewer := w.peer().play("demo")
	connected := w.peer().connect()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	isErr(t, "close", w.Close(ctx), nil)
	for _, p := range []*peer{publisher, viewer, connected} {
		p.hearEnd()
	}
	w.await(live.EventUnpublish)
	w.await(live.EventStop)
	ours, theirs := net.Pipe()
	isErr(t, "ServeConn", w.ServeConn(theirs), rtmpapp.ErrServerClosed)
	_, err = ours.Read(make([]byte, 1))
	isErr(t, "a connection that comes late", err, io.EOF)
	_ = ours.Close()
}

func TestServerCloseGivesUp(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	w := newWorld(t, nil, func(context.Context, *live.Request) (live.Grant, error) {
		close(asked)
		<-answer
		return live.Grant{}, nil
	})
	p := w.peer().connect()
	p.say(publishing("demo"))
	<-asked
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	cancel(reason)
	isErr(t, "close", w.Close(ctx), reason)
	close(answer)
}

// flaky is a listener that fails twice before it is closed.
type flaky struct {
	net.Listener
	errs []error
}

func (f *flaky) Accept() (net.Conn, error) {
	err := f.errs[0]
	f.errs = f.errs[1:]
	return nil, err
}

func (f *flaky) Addr() net.Addr { return new(net.TCPAddr) }

type timeout struct{}

func (timeout) Error() string   { return "timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestServeGoesOn(t *testing.T) {
	timed(t, nil, func(t *testing.T, w *world) {
		begun := time.Now()
		err := w.Serve(&flaky{errs: []error{errors.New("too many open files"), timeout{}, net.ErrClosed}})
		isErr(t, "Serve", err, net.ErrClosed)
		equal(t, "it paused", time.Since(begun), 50*time.Millisecond)
	})
}

// Connections that come and go at once end everywhere, which the race detector looks at.
func TestManyConnections(t *testing.T) {
	w := newWorld(t, nil, nil)
	url := w.listen()
	pub := w.onAir()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			in, err := dial(t, url+"demo", nil).Play(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			for range 5 {
				if _, err := in.ReadFrame(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	livetest.Write(t, pub, livetest.Video(4))
	isErr(t, "close", w.Hub.Close(closing(t, pub)), nil)
}

// closing closes a publisher when its session is to end.
func closing(t *testing.T, pub *live.Publisher) context.Context {
	context.AfterFunc(pub.Session().Context(), func() { pub.Close(nil) })
	return t.Context()
}
