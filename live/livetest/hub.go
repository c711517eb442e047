package livetest

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// Key is a name for tests that need but one.
var Key = live.Key{App: "live", Name: "demo"}

// Request returns a request for key as an RTMP client on this machine would make it.
func Request(key live.Key) live.Request {
	return live.Request{
		Protocol: live.ProtocolRTMP,
		Key:      key,
		Remote:   netip.MustParseAddrPort("127.0.0.1:50000"),
		Host:     "localhost",
	}
}

// Publish puts a publisher on air that has written nothing yet, and fails the test if it is refused. It is closed at the
// end of the test at the latest.
func Publish(t testing.TB, hub *live.Hub, key live.Key) *live.Publisher {
	t.Helper()
	p, err := hub.Publish(context.WithoutCancel(t.Context()), Request(key))
	if err != nil {
		t.Fatalf("publish %s: %v", key, err)
	}
	t.Cleanup(func() { p.Close(nil) })
	return p
}

// Play attaches a viewer, and fails the test if it is refused or nobody is on air. It is closed at the end of the test
// at the latest.
func Play(t testing.TB, hub *live.Hub, key live.Key) *live.Session {
	t.Helper()
	s, err := hub.Play(context.WithoutCancel(t.Context()), Request(key), 0)
	if err != nil {
		t.Fatalf("play %s: %v", key, err)
	}
	t.Cleanup(func() { s.Close(nil) })
	return s
}

// Write hands the frames to p at once, and fails the test if one is refused.
func Write(t testing.TB, p *live.Publisher, frames ...*live.Frame) {
	t.Helper()
	for _, f := range frames {
		if err := p.WriteFrame(f); err != nil {
			t.Fatalf("write %s frame at %d ms: %v", f.Kind, f.Time, err)
		}
	}
}

// Pace hands the frames to p at the pace of their times, the first one now, until all are written, ctx is done or p
// fails. In a synctest bubble it takes no real time.
func Pace(ctx context.Context, p live.FrameWriter, frames ...*live.Frame) error {
	start := time.Now()
	for _, f := range frames {
		due := start.Add(time.Duration(f.Time-frames[0].Time) * time.Millisecond)
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := p.WriteFrame(f); err != nil {
			return err
		}
	}
	return nil
}
