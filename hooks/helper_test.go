package hooks_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// patience is how long a test waits for what must happen. Nothing waits for it to pass.
const patience = 10 * time.Second

// A backend keeps what it is called with, and answers as it is told.
type backend struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r *http.Request)
	calls  chan call
	asked  atomic.Int32
}

type call struct {
	path   string
	header http.Header
	body   string
}

func newBackend(t testing.TB, answer http.HandlerFunc) *backend {
	t.Helper()
	b := &backend{answer: answer, calls: make(chan call, 1000)}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		b.calls <- call{r.URL.Path, r.Header, string(body)}
		b.answer(w, r)
	}))
	t.Cleanup(b.Close)
	return b
}

// next returns the next call.
func (b *backend) next(t testing.TB) call {
	t.Helper()
	select {
	case c := <-b.calls:
		return c
	case <-time.After(patience):
		t.Fatal("the back end was not called")
		return call{}
	}
}

// quiet checks that nothing was called.
func (b *backend) quiet(t testing.TB) {
	t.Helper()
	select {
	case c := <-b.calls:
		t.Errorf("the back end was called with %s", c.body)
	default:
	}
}

// say returns an answer with status 200.
func say(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

// newBackends returns what webhooks share, for a hub.
func newBackends(t testing.TB, hub *live.Hub) *hooks.Backends {
	t.Helper()
	o, err := outbox.Open(outbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &hooks.Backends{Identity: hooks.Identity{ID: "vid-server1", Service: "service1"}, Hub: hub, Fleeting: o}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return b
}

// newWebhook returns a webhook that may call any of the URLs.
func newWebhook(t testing.TB, b *hooks.Backends, o hooks.Options) *hooks.Webhook {
	t.Helper()
	var written []*url.URL
	for _, raw := range o.URLs {
		u, err := hooks.ParseURL(raw)
		if err != nil {
			t.Fatal(err)
		}
		written = append(written, u)
	}
	transport := hooks.NewTransport(nil, written...)
	t.Cleanup(transport.CloseIdleConnections)
	o.Transport = transport
	w, err := hooks.NewWebhook(b, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// policy returns a policy that asks and tells webhooks, as the app does.
func policy(b *hooks.Backends, webhooks ...*hooks.Webhook) *live.Policy {
	hooks.Distinguish(webhooks)
	b.Serve(webhooks)
	return &live.Policy{
		Guard: live.GuardFunc(func(ctx context.Context, r *live.Request) (grant live.Grant, err error) {
			for _, w := range webhooks {
				more, err := w.Admit(ctx, r)
				if err != nil {
					return live.Grant{}, err
				}
				grant = grant.And(more)
			}
			return grant, nil
		}),
		Observer: live.ObserverFunc(func(e live.Event) {
			for _, w := range webhooks {
				w.Observe(e)
			}
			switch e.Type {
			case live.EventUnpublish, live.EventStop, live.EventRefuse:
				if err := b.Forget(e.Session.ID); err != nil {
					panic(err)
				}
			}
		}),
	}
}

// publishRequest is what an encoder asks for by RTMP.
func publishRequest() live.Request {
	return live.Request{
		Action:   live.ActionPublish,
		ID:       "p0x3ba91",
		Protocol: live.ProtocolRTMP,
		Key:      live.Key{Vhost: "a.example", App: "live", Name: "cam1"},
		Query:    "secret=s3",
		Remote:   netip.MustParseAddrPort("203.0.113.9:50000"),
		Host:     "a.example",
		TCURL:    "rtmp://a.example/live",
	}
}

// playRequest is what a viewer asks for.
func playRequest(protocol string) live.Request {
	r := publishRequest()
	r.Action, r.ID, r.Protocol = live.ActionPlay, "v1ewer00", protocol
	r.Query = "token=t"
	r.Remote = netip.MustParseAddrPort("[::ffff:198.51.100.7]:40000")
	r.PageURL = "https://site.example/watch?a=1&b=2"
	if protocol != live.ProtocolRTMP {
		r.TCURL = "https://a.example:8443/live"
	}
	return r
}

// A diary keeps what is logged.
type diary struct {
	mu   sync.Mutex
	text string
}

func (d *diary) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text += string(b)
	return len(b), nil
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text
}

func (d *diary) logger() *slog.Logger { return slog.New(slog.NewTextHandler(d, nil)) }
