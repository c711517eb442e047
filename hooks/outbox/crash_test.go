package outbox_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
)

// crashVariable makes the test binary a server that is to be killed. It holds the URL of the back end, the path of the
// outbox, the first number to put and the last.
const crashVariable = "OUTBOX_TEST_CRASH"

// crashMain puts numbers as deliveries, and opens a session for each hundred of them. It prints a number when Put has
// returned for it, and "done" when nothing is pending any more.
func crashMain() {
	var url, path string
	var from, to int
	_, err := fmt.Sscan(os.Getenv(crashVariable), &url, &path, &from, &to)
	check(err)
	o, err := outbox.Open(outbox.Options{Path: path})
	check(err)
	o.SetTargets(map[string]outbox.Sender{"a": outbox.SenderFunc(func(ctx context.Context, d *outbox.Delivery) outbox.Result {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(d.Body))
		check(err)
		check((*outbox.Signer)(nil).Sign(req.Header, d.ID, time.Now(), d.Body))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return outbox.Result{Err: err}
		}
		defer resp.Body.Close()
		return outbox.Result{Status: resp.StatusCode}
	})})
	fmt.Println("open")
	for i := from; i < to; i++ {
		stream := strconv.Itoa(i % 7)
		session := fmt.Sprintf("session-%d", i)
		err := errors.Join(
			o.Begin(session, outbox.Delivery{Target: "a", Stream: stream, Body: fmt.Appendf(nil, "%s %d lost", stream, i), End: true}),
			o.End(session, outbox.Delivery{Target: "a", Stream: stream, Body: fmt.Appendf(nil, "%s %d", stream, i)}))
		if !errors.Is(err, outbox.ErrSlow) { // else it will be stored, but nobody can say whether it is
			check(err)
			fmt.Println(i)
		}
	}
	for len(o.Pending()) > 0 {
		for stream := range 7 {
			_ = o.Drain(context.Background(), "a", strconv.Itoa(stream), "")
		}
	}
	check(o.Close(context.Background()))
	fmt.Println("done")
}

func check(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

// An arrival is what the back end has got.
type arrival struct {
	stream string
	number int
	id     string
	lost   bool // the end of a session that was open when the process died
}

type backend struct {
	mu  sync.Mutex
	got []arrival
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var text bytes.Buffer
	if _, err := text.ReadFrom(r.Body); err != nil {
		return // the process has died
	}
	fields := strings.Fields(text.String())
	number, _ := strconv.Atoi(fields[1])
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, arrival{fields[0], number, r.Header.Get("webhook-id"), len(fields) > 2})
	if rand.IntN(50) == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// TestCrash kills the process again and again while it puts and delivers a thousand events.
func TestCrash(t *testing.T) {
	b := new(backend)
	server := httptest.NewServer(b)
	defer server.Close()
	path := file(t)
	const n = 1000
	next, kills, lost := 0, 0, 0
	skipped := make(map[int]bool)
	for {
		life := 60 + rand.IntN(120)
		if kills == 8 {
			life = 2 * n // to the end
		}
		put, done := crashRun(t, server.URL, path, next, n, life, skipped)
		if done {
			break
		}
		kills++
		skipped[put+1] = true // Put may have returned for it, but not have said so
		next = put + 2
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	first := make(map[string]arrival)
	newest := make(map[string]int)
	duplicates := 0
	for _, a := range b.got {
		key := fmt.Sprint(a.number, a.lost)
		if f, ok := first[key]; ok {
			duplicates++
			if f.id != a.id {
				t.Fatalf("event %s has come with the ids %s and %s", key, f.id, a.id)
			}
			continue
		}
		first[key] = a
		if a.lost {
			lost++
		}
		if a.number < newest[a.stream] {
			t.Fatalf("stream %s: %d came after %d", a.stream, a.number, newest[a.stream])
		}
		newest[a.stream] = a.number
	}
	for i := range n {
		if _, ok := first[fmt.Sprint(i, false)]; !ok && !skipped[i] {
			t.Errorf("event %d is lost", i)
		}
	}
	if lost > kills {
		t.Errorf("%d sessions had their end told by a restart, more than there were kills (%d)", lost, kills)
	}
	t.Logf("%d kills, %d events, %d ends of lost sessions, %d duplicates", kills, n, lost, duplicates)
}

// crashRun runs the process until it has put so many events, and kills it then. It returns the last event that it has put,
// and notes those that may not be stored.
func crashRun(t *testing.T, url, path string, from, to, life int, skipped map[int]bool) (last int, done bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d %d", crashVariable, url, path, from, to))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last = from - 1
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch text := lines.Text(); {
		case text == "done":
			done = true
		case text == "open":
		default:
			number, err := strconv.Atoi(text)
			if err != nil {
				t.Fatalf("the process says %q", text)
			}
			for last++; last < number; last++ {
				skipped[last] = true
			}
			if life--; life == 0 {
				_ = cmd.Process.Kill() // SIGKILL; what it has printed meanwhile is still read
			}
		}
	}
	_ = cmd.Wait()
	return last, done
}
