package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// A load is what a process takes from the system and from itself.
type load struct{ memory, descriptors, goroutines int }

// tolerance is how much more memory may be resident in the end than was before. The pace of the garbage collector alone makes
// 15 MiB of difference; ten thousand who leave 4 KiB each would make 40.
const tolerance = 32 << 20

// load returns what the server takes after it has cleaned up.
func (s *server) load() (l load) {
	s.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true} // a connection that is kept would be one more of each
	ask := func(path string) string {
		req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/debug/pprof/%s", s.admin, path), nil)
		if err != nil {
			s.t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			s.t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			s.t.Fatal(err)
		}
		return string(body)
	}
	ask("heap?gc=1")
	proc := fmt.Sprintf("/proc/%d/", s.cmd.Process.Pid)
	l.goroutines = number(s.t, `goroutine profile: total (\d+)`, ask("goroutine?debug=1"))
	l.memory = number(s.t, `VmRSS:\s+(\d+) kB`, string(readFile(s.t, proc+"status"))) << 10
	descriptors, err := os.ReadDir(proc + "fd")
	if err != nil {
		s.t.Fatal(err)
	}
	l.descriptors = len(descriptors)
	return l
}

// number returns the number that a pattern finds in a text.
func number(t testing.TB, pattern, text string) int {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("there is no %s", pattern)
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// awaitLoad waits until the server takes no more than before.
func (s *server) awaitLoad(before load) {
	s.t.Helper()
	var now load
	within(s.t, time.Minute, "the server takes no more than before", func() error {
		now = s.load()
		if raced() {
			now.memory = 0
		}
		if now.memory > before.memory+tolerance || now.descriptors > before.descriptors || now.goroutines > before.goroutines {
			return fmt.Errorf("it takes %+v, before it took %+v", now, before)
		}
		return nil
	})
	s.t.Logf("the load was %+v, and is %+v", before, now)
}

// A broadcast is a good publisher with its viewers. It is told from the film by its frames, each of which has a time of
// its own.
type broadcast struct {
	s      *server
	rtmp   *watcher
	flv    *viewer
	cancel context.CancelFunc
	sent   chan []*live.Frame
}

// broadcast publishes frames in real time, and lets two watch from the first one on.
func (s *server) broadcast() *broadcast {
	s.t.Helper()
	c, err := s.dial(s.url("rtmp", "/live/good"))
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := c.Publish(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	frames := livetest.GOPs(120)
	const first = 4 // the configurations and a picture
	for _, f := range frames[:first] {
		if err := out.WriteFrame(f); err != nil {
			s.t.Fatal(err)
		}
	}
	b := &broadcast{s: s, sent: make(chan []*live.Frame, 1)}
	b.rtmp = s.play(s.url("rtmp", "/live/good"))
	b.flv = s.watch(http1, s.url("http", "/live/good.flv"))
	eventually(s.t, "the viewers have begun", func() error {
		if len(b.rtmp.seen()) < first || b.flv.Len() == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	ctx, cancel := context.WithCancel(s.t.Context())
	b.cancel = cancel
	count := &counter{FrameWriter: out}
	go func() {
		err := livetest.Pace(ctx, count, frames[first:]...)
		if !errors.Is(err, context.Canceled) {
			s.t.Errorf("the good publisher: %v", err)
		}
		c.Close()
		b.sent <- frames[:first+count.n]
	}()
	s.t.Cleanup(cancel)
	return b
}

// A counter counts what was written.
type counter struct {
	live.FrameWriter
	n int
}

func (c *counter) WriteFrame(f *live.Frame) error {
	c.n++
	return c.FrameWriter.WriteFrame(f)
}

// finish ends the broadcast and checks that each viewer has seen every frame, in order.
func (b *broadcast) finish() {
	b.s.t.Helper()
	b.cancel()
	sent := <-b.sent
	if err := b.rtmp.ended(b.s.t, patience); err != nil {
		b.s.t.Errorf("the RTMP viewer ended with %v", err)
	}
	b.flv.ended(b.s.t, patience)
	want := fingerprints(sent)
	for name, got := range map[string][]*live.Frame{"RTMP": b.rtmp.seen(), "FLV": readFLV(b.s.t, b.flv.Bytes())} {
		if got := fingerprints(got); !slices.Equal(got, want) {
			b.s.t.Errorf("of %d frames the viewer by %s has seen %d, or others", len(want), name, len(got))
		}
	}
	b.s.t.Logf("%d frames were sent", len(want))
}

// fingerprints are what frames are told by.
func fingerprints(frames []*live.Frame) (list []string) {
	for _, f := range frames {
		if f.Media() {
			list = append(list, fmt.Sprintf("%s %d %x", f.Kind, f.Time, f.Body))
		}
	}
	return list
}
