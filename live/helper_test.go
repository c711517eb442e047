package live_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// newHub returns a hub with the default rules but for what change does to them, and twoVhosts.
func newHub(change func(*live.Rules)) *live.Hub {
	h := new(live.Hub)
	h.Activate(&live.Policy{Vhosts: twoVhosts, Rules: rulesOf(change)})
	return h
}

func rulesOf(change func(*live.Rules)) func(live.Key) (live.Rules, error) {
	return func(live.Key) (live.Rules, error) {
		r := live.DefaultRules()
		change(&r)
		return r, nil
	}
}

func tag(kind live.Kind, ms uint32, body []byte) *live.Frame {
	f, err := live.ParseTag(kind, ms, body)
	if err != nil {
		panic(err)
	}
	return f
}

func key(ms uint32) *live.Frame   { return tag(live.KindVideo, ms, livetest.VideoTag(0)) }
func inter(ms uint32) *live.Frame { return tag(live.KindVideo, ms, livetest.VideoTag(1)) }
func sound(ms uint32) *live.Frame { return tag(live.KindAudio, ms, livetest.AudioTag()) }

// describe renders a frame as M, V or A for a configuration, and as k, v, a or d with its time for the others.
func describe(f *live.Frame) string {
	letter := map[live.Kind]string{live.KindVideo: "v", live.KindAudio: "a", live.KindData: "d"}[f.Kind]
	switch {
	case f.Config && f.Kind == live.KindData:
		return "M"
	case f.Config:
		return strings.ToUpper(letter)
	case f.Kind == live.KindVideo && f.Key:
		letter = "k"
	}
	return fmt.Sprint(letter, f.Time)
}

// readable returns what r gives without waiting, described, with "." at the end of the stream.
func readable(r *live.Reader) string {
	var list []string
	for {
		f, err := r.TryReadFrame()
		if errors.Is(err, io.EOF) {
			list = append(list, ".")
		}
		if f == nil || err != nil {
			return strings.Join(list, " ")
		}
		list = append(list, describe(f))
	}
}

// textMuxer writes frames as describe does. Its header is H for a new viewer, and the configurations that it lacks.
type textMuxer struct{}

func (textMuxer) Size(*live.Frame) int { return 16 }

func (textMuxer) AppendFrame(b []byte, f *live.Frame) []byte {
	return append(append(b, describe(f)...), ' ')
}

func (textMuxer) Header(setup, given *live.Setup, time int64) []byte {
	var b []byte
	if given == nil {
		b = append(b, "H "...)
	}
	for _, f := range setup.Since(given, time) {
		b = append(append(b, describe(f)...), ' ')
	}
	return b
}

func newTextMuxer() live.Muxer { return textMuxer{} }

// next returns what one Next gives, as one string.
func next(t *testing.T, r *live.FeedReader) string {
	t.Helper()
	bufs, err := r.Next(t.Context(), nil)
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	return text(bufs)
}

func text(bufs [][]byte) string {
	var b strings.Builder
	for _, buf := range bufs {
		b.Write(buf)
	}
	return strings.TrimSpace(b.String())
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func isErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// pace publishes in the background until the test ends or the returned function is called, which waits for the end.
func pace(t *testing.T, p *live.Publisher, frames ...*live.Frame) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = livetest.Pace(ctx, p, frames...) })
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

// recorder is an Observer that keeps what it is told.
type recorder struct {
	mu     sync.Mutex
	events []live.Event
}

func (r *recorder) Observe(e live.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// String lists the types of the events.
func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]string, len(r.events))
	for i, e := range r.events {
		list[i] = string(e.Type)
	}
	return strings.Join(list, " ")
}

func (r *recorder) last() live.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[len(r.events)-1]
}

const ms = time.Millisecond
