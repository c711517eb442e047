package stats_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/stats"
	"github.com/caddy-rtmp/caddy-rtmp/stats/apitest"
)

// A wire is a response that goes over a connection without any buffer.
type wire struct {
	net.Conn

	header http.Header
	status int
}

func (w *wire) Header() http.Header    { return w.header }
func (w *wire) WriteHeader(status int) { w.status = status }
func (w *wire) Flush()                 {}

// A follower reads events.
type follower struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	*wire
	over chan struct{} // closed when the handler has returned
}

func follow(t *testing.T, e *stats.Events, done <-chan struct{}, known string) *follower {
	t.Helper()
	near, far := net.Pipe()
	f := &follower{t, near, bufio.NewReader(near), &wire{Conn: far, header: make(http.Header)}, make(chan struct{})}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/events", nil)
	if known != "" {
		r.Header.Set("Last-Event-ID", known)
	}
	go func() {
		defer close(f.over)
		e.Handler(done).ServeHTTP(f.wire, r)
		far.Close()
	}()
	t.Cleanup(func() { near.Close() })
	return f
}

// next returns the next block, by the names of its lines; nil at the end.
func (f *follower) next() map[string]string {
	f.t.Helper()
	block := make(map[string]string)
	for {
		line, err := f.in.ReadString('\n')
		if errors.Is(err, io.EOF) && len(block) == 0 {
			return nil
		}
		if err != nil {
			f.t.Fatal(err)
		}
		if line == "\n" {
			return block
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		block[name] = strings.TrimPrefix(value, " ")
	}
}

// expect reads the next event and checks its name and some of its members.
func (f *follower) expect(name string, members ...any) (id string) {
	f.t.Helper()
	block := f.next()
	if name != "missed" {
		apitest.Describe(f.t).CheckSchema(f.t, "Event", []byte(block["data"]))
	}
	var data map[string]any
	if err := json.Unmarshal([]byte(block["data"]), &data); err != nil || block["event"] != name {
		f.t.Fatalf("got %v, want %s (%v)", block, name, err)
	}
	for i := 0; i < len(members); i += 2 {
		if got := fmt.Sprint(data[fmt.Sprint(members[i])]); got != fmt.Sprint(members[i+1]) {
			f.t.Errorf("%s of %s is %v, want %v", members[i], name, got, members[i+1])
		}
	}
	return block["id"]
}

// newEvents returns the events of a hub.
func newEvents() (*stats.Events, *live.Hub) {
	e, hub := stats.NewEvents("8mt41q0c"), new(live.Hub)
	hub.Activate(&live.Policy{Observer: e})
	return e, hub
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, hub := newEvents()
		f := follow(t, e, nil, "")
		if retry := f.next()["retry"]; retry != "2000" || f.status != http.StatusOK || f.header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("it begins with status %d, %v, retry %q", f.status, f.header, retry)
		}
		p := livetest.Publish(t, hub, livetest.Key)
		f.expect("publish", "type", "publish", "action", "publish", "client_id", p.Session().ID, "protocol", "rtmp", "ip", "127.0.0.1",
			"vhost", live.DefaultVhost, "app", "live", "stream", "demo", "stream_url", "/live/demo", "clients", 1, "reason", nil, "duration", nil)
		v := livetest.Play(t, hub, livetest.Key)
		f.expect("play", "client_id", v.ID, "clients", 2)
		go func() { _, _ = hub.Publish(t.Context(), livetest.Request(livetest.Key)) }()
		f.expect("refuse", "action", "publish", "reason", "busy",
			"message", "stream already has a publisher: /live/demo already has a publisher")
		time.Sleep(1500 * time.Millisecond)
		v.Sent(77)
		v.Close(nil)
		f.expect("stop", "client_id", v.ID, "reason", "left", "message", nil, "duration", "1.5", "send_bytes", 77, "clients", 2)
		hub.Kick(p.Session().ID)
		p.Close(nil)
		f.expect("kick", "client_id", p.Session().ID, "reason", "kicked")
		f.expect("unpublish", "client_id", p.Session().ID, "reason", "kicked", "message", "kicked")

		begin := time.Now()
		if block := f.next(); len(block) != 1 || time.Since(begin) > 15*time.Second {
			t.Errorf("after %s of silence: %v", time.Since(begin), block)
		}
		f.conn.Close()
		synctest.Wait()
		<-f.over
	})
}

// TestEventsAreGivenAgain has readers come back.
func TestEventsAreGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, hub := newEvents()
		first := follow(t, e, nil, "")
		first.next()
		livetest.Publish(t, hub, live.Key{App: "live", Name: "a"})
		id := first.expect("publish", "stream", "a")
		livetest.Publish(t, hub, live.Key{App: "live", Name: "b"})
		again := follow(t, e, nil, id)
		again.next()
		again.expect("publish", "stream", "b")

		for _, unknown := range []string{"another0-1", "8mt41q0c-99", "8mt41q0c-x", "nonsense"} {
			f := follow(t, e, nil, unknown)
			f.next()
			f.expect("missed")
			f.conn.Close()
		}

		// More has happened than is kept.
		for range 2100 {
			livetest.Play(t, hub, live.Key{App: "live", Name: "a"}).Close(nil)
		}
		late := follow(t, e, nil, id)
		late.next()
		late.expect("missed")
		late.expect("play", "stream", "a")
	})
}

// TestSlowReaderOfEventsIsCut has one that reads nothing while another keeps up, and events that nobody waits for.
func TestSlowReaderOfEventsIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, hub := newEvents()
		stuck := follow(t, e, nil, "")
		stuck.next()
		quick := follow(t, e, nil, "")
		quick.next()
		livetest.Publish(t, hub, livetest.Key)
		quick.expect("publish")
		begin := time.Now()
		<-stuck.over
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("the one that reads nothing was cut after %s", took)
		}

		// One that is slower than what happens falls out.
		slow := follow(t, e, nil, "")
		slow.next()
		synctest.Wait()
		for range 3000 {
			livetest.Play(t, hub, livetest.Key).Close(nil)
		}
		synctest.Wait()
		n := 0
		for slow.next() != nil {
			n++
		}
		if n == 0 || n >= 6000 {
			t.Errorf("the slow one was given %d events of 6000", n)
		}
		<-slow.over
	})
}

func TestEventsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, hub := newEvents()
		done := make(chan struct{})
		old, young := follow(t, e, done, ""), follow(t, e, nil, "")
		old.next()
		young.next()
		close(done) // the configuration of the first is replaced
		if old.next() != nil {
			t.Error("there is more for a reader of an old configuration")
		}
		p := livetest.Publish(t, hub, livetest.Key)
		if err := hub.Close(canceled(t)); err == nil {
			t.Error("the publisher has ended by itself")
		}
		p.Close(nil)
		e.Close()
		young.expect("publish")
		young.expect("unpublish", "reason", "shutdown")
		if young.next() != nil {
			t.Error("there is more after the end")
		}
		rec := httptest.NewRecorder()
		e.Handler(nil).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/api/v1/events", nil))
		if rec.Code != http.StatusServiceUnavailable {
			t.Errorf("after the end: %d", rec.Code)
		}
		rec = httptest.NewRecorder()
		e.Handler(nil).ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/api/v1/events", nil))
		if rec.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST: %d", rec.Code)
		}
	})
}

func TestReadersOfEventsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := newEvents()
		done := make(chan struct{})
		var all []*follower
		for range 100 {
			f := follow(t, e, done, "")
			f.next()
			all = append(all, f)
		}
		more := follow(t, e, done, "")
		if _, err := io.ReadAll(more.in); err != nil || more.status != http.StatusServiceUnavailable {
			t.Errorf("one too many: %d, %v", more.status, err)
		}
		close(done)
		for _, f := range all {
			<-f.over
		}
		again := follow(t, e, nil, "")
		if again.next(); again.status != http.StatusOK {
			t.Errorf("when the others have gone: %d", again.status)
		}
	})
}

// canceled returns a context that is over.
func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
