package outbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashVariable) != "" {
		crashMain()
		return
	}
	if os.Getenv(fullVariable) != "" {
		fullMain()
		return
	}
	goleak.VerifyTestMain(m)
}

// A sink is a back end. It notes what it was sent, and answers as it is told.
type sink struct {
	mu     sync.Mutex
	got    []outbox.Delivery
	answer func(d *outbox.Delivery) outbox.Result // nil: always 200
	took   time.Duration                          // for each attempt
	busy   int
	most   int // attempts at a time
}

func (s *sink) Send(ctx context.Context, d *outbox.Delivery) outbox.Result {
	s.mu.Lock()
	s.busy++
	s.most = max(s.most, s.busy)
	took := s.took
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.busy--
		s.mu.Unlock()
	}()
	if took > 0 {
		select {
		case <-time.After(took):
		case <-ctx.Done():
			return outbox.Result{Err: ctx.Err()}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, *d)
	if s.answer == nil {
		return outbox.Result{Status: 200}
	}
	return s.answer(d)
}

func (s *sink) set(answer func(d *outbox.Delivery) outbox.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func status(code int) func(*outbox.Delivery) outbox.Result {
	return func(*outbox.Delivery) outbox.Result { return outbox.Result{Status: code} }
}

// events returns what came, in order, as "stream event".
func (s *sink) events() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.got {
		all = append(all, d.Stream+" "+d.Event)
	}
	return all
}

func (s *sink) count() int { return len(s.events()) }

// logbook collects the log.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logbook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "rtmp", "outbox.db") }

func open(t testing.TB, options outbox.Options) *outbox.Outbox {
	t.Helper()
	o, err := outbox.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// finish closes an outbox, and lets nothing more be delivered.
func finish(t testing.TB, o *outbox.Outbox) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Close(ctx); err != nil {
		t.Error(err)
	}
}

func put(t testing.TB, o *outbox.Outbox, ds ...outbox.Delivery) {
	t.Helper()
	if err := o.Put(ds...); err != nil {
		t.Fatal(err)
	}
}

// to is a delivery.
func to(target, stream, event string) outbox.Delivery {
	return outbox.Delivery{Target: target, Stream: stream, Event: event, Body: fmt.Appendf(nil, `{"action":%q}`, event)}
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
