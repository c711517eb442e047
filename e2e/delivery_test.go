package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
)

// hookSecret signs what the server tells. It is as the Standard Webhooks specification has it in its examples.
const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// A told is one call to a witness.
type told struct {
	Action string `json:"action"`
	Client string `json:"client_id"`
	Stream string `json:"stream"`
	id     string // header webhook-id
	status int    // the answer
}

// A witness is a back end that accepts everything and notes what it is told, in order.
type witness struct {
	*httptest.Server
	t testing.TB

	mu     sync.Mutex
	calls  []told
	answer func(c *told) int // the status, 200 if nil
}

func newWitness(t testing.TB) *witness {
	w := &witness{t: t}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	return w
}

func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the server was killed meanwhile
	}
	receiver, err := webhooks.NewWebhook(hookSecret)
	if err == nil {
		err = receiver.Verify(body, r.Header)
	}
	c := told{id: r.Header.Get("webhook-id"), status: http.StatusOK}
	if err := errors.Join(err, json.Unmarshal(body, &c)); err != nil {
		w.t.Errorf("the back end was sent %q: %v", body, err)
	}
	w.mu.Lock()
	if w.answer != nil {
		c.status = w.answer(&c)
	}
	w.calls = append(w.calls, c)
	w.mu.Unlock()
	rw.WriteHeader(c.status)
	_, _ = io.WriteString(rw, `{"code":0}`)
}

func (w *witness) respond(answer func(c *told) int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

// heard returns the calls so far, those of some actions or all.
func (w *witness) heard(actions ...string) (found []told) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if len(actions) == 0 || strings.Contains(strings.Join(actions, " "), c.Action) {
			found = append(found, c)
		}
	}
	return found
}

// config is basic with a hook that tells the witness.
func (w *witness) config(lines ...string) string {
	hook := "hook http " + w.URL + "/srs {\nevents on_publish on_unpublish on_play on_stop on_close\nsign " + hookSecret + "\n" +
		strings.Join(lines, "\n") + "\n}"
	return in("	rtmp", hook)
}

// pending returns what caddy rtmp hooks lists, without the ends of those who still are there.
func (s *server) hooks(args ...string) string {
	s.t.Helper()
	args = append([]string{"rtmp", "hooks"}, args...)
	out, err := s.caddy(append(args, "--address", "127.0.0.1:"+fmt.Sprint(s.admin))...)
	if err != nil {
		s.t.Fatalf("caddy %q: %v: %s", args, err, out)
	}
	return out
}

const nothingPending = "No delivery is pending or was given up.\n"

func (s *server) awaitDelivery() {
	s.t.Helper()
	within(s.t, 6*patience, "all is delivered", func() error { // pauses may have grown
		if out := s.hooks(); out != nothingPending {
			return errors.New(out)
		}
		return nil
	})
}

// TestDeliveryOverKills kills the server three times while publishers come and go and a back end is told a thousand
// events, some of which it does not take at first. None is lost, what comes twice has the same id, and each on_publish is
// followed by its on_unpublish before the stream's next, also where a publisher went down with the server.
func TestDeliveryOverKills(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	w.respond(func(c *told) int {
		if c.Action != "on_publish" && rand.IntN(50) == 0 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	s := serve(t, w.config())
	const streams, events, kills = 8, 1000, 3
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var comings atomic.Int64
	var publishers sync.WaitGroup
	for i := range streams {
		url := s.url("rtmp", fmt.Sprintf("/live/cam%d", i))
		publishers.Go(func() {
			for ctx.Err() == nil {
				if comeAndGo(ctx, url) == nil {
					comings.Add(1)
				} else {
					time.Sleep(20 * time.Millisecond) // the server is down
				}
			}
		})
	}
	for kill := range kills {
		awaitEvents(t, w, events*(kill+1)/(kills+1)+rand.IntN(50))
		s.signal(syscall.SIGKILL)
		_ = s.wait(t, patience)
		s.run()
	}
	awaitEvents(t, w, events)
	cancel()
	publishers.Wait()
	s.awaitDelivery()
	checkPairs(t, w.heard())
	t.Logf("%d publishers came, %d calls", comings.Load(), len(w.heard()))
}

// awaitEvents waits until so many events, which are no questions, have come.
func awaitEvents(t testing.TB, w *witness, n int) {
	t.Helper()
	within(t, 6*patience, fmt.Sprintf("%d events", n), func() error {
		if have := len(w.heard("on_unpublish", "on_stop", "on_close")); have < n {
			return fmt.Errorf("there are %d", have)
		}
		return nil
	})
}

// comeAndGo publishes for a moment.
func comeAndGo(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := rtmpapp.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Publish(ctx)
	return err
}

// checkPairs checks what a back end was told of publishers.
func checkPairs(t *testing.T, calls []told) {
	t.Helper()
	on := make(map[string]string)    // stream → who publishes it, for the back end
	begun := make(map[string]bool)   // clients
	ended := make(map[string]string) // client → id of its on_unpublish
	duplicates, lost := 0, 0
	for i, c := range calls {
		switch c.Action {
		case "on_publish":
			if other := on[c.Stream]; other != "" {
				t.Errorf("call %d: %s publishes %s while %s does", i, c.Client, c.Stream, other)
			}
			on[c.Stream], begun[c.Client] = c.Client, true
		case "on_unpublish":
			if id, ok := ended[c.Client]; ok {
				duplicates++
				if id != c.id {
					t.Errorf("call %d: the end of %s has come as %s and as %s", i, c.Client, id, c.id)
				}
				if on[c.Stream] != "" && on[c.Stream] != c.Client {
					t.Errorf("call %d: the end of %s has come again after %s has begun", i, c.Client, on[c.Stream])
				}
				continue
			}
			ended[c.Client] = c.id
			switch on[c.Stream] {
			case c.Client:
				on[c.Stream] = ""
			case "":
				lost++ // the server was killed before it could ask
			default:
				t.Errorf("call %d: the end of %s has come after %s has begun", i, c.Client, on[c.Stream])
			}
		}
	}
	for client := range begun {
		if ended[client] == "" {
			t.Errorf("the end of %s was never told", client)
		}
	}
	t.Logf("%d on_publish, %d on_unpublish, %d of them without their on_publish, %d came twice", len(begun), len(ended), lost, duplicates)
}

// TestLostSessions kills the server with a publisher and viewers of each kind. At the next start the back end is told the
// end of each of them, before it is asked about the next publisher.
func TestLostSessions(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	s := serve(t, w.config())
	s.publish(s.url("rtmp", "/live/test"))
	s.play(s.url("rtmp", "/live/test"))
	s.watch(http2, s.url("https", "/live/test.flv"))
	s.watch(http1, s.url("http", "/live/test.ts"))
	s.tune(http1, s.url("https", "/live/test.m3u8"))
	eventually(t, "all have come", func() error {
		if n := len(w.heard()); n != 5 {
			return fmt.Errorf("%d calls", n)
		}
		return nil
	})
	s.signal(syscall.SIGKILL)
	_ = s.wait(t, patience)
	w.respond(func(c *told) int { // the first attempts fail
		if c.Action != "on_publish" && len(w.calls) < 12 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	s.run()
	s.publish(s.url("rtmp", "/live/test"))
	eventually(t, "the publisher is back", func() error {
		if n := len(w.heard("on_publish")); n != 2 {
			return fmt.Errorf("%d times on_publish", n)
		}
		return nil
	})
	s.awaitDelivery()

	calls := w.heard()
	ends := make(map[string]string) // client → id
	for _, c := range calls[5:] {
		if c.Action == "on_publish" {
			break
		}
		if id := ends[c.Client]; id != "" && id != c.id {
			t.Errorf("the end of %s has come as %s and as %s", c.Client, id, c.id)
		}
		ends[c.Client] = c.id
	}
	for _, c := range calls[:5] {
		if ends[c.Client] == "" {
			t.Errorf("the end of %s, by %s, has not come before the next on_publish: %+v", c.Client, c.Action, calls)
		}
	}
	if len(ends) != 5 {
		t.Errorf("%d ends", len(ends))
	}
}

// TestDeliveryLog has a back end that refuses one event and is down for another, and sees to it by the command line and
// by the API.
func TestDeliveryLog(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	w.respond(func(c *told) int {
		switch {
		case c.Action == "on_unpublish" && c.Stream == "bad":
			return http.StatusBadRequest
		case c.Action == "on_unpublish" && c.Stream == "late":
			return http.StatusBadGateway
		}
		return http.StatusOK
	})
	s := serve(t, w.config())
	for _, name := range []string{"bad", "late", "good"} {
		if err := comeAndGo(t.Context(), s.url("rtmp", "/live/"+name)); err != nil {
			t.Fatal(err)
		}
	}
	var list struct {
		Code       int
		Server     string
		Deliveries []struct {
			ID, State, Event, Stream, Target, Reason string
			Last                                     struct{ Status int }
		}
	}
	eventually(t, "one is dead and one waits", func() error {
		if err := json.Unmarshal([]byte(s.hooks("list", "--json", "--event", "on_unpublish")), &list); err != nil {
			return err
		}
		if n := len(list.Deliveries); n != 2 || list.Deliveries[1].State != "dead" || list.Deliveries[0].Last.Status != http.StatusBadGateway {
			return fmt.Errorf("%d: %+v", n, list)
		}
		return nil
	})
	dead := list.Deliveries[1]
	if !strings.HasSuffix(dead.Stream, "/live/bad") || dead.Reason != "refused with status 400" || list.Server == "" {
		t.Errorf("dead: %+v", dead)
	}
	for _, check := range []struct{ command, want string }{
		{"list", dead.ID},
		{"list", "status 502"},
		{"dead", "refused with status 400"},
		{"log", "delivered"},
		{"log", "refused"},
		{"targets", w.URL + "/srs"},
		{"targets", "status 502"},
		{"show " + dead.ID, `"action":"on_unpublish"`},
	} {
		if out := s.hooks(strings.Fields(check.command)...); !strings.Contains(out, check.want) {
			t.Errorf("caddy rtmp hooks %s says %s", check.command, out)
		}
	}

	// A reload keeps what is pending, and so does the API show it.
	if out, err := s.reload(w.config("timeout 4s")); err != nil {
		t.Fatalf("reload: %v: %s", err, out)
	}
	if out := s.hooks("replay", list.Deliveries[0].ID); !strings.Contains(out, "is tried again") {
		t.Errorf("replay: %s", out)
	}
	w.respond(nil)
	path := "/api/v1/hooks/deliveries"
	if status, body := s.apiCall(http.MethodGet, path, ""); status != http.StatusUnauthorized && status != http.StatusForbidden {
		t.Errorf("the API without a token: %d %s", status, body)
	}
	if status, body := s.apiCall(http.MethodGet, path+"?state=dead", apiToken); status != http.StatusOK || !strings.Contains(body, dead.ID) {
		t.Errorf("the API: %d %s", status, body)
	}
	if status, body := s.apiCall(http.MethodPost, path+"/"+dead.ID+"/replay", apiToken); status != http.StatusOK {
		t.Errorf("replay by the API: %d %s", status, body)
	}
	s.awaitDelivery()
	for _, id := range []string{dead.ID, list.Deliveries[0].ID} {
		if n := count(w.heard("on_unpublish"), id); n < 2 {
			t.Errorf("%s has come %d times", id, n)
		}
	}
	if out, err := s.caddy("rtmp", "hooks", "replay", "nobody", "--address", "127.0.0.1:"+fmt.Sprint(s.admin)); err == nil ||
		!strings.Contains(out, "no pending or dead delivery has this id") {
		t.Errorf("replay of nothing: %v: %s", err, out)
	}

	// Another server of this user cannot share the outbox, and says what to do.
	other := newServer(t, w.config())
	out, err := s.caddyWith(other, "run", "--config", other.config, "--adapter", "caddyfile")
	if err == nil || !strings.Contains(out, "XDG_DATA_HOME") {
		t.Errorf("a second server: %v: %s", err, tail(out))
	}
}

func count(calls []told, id string) (n int) {
	for _, c := range calls {
		if c.id == id {
			n++
		}
	}
	return n
}

// caddyWith runs the binary with another server's ports and this one's folders.
func (s *server) caddyWith(other *server, args ...string) (output string, err error) {
	s.t.Helper()
	env := slices.Concat(other.env, s.env[:3])
	stdout, stderr, err := command(s.t, env, caddyBin, args...)
	return string(stdout) + string(stderr), err
}

// apiCall makes a call to the API, as another machine would: without what proves a call from this one.
func (s *server) apiCall(method, path, token string) (status int, body string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url("https", path), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "203.0.113.1")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls()}, Timeout: patience}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
