package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/flv"
)

// tags returns the film as a publisher sends it, by way of an FLV file.
func (m *movie) tags(t testing.TB, pack packing) []*live.Frame {
	t.Helper()
	return throughFLV(t, tagsOf(t, pack, m.demux(t)...))
}

// throughFLV writes frames into an FLV file and reads them back.
func throughFLV(t testing.TB, frames []*live.Frame) []*live.Frame {
	t.Helper()
	var b bytes.Buffer
	w, err := flv.NewWriter(&b, true, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		if err := w.WriteFrame(f); err != nil {
			t.Fatal(err)
		}
	}
	read := readFLV(t, b.Bytes())
	if len(read) != len(frames) {
		t.Fatalf("of %d tags %d came back from a file", len(frames), len(read))
	}
	return read
}

// loop publishes frames for ever, in real time, with our own RTMP client.
func (s *server) loop(url string, frames []*live.Frame) {
	s.t.Helper()
	s.loopFrom(url, nil, frames, 0)
}

// loopFrom publishes some frames at once and others for ever, in real time, with time stamps that begin at base.
func (s *server) loopFrom(url string, before, frames []*live.Frame, base int64) {
	s.t.Helper()
	c, err := s.dial(url)
	if err != nil {
		s.t.Fatal(err)
	}
	w, err := c.Publish(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := inRealTime(ctx, w, before, frames, base); ctx.Err() == nil {
			s.t.Errorf("publishing to %s: %v", url, err)
		}
	}()
	s.t.Cleanup(func() {
		cancel()
		<-done
	})
}

// lap is how much later frames are sent again, in milliseconds.
func lap(frames []*live.Frame) int64 { return frames[len(frames)-1].Time + 1000/pictureRate }

// inRealTime writes some frames at once and others again and again, each at its time behind base, until ctx is done.
func inRealTime(ctx context.Context, w live.FrameWriter, before, frames []*live.Frame, base int64) error {
	for _, f := range before {
		if err := w.WriteFrame(f); err != nil {
			return err
		}
	}
	began := time.Now()
	for start := int64(0); ; start += lap(frames) {
		for _, f := range frames {
			if start > 0 && !f.Media() {
				continue
			}
			g := *f
			g.Time += start
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(time.Until(began.Add(time.Duration(g.Time) * time.Millisecond))):
			}
			g.Time += base
			if err := w.WriteFrame(&g); err != nil {
				return err
			}
		}
	}
}

// enough is how much of a stream its frames are compared for, in milliseconds. It is as much as decode wants.
const enough = playtime*1000 - 700

func (s *server) framesOverRTMP(url string) []*live.Frame {
	w := s.play(url)
	eventually(s.t, w.name, func() error { return errors.Join(w.running(), longEnough(w.seen())) })
	return w.seen()
}

func (s *server) framesOverFLV(url string) []*live.Frame {
	v := s.watch(http2, url)
	eventually(s.t, v.name, func() error {
		if long := span(v.Bytes()); long < enough {
			return errors.Join(v.running(), fmt.Errorf("there are only %d ms", long))
		}
		return nil
	})
	return readFLV(s.t, v.Bytes())
}

// longEnough returns an error while there is less than enough.
func longEnough(frames []*live.Frame) error {
	media := mediaOf(frames, live.KindVideo)
	if len(media) == 0 {
		return errors.New("there is no picture")
	}
	if long := media[len(media)-1].Time - media[0].Time; long < enough {
		return fmt.Errorf("there are only %d ms", long)
	}
	return nil
}

// readFLV reads what a viewer has seen, but for a tag that is not whole.
func readFLV(t testing.TB, b []byte) []*live.Frame {
	t.Helper()
	r, err := flv.NewReader(bytes.NewReader(cutFLV(b)))
	if err != nil {
		t.Fatal(err)
	}
	var frames []*live.Frame
	for {
		f, err := r.ReadFrame(t.Context())
		if errors.Is(err, io.EOF) {
			return frames
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, f)
	}
}

// compare checks that what was received is what was published, from some place on and round again: every byte, at its
// time. And that pictures and sound can be decoded.
func (m *movie) compare(t testing.TB, published, received []*live.Frame) {
	t.Helper()
	compareBodies(t, published, received)
	m.decode(t, file(t, "received.mkv", matroska(received)))
}

func compareBodies(t testing.TB, published, received []*live.Frame) {
	t.Helper()
	first := mediaOf(received, live.KindVideo)[0]
	at := slices.IndexFunc(published, func(f *live.Frame) bool { return bytes.Equal(f.Body, first.Body) })
	if at < 0 {
		t.Fatalf("the first picture was not published: % x…", first.Body[:min(16, len(first.Body))])
	}
	later := first.Time - published[at].Time
	for _, kind := range []live.Kind{live.KindVideo, live.KindAudio} {
		compareTrack(t, mediaOf(published, kind), mediaOf(received, kind), later, lap(published))
	}
}

// compareTrack compares frames of one track, which came with times that much later than they were published, and some
// laps more.
func compareTrack(t testing.TB, published, received []*live.Frame, later, lap int64) {
	t.Helper()
	if len(received) == 0 {
		t.Fatal("nothing was received")
	}
	at := slices.IndexFunc(published, func(f *live.Frame) bool { return (received[0].Time-later-f.Time)%lap == 0 })
	if at < 0 {
		t.Fatalf("the first of %s comes at a time of which nothing was published", received[0].Kind)
	}
	begin := received[0].Time - published[at].Time
	for i, f := range received {
		n := at + i
		want := published[n%len(published)]
		if !bytes.Equal(f.Body, want.Body) {
			t.Fatalf("frame %d of %s is not what was published", i, f.Kind)
		}
		if time := want.Time + begin + int64(n/len(published))*lap; f.Time != time || f.Nano != want.Nano {
			t.Fatalf("frame %d of %s is of %d ms and %d ns, want %d ms and %d ns", i, f.Kind, f.Time, f.Nano, time, want.Nano)
		}
	}
}

func mediaOf(frames []*live.Frame, kind live.Kind) (media []*live.Frame) {
	for _, f := range frames {
		if f.Kind == kind && f.Media() {
			media = append(media, f)
		}
	}
	return media
}
