package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds what should happen soon, on a machine that is busy with other tests.
const patience = 20 * time.Second

// eventually asks until the answer is nil, and fails the test if it is not within patience.
func eventually(t testing.TB, what string, ask func() error) {
	t.Helper()
	within(t, patience, what, ask)
}

func within(t testing.TB, limit time.Duration, what string, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(25 * time.Millisecond)
	}
}

// A tape is what was written to it, by one goroutine while others look.
type tape struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tape) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Write(b)
}

// Len returns how many bytes there are.
func (t *tape) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Len()
}

// Bytes returns a copy.
func (t *tape) Bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.buf.Bytes())
}

func (t *tape) String() string { return string(t.Bytes()) }

// A stream is what somebody watches.
type stream interface {
	Len() int
	running() error
}

// goesOn waits until some more has come to each.
func goesOn(t testing.TB, streams ...stream) {
	t.Helper()
	const more = 50 << 10 // most of a second
	enough := make([]int, len(streams))
	for i, v := range streams {
		enough[i] = v.Len() + more
	}
	for i, v := range streams {
		eventually(t, "more comes", func() error {
			if n := v.Len() - enough[i]; n < 0 {
				return errors.Join(v.running(), fmt.Errorf("%d bytes are missing", -n))
			}
			return v.running()
		})
	}
}

// A process is a program that runs beside the test, and ends with it.
type process struct {
	cmd  *exec.Cmd
	out  tape // both outputs
	done chan struct{}
	err  error // how it ended, once done is closed
}

// start runs a program. What it has said is shown if the test fails.
func start(t testing.TB, env []string, name string, args ...string) *process {
	t.Helper()
	return startCommand(t, exec.Command(name, args...), env)
}

func startCommand(t testing.TB, cmd *exec.Cmd, env []string) *process {
	t.Helper()
	p := &process{cmd: cmd, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.WaitDelay = time.Second // for what its children hold open
	dieWithUs(cmd)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.done
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), tail(p.out.String()))
		}
	})
	return p
}

// tail cuts a long text to its last lines.
func tail(s string) string {
	const enough = 16 << 10
	if len(s) > enough {
		return "…" + s[len(s)-enough:]
	}
	return s
}

// signal sends a signal to a process that may have ended.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// stop asks the process to end and waits until it has, well or not.
func (p *process) stop(t testing.TB) {
	t.Helper()
	p.signal(syscall.SIGINT)
	_ = p.wait(t, patience)
}

// wait returns how the process ended.
func (p *process) wait(t testing.TB, limit time.Duration) error {
	t.Helper()
	select {
	case <-p.done:
		return p.err
	case <-time.After(limit):
		t.Fatalf("%s did not end within %s", p.cmd.Args[0], limit)
		return nil
	}
}

// running returns an error if the process has ended.
func (p *process) running() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s has ended: %w", p.cmd.Args[0], errors.Join(p.err, errors.New(tail(p.out.String()))))
	default:
		return nil
	}
}

// command runs a program to its end and returns what it wrote, the errors apart.
func command(t testing.TB, env []string, name string, args ...string) (stdout, stderr []byte, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = time.Second
	dieWithUs(cmd)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	stdout, err = cmd.Output()
	if ctx.Err() != nil {
		err = fmt.Errorf("%s did not end: %w", name, ctx.Err())
	}
	return stdout, problems.Bytes(), err
}

// must is command for a program that must succeed and has nothing to complain about.
func must(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	out, problems, err := command(t, nil, name, args...)
	if err != nil || len(problems) > 0 {
		t.Fatalf("%s %q: %v\n%s", name, args, err, tail(string(problems)))
	}
	return out
}
