package httplive_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/flv"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/httplive"
)

// A site is a hub with the handler of FLV before it, and what its observer was told.
type site struct {
	t   *testing.T
	hub *live.Hub
	httplive.Handler

	mu     sync.Mutex
	events []live.Event
}

func newSite(t *testing.T, change func(*live.Rules), guard live.GuardFunc) *site {
	t.Helper()
	s := &site{t: t, hub: new(live.Hub)}
	s.Handler = httplive.Handler{Hub: s.hub, Format: flv.Format()}
	p := &live.Policy{Observer: s, Rules: func(k live.Key) (live.Rules, error) {
		r := live.DefaultRules()
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
	s.hub.Activate(p)
	return s
}

func (s *site) Observe(e live.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

// ended returns how the n viewers ended that there were, on a fake clock.
func (s *site) ended(n int) []live.Event {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []live.Event
	for _, e := range s.events {
		if e.Type == live.EventStop {
			list = append(list, e)
		}
	}
	if len(list) != n {
		s.t.Fatalf("%d viewers have ended, not %d", len(list), n)
	}
	return list
}

// kick ends all viewers.
func (s *site) kick() {
	for _, ses := range s.hub.Snapshot().Sessions {
		if ses.Action == live.ActionPlay {
			s.hub.Kick(ses.ID)
		}
	}
}

// protocols are what the tests run over.
var protocols = map[string]func(p *http.Protocols){
	"HTTP1": func(p *http.Protocols) { p.SetHTTP1(true) },
	"HTTP2": func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) },
}

// pass lets time pass on the fake clock.
func pass(d time.Duration) { time.Sleep(d) }

// over runs f over both protocols, on the fake clock and without any buffer between client and server but their own. It
// fails if f leaves a goroutine.
func over(t *testing.T, change func(*live.Rules), f func(t *testing.T, s *site, client *http.Client)) {
	t.Helper()
	for name, set := range protocols {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, change, nil)
				f(t, s, s.serve(set))
			})
		})
	}
}

// serve returns a client of the site.
func (s *site) serve(set func(p *http.Protocols)) *http.Client {
	ln := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	srv := &http.Server{Handler: s, Protocols: new(http.Protocols)}
	transport := &http.Transport{DialContext: ln.dial, Protocols: new(http.Protocols)}
	set(srv.Protocols)
	set(transport.Protocols)
	go func() { _ = srv.Serve(ln) }()
	s.t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = srv.Close()
	})
	return &http.Client{Transport: transport}
}

// pipes is a listener in memory.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.done:
	case <-ctx.Done():
	}
	return nil, net.ErrClosed
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return new(net.TCPAddr) }

// open begins to watch; the stream must be on air.
func (s *site) open(client *http.Client) *http.Response {
	s.t.Helper()
	resp, err := client.Get("http://example.com/live/demo.flv")
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("status %s", resp.Status)
	}
	return resp
}

// watch is open by a viewer who reads all of it.
func (s *site) watch(client *http.Client) <-chan []byte {
	s.t.Helper()
	resp := s.open(client) //nolint:bodyclose // closed below
	body := make(chan []byte, 1)
	go func() {
		defer resp.Body.Close()
		body <- readAll(s.t, resp)
	}()
	return body
}

// onAir returns a publisher that has written the first second.
func (s *site) onAir() *live.Publisher {
	s.t.Helper()
	pub := livetest.Publish(s.t, s.hub, livetest.Key)
	livetest.Write(s.t, pub, livetest.GOPs(1)...)
	return pub
}

// heavy is a picture of 1 MiB.
func heavy(t *testing.T, n int) *live.Frame {
	t.Helper()
	f, err := live.ParseTag(live.KindVideo, uint32(n*livetest.FrameInterval), append([]byte{0x27, 1, 0, 0, 0}, make([]byte, 1<<20)...))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// flood writes more than all buffers between server and viewer take.
func flood(t *testing.T, pub *live.Publisher) {
	t.Helper()
	for n := range 8 {
		livetest.Write(t, pub, heavy(t, livetest.GOPFrames+n))
		time.Sleep(200 * time.Millisecond)
	}
}

func readAll(t *testing.T, resp *http.Response) []byte {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("after %d bytes: %v", len(b), err)
	}
	return b
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
