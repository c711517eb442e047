//go:build unix

package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
)

// fullVariable makes the test binary a server whose disk becomes full. It holds the path of the outbox.
const fullVariable = "OUTBOX_TEST_FULL"

// fullMain puts deliveries, for a target that is there and for one that is not, on a disk that takes no more at first
// and then does. The limit is one of the process's files, which acts as a full disk does.
func fullMain() {
	signal.Ignore(syscall.SIGXFSZ)
	var log logbook
	o, err := outbox.Open(outbox.Options{Path: os.Getenv(fullVariable), Logger: log.logger})
	check(err)
	s := new(sink)
	o.SetTargets(map[string]outbox.Sender{"there": s})
	var limit syscall.Rlimit
	check(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	small := limit
	small.Cur = 100 << 10
	check(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small))

	const n = 500
	failed := 0
	for i := range n {
		if o.Put(to("there", "x", fmt.Sprint(i)), to("gone", "x", fmt.Sprint(i))) != nil {
			failed++
		}
	}
	for s.count() < n {
		_ = o.Drain(context.Background(), "there", "x", "")
	}
	fmt.Printf("failed %t\n", failed > 0)
	for !strings.Contains(log.String(), "database was not written") { // it tries each second
		<-time.After(10 * time.Millisecond)
	}
	check(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	// What the log has not taken the database takes when it can.
	check(o.Close(context.Background()))
	fmt.Println("delivered", s.count())
}

// TestDiskFull has a disk that is full: everything is delivered nevertheless, Put says that it is not safe, and when there
// is room again it is.
func TestDiskFull(t *testing.T) {
	path := file(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fullVariable+"="+path)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "failed true\ndelivered 500\n" {
		t.Fatalf("%v: %s", err, out)
	}
	o := open(t, outbox.Options{Path: path})
	defer finish(t, o)
	if pending := events(o.Pending()); len(pending) != 500 || pending[0] != "x 0" || pending[499] != "x 499" {
		t.Errorf("%d are pending", len(pending))
	}
	if err := o.Put(to("gone", "x", "more")); err != nil && !errors.Is(err, outbox.ErrSlow) {
		t.Error(err)
	}
}
