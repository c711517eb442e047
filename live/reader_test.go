package live_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

func TestReaderJoin(t *testing.T) {
	off := func(r *live.Rules) { r.Join.Bytes = -1 }
	short := func(r *live.Rules) { r.Join.Time, r.Lag.Time = 100*ms, 100*ms }
	small := func(r *live.Rules) { r.Join.Bytes = 1000 }
	none := func(*live.Rules) {}
	video := []*live.Frame{livetest.VideoConfig(), livetest.AudioConfig()}
	for _, c := range []struct {
		name   string
		rules  func(*live.Rules)
		before []*live.Frame
		at     string // what can be read at once
		after  []*live.Frame
		then   string
	}{
		{"at the newest group", none, append(video, key(0), inter(40), key(80), sound(90), inter(120)), "V A k80 a90 v120", []*live.Frame{inter(160)}, "v160"},
		{"nothing yet", none, video, "", []*live.Frame{inter(0), sound(10), key(40)}, "V A k40"},
		{"group longer than the bound of time", short, append(video, key(0), inter(40), inter(140)), "", []*live.Frame{inter(180), key(220), inter(260)}, "V A k220 v260"},
		{"group within the bound of time", short, append(video, key(0), inter(40), inter(100)), "V A k0 v40 v100", nil, ""},
		{"group longer than the bound of bytes", small, append(video, key(0), inter(1), inter(2), inter(3), inter(4), inter(5), inter(6)), "", []*live.Frame{inter(7), key(8)}, "V A k8"},
		{"no cache", off, append(video, key(0), inter(40), inter(80)), "V A v80", []*live.Frame{inter(120)}, "v120"},
		{"sound alone", none, []*live.Frame{livetest.AudioConfig(), sound(0), sound(23), sound(46)}, "A a46", []*live.Frame{sound(69)}, "a69"},
		{"the end of a sequence is no entry", off, append(video, key(0), tag(live.KindVideo, 40, []byte{0x17, 2, 0, 0, 0})), "V A k0 v0", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := livetest.Publish(t, newHub(c.rules), livetest.Key)
			livetest.Write(t, p, c.before...)
			r := p.Stream().NewReader(live.Tracks{})
			equal(t, "at once", readable(r), c.at)
			livetest.Write(t, p, c.after...)
			equal(t, "later", readable(r), c.then)
			equal(t, "skipped", r.Skipped(), 0)
		})
	}
}

func TestReaderFromOldest(t *testing.T) {
	p := livetest.Publish(t, newHub(func(*live.Rules) {}), livetest.Key)
	livetest.Write(t, p, livetest.VideoConfig(), inter(0), key(40), key(80))
	equal(t, "all", readable(p.Stream().NewReaderFromOldest(live.Tracks{})), "V k40 k80")
}

func TestReaderFallsOutOfTheLog(t *testing.T) {
	p := livetest.Publish(t, newHub(func(r *live.Rules) { r.Join.Time, r.Lag.Time = 2*time.Second, 3*time.Second }), livetest.Key)
	livetest.Write(t, p, livetest.VideoConfig(), key(0))
	r := p.Stream().NewReader(live.Tracks{})
	equal(t, "first", readable(r), "V k0")
	livetest.Write(t, p, inter(40), key(1000), inter(2000), inter(3000), key(3500), inter(4100))
	equal(t, "buffered", r.Buffered(), 2)
	equal(t, "after the jump", readable(r), "k3500 v4100")
	equal(t, "skipped", r.Skipped(), 1)

	for ms := range uint32(8) {
		livetest.Write(t, p, inter(5000+1000*ms))
	}
	equal(t, "buffered without an entry", r.Buffered(), 0)
	equal(t, "without an entry", readable(r), "")
	livetest.Write(t, p, key(12_500))
	equal(t, "at the next entry", readable(r), "k12500")
	equal(t, "skipped", r.Skipped(), 2)
}

func TestReaderGivesConfigurations(t *testing.T) {
	p := livetest.Publish(t, newHub(func(*live.Rules) {}), livetest.Key)
	r := p.Stream().NewReader(live.Tracks{})
	config := func(b ...byte) *live.Frame {
		return tag(live.KindVideo, 0, append([]byte{0x17, 0, 0, 0, 0}, b...))
	}
	livetest.Write(t, p, livetest.Metadata(), config(1), livetest.AudioConfig(), key(0))
	equal(t, "first", readable(r), "M V A k0")
	livetest.Write(t, p, config(1), livetest.Metadata(), key(40))
	equal(t, "repeated", readable(r), "k40")
	livetest.Write(t, p, config(2))
	equal(t, "not before its frame", readable(r), "")
	livetest.Write(t, p, key(80), inter(120))
	equal(t, "changed", readable(r), "V k80 v120")
	livetest.Write(t, p, config(1), config(2), config(3), sound(120))
	c, _ := r.TryReadFrame()
	equal(t, "only the newest", string(c.Payload()), "\x03")
	equal(t, "dated with its frame", c.Time, 120)
	equal(t, "then", readable(r), "a120")
	setup := p.Stream().Setup()
	equal(t, "tracks", len(setup.Tracks()), 2)
	video, ok := setup.Track(live.KindVideo)
	equal(t, "video", ok && video.Codec == live.CodecAVC && string(video.Config.Payload()) == "\x03", true)
}

func TestReaderReadsWhatIsLeftAtTheEnd(t *testing.T) {
	p := livetest.Publish(t, newHub(func(*live.Rules) {}), livetest.Key)
	livetest.Write(t, p, livetest.VideoConfig(), key(0), inter(40))
	r := p.Stream().NewReader(live.Tracks{})
	p.Close(io.ErrUnexpectedEOF)
	equal(t, "all", readable(r), "V k0 v40 .")
	_, err := r.ReadFrame(t.Context())
	isErr(t, "again", err, io.EOF)
	isErr(t, "stream", p.Stream().Err(), io.ErrUnexpectedEOF)
}

func TestReadFrameBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := livetest.Publish(t, newHub(func(*live.Rules) {}), livetest.Key)
		pace(t, p, livetest.Video(25), livetest.Video(50))
		r, start := p.Stream().NewReader(live.Tracks{}), time.Now()
		for _, want := range []time.Duration{0, time.Second} {
			if _, err := r.ReadFrame(t.Context()); err != nil {
				t.Fatal(err)
			}
			equal(t, "came after", time.Since(start), want)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, live.ErrKicked)
		defer cancel()
		_, err := r.ReadFrame(ctx)
		isErr(t, "blocked", err, live.ErrKicked)
		livetest.Write(t, p, livetest.Video(75))
		_, err = r.ReadFrame(ctx)
		isErr(t, "done although there is a frame", err, live.ErrKicked)
	})
}

// sink is a FrameWriter that notes what it gets, with | for each flush.
type sink struct{ got string }

func (s *sink) WriteFrame(f *live.Frame) error { s.got += describe(f) + " "; return nil }
func (s *sink) Flush() error                   { s.got += "| "; return nil }

func TestCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := livetest.Publish(t, newHub(func(*live.Rules) {}), livetest.Key)
		livetest.Write(t, p, livetest.VideoConfig(), key(0), inter(40))
		var out sink
		go func() {
			synctest.Wait()
			livetest.Write(t, p, inter(80))
			p.Close(nil)
		}()
		if err := live.Copy(t.Context(), &out, p.Stream().NewReader(live.Tracks{})); err != nil {
			t.Fatal(err)
		}
		equal(t, "written", out.got, "V k0 v40 | v80 | ")
	})
}

func TestLogOfEmptyFramesIsBounded(t *testing.T) {
	p := livetest.Publish(t, newHub(func(r *live.Rules) { r.Join.Bytes, r.Lag.Bytes = 1<<20, 1<<20 }), livetest.Key)
	for range 100_000 {
		livetest.Write(t, p, tag(live.KindData, 0, []byte{0}))
	}
	r := p.Stream().NewReaderFromOldest(live.Tracks{})
	livetest.Write(t, p, key(0))
	if _, err := r.ReadFrame(t.Context()); err != nil || r.Skipped() != 0 {
		t.Fatal(err, r.Skipped())
	}
	if n := live.LogLen(p.Stream()); n > 10_000 {
		t.Errorf("%d frames in the log", n)
	}
}
