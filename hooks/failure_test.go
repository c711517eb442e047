package hooks_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A silence is a back end that takes requests and never answers, or answers after a time.
type silence struct {
	mu    sync.Mutex
	asked int
	after time.Duration // 0 is never
}

// RoundTrip implements http.RoundTripper.
func (s *silence) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked++
	after := s.after
	s.mu.Unlock()
	answer := make(<-chan time.Time)
	if after > 0 {
		answer = time.After(after)
	}
	select {
	case <-answer:
		return &http.Response{StatusCode: http.StatusCreated, Body: http.NoBody}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func (s *silence) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// TestDeadBackend lets viewers come to a back end that does not answer: they wait its time-out once, all together.
func TestDeadBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := new(silence)
		hub := new(live.Hub)
		b := newBackends(t, hub)
		w, err := hooks.NewWebhook(b, hooks.Options{URLs: []string{"http://backend.example"}, Events: []string{hooks.OnPlay}, Transport: dead})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		join := func() error {
			req := playRequest(live.ProtocolFLV)
			req.ID = ""
			_, err := w.Admit(t.Context(), &req)
			return err
		}
		// Some come one second after the other, while the first still waits.
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				if err := join(); err == nil || errors.Is(err, live.ErrDenied) {
					t.Errorf("viewer %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took != hooks.DefaultTimeout {
			t.Errorf("those who came in the meantime had waited %s after its beginning", took)
		}
		for range 16 {
			if err := join(); !errors.Is(err, hooks.ErrOpen) {
				t.Errorf("got %v", err)
			}
		}
		if took, asked := time.Since(began), dead.count(); took != hooks.DefaultTimeout || asked != 4 {
			t.Errorf("20 viewers have cost %s and %d questions", took, asked)
		}

		// After a while one looks whether it is back. The others still need not wait for it.
		time.Sleep(6 * time.Second)
		wg.Go(func() { _ = join() })
		synctest.Wait()
		if err := join(); !errors.Is(err, hooks.ErrOpen) {
			t.Errorf("while one looks another gets %v", err)
		}
		wg.Wait()
		if asked := dead.count(); asked != 5 {
			t.Errorf("%d questions", asked)
		}

		// It comes back, and is seen after the pause, which has become longer.
		dead.mu.Lock()
		dead.after = time.Second
		dead.mu.Unlock()
		if err := join(); !errors.Is(err, hooks.ErrOpen) {
			t.Errorf("got %v", err)
		}
		time.Sleep(11 * time.Second)
		for range 3 {
			if err := join(); !errors.Is(err, live.ErrDenied) { // its answer is empty
				t.Errorf("got %v", err)
			}
		}
	})
}

// TestSlowAnswer lets one call of a back end that answers others take too long: nobody else is cut off.
func TestSlowAnswer(t *testing.T) {
	release := make(chan struct{})
	end := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
		say("0")(w, r)
	})
	defer close(release)
	hub := new(live.Hub)
	b := newBackends(t, hub)
	w := newWebhook(t, b, hooks.Options{URLs: []string{end.URL + "/slow"}, Timeout: 100 * time.Millisecond})
	fast := newWebhook(t, b, hooks.Options{URLs: []string{end.URL + "/fast"}, Timeout: 100 * time.Millisecond})
	req := playRequest(live.ProtocolFLV)
	if _, err := w.Admit(t.Context(), &req); err == nil {
		t.Error("who was not answered was admitted")
	}
	if _, err := w.Admit(t.Context(), &req); !errors.Is(err, hooks.ErrOpen) {
		t.Errorf("got %v", err)
	}
	if _, err := fast.Admit(t.Context(), &req); err != nil {
		t.Errorf("another URL: %v", err)
	}
}

// TestCut lets a back end close the connection instead of answering, and refuse connections.
func TestCut(t *testing.T) {
	end := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			conn.Close()
		}
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	for _, address := range []string{end.URL, "http://" + ln.Addr().String()} {
		hub := new(live.Hub)
		b := newBackends(t, hub)
		w := newWebhook(t, b, hooks.Options{URLs: []string{address}, Events: []string{hooks.OnPlay}})
		req := playRequest(live.ProtocolFLV)
		for range 3 { // quick failures open nothing
			if _, err := w.Admit(t.Context(), &req); err == nil || errors.Is(err, hooks.ErrOpen) || errors.Is(err, live.ErrDenied) {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
}

// TestInFlight bounds the questions that a back end has to answer at a time.
func TestInFlight(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	end := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		<-time.After(5 * time.Millisecond)
		mu.Lock()
		now--
		mu.Unlock()
		say("0")(w, r)
	})
	b := newBackends(t, new(live.Hub))
	w := newWebhook(t, b, hooks.Options{URLs: []string{end.URL}, Events: []string{hooks.OnPlay}, InFlight: 4})
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			req := playRequest(live.ProtocolFLV)
			req.ID = ""
			if _, err := w.Admit(t.Context(), &req); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most > 4 {
		t.Errorf("%d questions at a time", most)
	}
}

// BenchmarkGate lets 500 viewers per second through a gate whose back end takes 10 ms, and asks that back end as often
// without a gate, in turns of a quarter of a second, so that a busy machine slows both. It reports how long each took.
func BenchmarkGate(b *testing.B) {
	const delay, turn = 10 * time.Millisecond, 125
	end := newBackend(b, func(w http.ResponseWriter, r *http.Request) {
		<-time.After(delay)
		say(`{"code":0}`)(w, r)
	})
	end.calls = make(chan call, 2*b.N+1)
	hub := new(live.Hub)
	shared := newBackends(b, hub)
	hub.Activate(policy(shared, newWebhook(b, shared, hooks.Options{URLs: []string{end.URL}, Events: []string{hooks.OnPlay}})))
	u, err := hooks.ParseURL(end.URL)
	if err != nil {
		b.Fatal(err)
	}
	direct := &http.Client{Transport: hooks.NewTransport(nil, u)}
	defer direct.CloseIdleConnections()
	ways := []struct {
		name string
		ask  func() error
		took []time.Duration
	}{
		{name: "direct", ask: func() error {
			resp, err := direct.Post(end.URL, "application/json", strings.NewReader("{}"))
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			return err
		}},
		{name: "gate", ask: func() error {
			req := playRequest(live.ProtocolFLV)
			req.ID = ""
			ses, err := hub.Admit(b.Context(), req)
			if err == nil {
				ses.Close(nil)
			}
			return err
		}},
	}
	tick := time.NewTicker(time.Second / 500)
	defer tick.Stop()
	var mu sync.Mutex
	for done := 0; done < b.N; done += turn {
		for i := range ways {
			w := &ways[i]
			var wg sync.WaitGroup
			for range min(turn, b.N-done) {
				<-tick.C
				wg.Go(func() {
					began := time.Now()
					err := w.ask()
					took := time.Since(began)
					mu.Lock()
					defer mu.Unlock()
					if w.took = append(w.took, took); err != nil {
						b.Error(err)
					}
				})
			}
			wg.Wait()
		}
	}
	for _, w := range ways {
		slices.Sort(w.took)
		for _, percent := range []int{50, 99} {
			ms := float64(w.took[len(w.took)*percent/100]) / float64(time.Millisecond)
			b.ReportMetric(ms, fmt.Sprintf("%s-p%d-ms", w.name, percent))
		}
	}
}
