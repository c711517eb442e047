package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts/codecs"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/flv"
)

// TestHEVC publishes HEVC with B-frames and AAC, in both ways in which FLV can carry it, and watches it in every format.
// ffmpeg reads TS and HLS; it cannot read HEVC in FLV, so there the bodies must be those published, and what they hold
// is decoded.
func TestHEVC(t *testing.T) {
	t.Parallel()
	m := shootHEVC(t)
	s := serve(t, basic)
	for name, pack := range map[string]packing{"codec12": packCodec12, "enhanced": packEnhanced} {
		tags := m.tags(t, pack)
		s.loop(s.url("rtmp", "/live/"+name), tags)
		s.awaitStream(name)
		t.Run(name+"/rtmp", func(t *testing.T) {
			t.Parallel()
			m.compare(t, tags, s.on(t).framesOverRTMP(s.url("rtmp", "/live/"+name)))
		})
		t.Run(name+"/flv", func(t *testing.T) {
			t.Parallel()
			m.compare(t, tags, s.on(t).framesOverFLV(s.url("https", "/live/"+name+".flv")))
		})
		for _, path := range []string{".ts", ".m3u8", "/index.m3u8"} {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				m.examine(t, s.url("http", "/live/"+name+path))
			})
		}
	}
}

func (s *server) framesOverRTMP(url string) []*live.Frame {
	w := s.play(url)
	eventually(s.t, w.name, func() error {
		if n := len(w.seen()); n < 300 {
			return errors.Join(w.running(), fmt.Errorf("only %d frames", n))
		}
		return nil
	})
	return w.seen()
}

func (s *server) framesOverFLV(url string) []*live.Frame {
	v := s.watch(http2, url)
	s.record(v)
	return readFLV(s.t, v.Bytes())
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

// shootHEVC makes the HEVC film: 4 s as MPEG-TS, which holds it as a byte stream.
func shootHEVC(t testing.TB) *movie {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hevc.ts")
	must(t, "ffmpeg", append(scene(4), "-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
		"log-level=error:keyint=30:min-keyint=30:scenecut=0:open-gop=0:bframes=3:repeat-headers=1", path)...)
	m, err := develop(path, "hevc")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A packing makes the tag body of a picture: the configuration if first is set, else a frame that is shown offset
// milliseconds later than it is decoded.
type packing func(first, key bool, offset int32, payload []byte) []byte

// packCodec12 packs as most encoders without Enhanced RTMP do.
func packCodec12(first, key bool, offset int32, payload []byte) []byte {
	b := []byte{2<<4 | 12, 1, byte(offset >> 16), byte(offset >> 8), byte(offset)}
	if key {
		b[0] = 1<<4 | 12
	}
	if first {
		b[1] = 0
	}
	return append(b, payload...)
}

// packEnhanced packs as Enhanced RTMP says.
func packEnhanced(first, key bool, offset int32, payload []byte) []byte {
	const sequenceStart, codedFrames, codedFramesX = 0, 1, 3
	b := []byte{0x80 | 2<<4, 'h', 'v', 'c', '1'}
	if key {
		b[0] = 0x80 | 1<<4
	}
	switch {
	case first:
		b[0] |= sequenceStart
	case offset == 0:
		b[0] |= codedFramesX
	default:
		b[0] |= codedFrames
		b = append(b, byte(offset>>16), byte(offset>>8), byte(offset))
	}
	return append(b, payload...)
}

// An unpacker makes tags of a transport stream.
type unpacker struct {
	t      testing.TB
	pack   packing
	config bool // there is a configuration of the picture
	tags   []*live.Frame
}

// tags returns the film as a publisher sends it, by way of an FLV file.
func (m *movie) tags(t testing.TB, pack packing) []*live.Frame {
	t.Helper()
	f, err := os.Open(m.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := &mpegts.Reader{R: f}
	if err := r.Initialize(); err != nil {
		t.Fatal(err)
	}
	u := &unpacker{t: t, pack: pack}
	for _, track := range r.Tracks() {
		switch c := track.Codec.(type) {
		case *codecs.H265:
			r.OnDataH265(track, u.picture)
		case *codecs.MPEG4Audio:
			config, err := c.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			u.add(live.KindAudio, 0, append([]byte{0xaf, 0}, config...))
			r.OnDataMPEG4Audio(track, u.sound)
		}
	}
	for err == nil {
		err = r.Read()
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return throughFLV(t, u.inOrder())
}

func (u *unpacker) add(kind live.Kind, clock int64, body []byte) {
	u.t.Helper()
	f, err := live.ParseTag(kind, uint32(clock/90), body)
	if err != nil {
		u.t.Fatal(err)
	}
	u.tags = append(u.tags, f)
}

// sound takes some frames of AAC.
func (u *unpacker) sound(pts int64, units [][]byte) error {
	for i, unit := range units {
		u.add(live.KindAudio, pts+int64(i)*1024*90000/sampleRate, append([]byte{0xaf, 1}, unit...))
	}
	return nil
}

// picture takes the units of a picture: parameter sets go into the configuration, the others into a frame.
func (u *unpacker) picture(pts, dts int64, units [][]byte) error {
	const delimiter, firstKey, lastKey = 35, 16, 21
	sets := make(map[byte][]byte)
	var payload []byte
	key := false
	for _, unit := range units {
		kind := unit[0] >> 1 & 0x3f
		switch {
		case kind >= 32 && kind <= 34:
			sets[kind] = unit
		case kind != delimiter:
			key = key || kind >= firstKey && kind <= lastKey
			payload = append(binary.BigEndian.AppendUint32(payload, uint32(len(unit))), unit...)
		}
	}
	if !u.config {
		u.add(live.KindVideo, dts, u.pack(true, true, 0, hevcRecord(sets)))
		u.config = true
	}
	u.add(live.KindVideo, dts, u.pack(false, key, int32((pts-dts)/90), payload))
	return nil
}

// inOrder returns the tags by time, which begins at 0, what describes them first.
func (u *unpacker) inOrder() []*live.Frame {
	rank := func(f *live.Frame) int64 {
		if f.Config {
			return -1
		}
		return f.Time
	}
	slices.SortStableFunc(u.tags, func(a, b *live.Frame) int { return int(rank(a) - rank(b)) })
	start := int64(-1)
	for _, f := range u.tags {
		switch {
		case f.Config:
			f.Time = 0
			continue
		case start < 0:
			start = f.Time
		}
		f.Time -= start
	}
	return u.tags
}

// hevcRecord makes a HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1). Profile and level are where they stand
// in the sequence parameter set.
func hevcRecord(sets map[byte][]byte) []byte {
	sps := h264.EmulationPreventionRemove(sets[33])
	b := append([]byte{1}, sps[3:15]...)
	b = append(b, 0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, 3)
	for kind := byte(32); kind <= 34; kind++ {
		b = append(b, 0x80|kind, 0, 1)
		b = binary.BigEndian.AppendUint16(b, uint16(len(sets[kind])))
		b = append(b, sets[kind]...)
	}
	return b
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

// inRealTime writes some frames at once and others again and again, each at its time behind base, until ctx is done.
func inRealTime(ctx context.Context, w live.FrameWriter, before, frames []*live.Frame, base int64) error {
	for _, f := range before {
		if err := w.WriteFrame(f); err != nil {
			return err
		}
	}
	const picture = 1000 / pictureRate
	length := frames[len(frames)-1].Time + picture
	began := time.Now()
	for start := int64(0); ; start += length {
		for _, f := range frames {
			if start > 0 && f.Config {
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

// compare checks that what was received is what was published, from some place on and round again, and that its pictures
// can be decoded.
func (m *movie) compare(t testing.TB, published, received []*live.Frame) {
	t.Helper()
	checkTimes(t, "what came", received)
	for _, kind := range []live.Kind{live.KindVideo, live.KindAudio} {
		compareBodies(t, mediaOf(published, kind), mediaOf(received, kind))
	}
	stream := file(t, "pictures.hevc", annexB(t, received))
	out := must(t, "ffmpeg", "-v", "error", "-xerror", "-f", "hevc", "-i", stream, "-fps_mode", "passthrough", "-f", "framemd5", "-")
	m.recognise(t, digests(out), 2*pictureRate)
}

func mediaOf(frames []*live.Frame, kind live.Kind) (media []*live.Frame) {
	for _, f := range frames {
		if f.Kind == kind && f.Media() {
			media = append(media, f)
		}
	}
	return media
}

func compareBodies(t testing.TB, published, received []*live.Frame) {
	t.Helper()
	if len(received) == 0 {
		t.Error("nothing was received")
		return
	}
	at := slices.IndexFunc(published, func(f *live.Frame) bool { return bytes.Equal(f.Body, received[0].Body) })
	if at < 0 {
		t.Errorf("the first of %s was not published: % x…", received[0].Kind, received[0].Body[:16])
		return
	}
	for i, f := range received {
		if !bytes.Equal(f.Body, published[(at+i)%len(published)].Body) {
			t.Errorf("frame %d of %s is not what was published", i, f.Kind)
			return
		}
	}
}

// annexB makes a byte stream of HEVC tags.
func annexB(t testing.TB, frames []*live.Frame) (b []byte) {
	t.Helper()
	size := 0
	for _, f := range frames {
		switch {
		case f.Codec != live.CodecHEVC:
		case f.Config:
			record, err := codec.ParseHEVC(f.Payload())
			if err != nil {
				t.Fatal(err)
			}
			size = record.LengthSize
			for _, set := range slices.Concat(record.VPS, record.SPS, record.PPS) {
				b = codec.AppendUnit(b, set)
			}
		case f.Media():
			b = codec.AppendAnnexB(b, f.Payload(), size)
		}
	}
	return b
}
