package rtmpapp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// A faultFinder is a log in which nothing may stand at the level of errors: that is where faults of ours go.
type faultFinder struct{ t *testing.T }

func (faultFinder) Enabled(context.Context, slog.Level) bool { return true }
func (f faultFinder) WithAttrs([]slog.Attr) slog.Handler     { return f }
func (f faultFinder) WithGroup(string) slog.Handler          { return f }

func (f faultFinder) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		f.t.Error(r.Message)
		r.Attrs(func(a slog.Attr) bool {
			f.t.Log(a)
			return true
		})
	}
	return nil
}

// noFaults fails the test if the server finds a fault in itself.
func (w *world) noFaults() {
	log := slog.New(faultFinder{w.t})
	w.Logger = func() *slog.Logger { return log }
}

// outcome is what has come of a session that was cut: how many frames, and why it ended.
type outcome struct {
	published bool
	frames    int64
	reason    error
}

// cutAt serves the first n bytes of a session.
func (w *world) cutAt(session []byte, n int) outcome {
	w.t.Helper()
	w.mu.Lock()
	w.events = w.events[:0]
	w.mu.Unlock()
	isErr(w.t, "ServeConn", w.ServeConn(&script{Reader: bytes.NewReader(session[:n])}), nil)
	var o outcome
	for _, e := range w.events {
		switch e.Type {
		case live.EventPublish:
			o.published = true
		case live.EventUnpublish:
			o.frames = e.Session.Totals.VideoFrames + e.Session.Totals.AudioFrames
			o.reason = e.Err
			equal(w.t, "broken tags", e.Session.Totals.BrokenTags, 0)
		}
	}
	equal(w.t, "it ended as it began", o.reason != nil, o.published)
	return o
}

// shortened returns a session without the messages between its first ones and the commands at its end, which depend on
// none of those.
func shortened(t *testing.T, session []byte) []byte {
	t.Helper()
	const handshake, first, last = 1 + 2*1536, 40, 2
	r := wire.NewChunkReader(bytes.NewReader(session[handshake:]), wire.Limits{})
	var ends []int
	for {
		_, err := r.ReadMessage()
		if err != nil {
			isErr(t, "the session", err, io.EOF)
			break
		}
		ends = append(ends, handshake+int(r.BytesRead()))
	}
	return append(bytes.Clone(session[:ends[first]]), session[ends[len(ends)-1-last]:]...)
}

// Real sessions, cut at every byte: each leaves nothing, ends for the reason that is true, and gives the frames that had
// come whole. The race detector, which makes it ten times as long, looks at shortened ones; test.sh runs it without, too.
func TestRecordedSessionsCutAnywhere(t *testing.T) {
	files, err := filepath.Glob("testdata/sessions/*.bin")
	isErr(t, "glob", err, nil)
	equal(t, "there are sessions", len(files) > 0, true)
	for _, file := range files {
		session, err := os.ReadFile(file)
		isErr(t, "read", err, nil)
		if raceEnabled {
			session = shortened(t, session)
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil, nil)
			w.noFaults()
			whole := w.cutAt(session, len(session))
			isErr(t, "the whole", whole.reason, io.EOF)
			equal(t, "the whole has frames", whole.frames > 20, true)
			var last outcome
			for n := range session {
				o := w.cutAt(session, n)
				if o.frames < last.frames || o.frames > last.frames+1 || last.published && !o.published {
					t.Fatalf("cut at byte %d of %d: %+v, after %+v", n, len(session), o, last)
				}
				if o.published && !errors.Is(o.reason, io.EOF) && !errors.Is(o.reason, io.ErrUnexpectedEOF) {
					t.Fatalf("cut at byte %d of %d: %v", n, len(session), o.reason)
				}
				last = o
			}
			equal(t, "frames at last", last.frames, whole.frames)
			equal(t, "sessions left", len(w.Hub.Snapshot().Sessions), 0)
		})
	}
}
