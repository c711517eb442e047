package load

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A whole run: all that was sent has come, in every format, and nothing was wrong.
func TestRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.config()
	c.Publish, c.Play, c.Protocols = 2, 12, []Protocol{FLV, TS, RTMP}
	c.PID = os.Getpid()
	var shown atomic.Int64
	c.Progress = func(p Progress) {
		if p.Viewers > 0 && p.String() != "" {
			shown.Add(1)
		}
	}
	r := mustRun(t, c)
	if !r.OK || len(r.Viewers) != 3 || r.Publishers.OnAir != 2 || r.Publishers.Bitrate < 300_000 || shown.Load() == 0 {
		t.Fatalf("%+v", r)
	}
	for _, v := range r.Viewers {
		if v.Viewers != 4 || v.Receiving != 4 || v.Joins != 4 || v.Join.Count != 4 || v.Marks == 0 || v.Frames <= v.Marks ||
			v.Latency.Count == 0 || v.PerViewer.Min < 100_000 {
			t.Errorf("%+v", v)
		}
	}
	if r.Server == nil || r.Server.CPUPerGB <= 0 || r.Server.Memory <= 0 {
		t.Errorf("the server: %+v", r.Server)
	}
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil || !strings.Contains(b.String(), "nothing was wrong") {
		t.Errorf("%v\n%s", err, b.String())
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

// Viewers who come and go are all counted, and leave nothing behind.
func TestChurn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.config()
	c.Publish, c.Play, c.Stay, c.Joins = 1, 20, 100*time.Millisecond, 200
	c.Protocols = []Protocol{FLV, TS, RTMP}
	r := mustRun(t, c)
	joins := int64(0)
	for _, v := range r.Viewers {
		joins += v.Joins
	}
	if !r.OK || joins != 200 {
		t.Errorf("%d joins: %v", joins, r.Faults())
	}
}

// Stuck viewers are told from others, and those that look from those that only count.
func TestStuck(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.config()
	c.Publish, c.Play, c.Stuck, c.Sample = 1, 10, 4, 5
	c.Protocols = []Protocol{FLV, RTMP}
	r := mustRun(t, c)
	stuck := 0
	for _, v := range r.Viewers {
		if stuck += v.Stuck; v.Cut > 0 || v.PerViewer.Min == 0 {
			t.Errorf("%+v", v)
		}
	}
	if !r.OK || stuck != 4 {
		t.Errorf("%d are stuck: %v", stuck, r.Faults())
	}
}

// A run that is called off reports on what has been.
func TestCalledOff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.config()
	c.Publish, c.Play, c.Duration = 1, 2, 0
	ctx, cancel := context.WithCancel(t.Context())
	c.Progress = func(p Progress) {
		if p.Phase == "measuring" {
			cancel()
		}
	}
	r, err := Run(ctx, c)
	if err != nil || !r.OK || r.Viewers[0].Receiving != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

// What viewers and publishers are refused is told.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.config()
	c.URL, c.Play = s.http.URL+"/no/such/stream", 2
	r := mustRun(t, c)
	if f := r.Faults()[faultRefused]; r.OK || f.Count != 2 || !strings.Contains(f.First, "404") {
		t.Errorf("%v", r.Faults())
	}
	c = s.config()
	c.Publish, c.RTMP = 1, "rtmp://"+s.rtmp+"/no..such/"
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "no publisher is on air") {
		t.Errorf("publishing without a name: %v", err)
	}
	c.RTMP, c.File = "", filepath.Join(t.TempDir(), "none.flv")
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "reading the film") {
		t.Errorf("a film that is not there: %v", err)
	}
}

// A stream that ends is a fault of the server.
func TestEnded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	publisher := s.config()
	publisher.Publish, publisher.Duration = 1, 0
	publisher.Progress = func(Progress) { cancel() } // after a second
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := Run(ctx, publisher); err != nil {
			t.Error(err)
		}
	}()
	viewer := s.config()
	viewer.Play, viewer.Duration = 2, time.Minute
	r := mustRun(t, viewer)
	<-done
	if f := r.Faults()[faultEnded]; r.OK || f.Count != 2 {
		t.Errorf("%v", r.Faults())
	}
}
