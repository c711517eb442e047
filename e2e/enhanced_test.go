package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// enhancedFilms have the codecs of Enhanced RTMP in pairs.
var enhancedFilms = map[string]struct {
	shoot        func(t testing.TB) *movie
	video, audio string   // in the API
	others       []string // where ffmpeg can watch as well
}{
	"av01-Opus": {video: "AV1", audio: "Opus 48000 2", others: []string{"/index.m3u8"}, shoot: func(t testing.TB) *movie {
		return shootAs(t, "av1", "mp4", scene(2), "-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-g", "30", "-c:a", "libopus")
	}},
	"vp09-fLaC": {video: "VP9", audio: "Other 44100 2", others: []string{"/index.m3u8"}, shoot: func(t testing.TB) *movie {
		return shootAs(t, "vp9", "mp4", scene(2), "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "30",
			"-c:a", "flac", "-strict", "-2")
	}},
	"vp08-ac-3": {video: "Other Other", audio: "Other 44100 2", shoot: func(t testing.TB) *movie {
		return shootAs(t, "vp8", "mkv", scene(2), "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "30", "-c:a", "ac3")
	}},
	"hvc1-ec-3": {video: "HEVC Main", audio: "Other 44100 2", others: []string{".ts", ".m3u8", "/index.m3u8"}, shoot: func(t testing.TB) *movie {
		return filmInHEVC(t).withSound(t, "hevc", "eac3", "-c:v", "copy", "-c:a", "eac3", "-ac", "2")
	}},
	"avc1-mp3": {video: "H264 High", audio: "MP3 44100 2", others: []string{".ts", ".m3u8", "/index.m3u8"}, shoot: func(t testing.TB) *movie {
		return film.withSound(t, "h264", "mp3", "-c:v", "copy", "-c:a", "libmp3lame", "-ac", "2")
	}},
	"avc1-mp4a": {video: "H264 High", audio: "AAC 44100 2", others: []string{".ts", ".m3u8", "/index.m3u8"}, shoot: func(testing.TB) *movie {
		return film
	}},
}

// TestEnhanced publishes every codec of Enhanced RTMP under its FourCC. Who watches over RTMP or HTTP-FLV gets the bytes
// that were published, and they can be decoded.
func TestEnhanced(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	for name, c := range enhancedFilms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.on(t)
			m := c.shoot(t)
			tags := m.tags(t, packEnhanced)
			s.loop(s.url("rtmp", "/live/"+name), tags)
			row := s.awaitStream(name)
			if got := strings.TrimSpace(row.Video.Codec + " " + row.Video.Profile); got != c.video {
				t.Errorf("the API shows the picture as %s", got)
			}
			if got := fmt.Sprintf("%s %d %d", row.Audio.Codec, row.Audio.SampleRate, row.Audio.Channel); got != c.audio {
				t.Errorf("the API shows the sound as %s", got)
			}
			s.watchBodies(t, name, "", func(t testing.TB, received []*live.Frame) { m.compare(t, tags, received) })
			for _, ending := range c.others {
				t.Run(ending, func(t *testing.T) {
					t.Parallel()
					if m.codec == "av1" || m.codec == "vp9" { // what comes with them has frames and a rate of its own
						m.decode(t, s.url("http", "/live/"+name+ending))
						return
					}
					m.examine(t, s.url("http", "/live/"+name+ending))
				})
			}
		})
	}
}

// watchBodies lets two viewers watch a stream, one over RTMP and one over HTTP-FLV, and hands what each gets to check.
func (s *server) watchBodies(t *testing.T, name, query string, check func(t testing.TB, received []*live.Frame)) {
	t.Run("rtmp"+query, func(t *testing.T) {
		t.Parallel()
		check(t, s.on(t).framesOverRTMP(s.url("rtmp", "/live/"+name+query)))
	})
	t.Run("flv"+query, func(t *testing.T) {
		t.Parallel()
		check(t, s.on(t).framesOverFLV(s.url("https", "/live/"+name+".flv"+query)))
	})
}

// TestUnknownCodecs publishes codecs that nobody knows, which pass as they are.
func TestUnknownCodecs(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	tracks := film.demux(t)
	for i := range tracks {
		tracks[i].codec = 'n'<<24 | 'e'<<16 | 'w'<<8 | live.FourCC('0'+i)
	}
	tags := throughFLV(t, tagsOf(t, packEnhanced, tracks...))
	s.loop(s.url("rtmp", "/live/unknown"), tags)
	row := s.awaitStream("unknown")
	if row.Video.Codec != "Other" || row.Audio.Codec != "Other" {
		t.Errorf("the API shows the codecs as %s and %s", row.Video.Codec, row.Audio.Codec)
	}
	s.watchBodies(t, "unknown", "", func(t testing.TB, received []*live.Frame) {
		compareBodies(t, tags, received)
		compareConfigs(t, tags, received)
	})
}

// compareConfigs checks that what is no media came once, before the media, as it was published.
func compareConfigs(t testing.TB, published, received []*live.Frame) {
	t.Helper()
	heads := func(frames []*live.Frame) (list []string) {
		for _, f := range frames {
			if !f.Media() {
				list = append(list, string(f.Body))
			}
		}
		return list
	}
	want := heads(published)
	if got := heads(received); !slices.Equal(got, want) {
		t.Errorf("what describes the stream is %.40q, want %.40q", got, want)
	}
	for _, f := range received[:len(want)] {
		if f.Media() {
			t.Errorf("a frame of %s comes before all of what describes the stream", f.Kind)
		}
	}
}

// TestColorInfo publishes HEVC with the metadata of a picture in HDR, which a viewer gets however late it comes.
func TestColorInfo(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	tracks := filmInHEVC(t).demux(t)
	tags := tagsOf(t, packEnhanced, tracks...)
	body := wire.AppendAMF0([]byte{exHead(live.KindVideo, true) | metadata, 'h', 'v', 'c', '1'}, "colorInfo", wire.Object{
		{Key: "colorConfig", Value: wire.Object{
			{Key: "bitDepth", Value: 10},
			{Key: "colorPrimaries", Value: 9},
			{Key: "transferCharacteristics", Value: 16},
			{Key: "matrixCoefficients", Value: 9},
		}},
		{Key: "hdrCll", Value: wire.Object{{Key: "maxFall", Value: 400}, {Key: "maxCLL", Value: 1000}}},
	})
	colors, err := live.ParseTag(live.KindVideo, 0, body)
	if err != nil {
		t.Fatal(err)
	}
	tags = slices.Insert(tags, 1, colors)
	s.loop(s.url("rtmp", "/live/hdr"), tags)
	eventually(t, "the key frame behind the metadata is no viewer's first", func() error {
		if n := s.awaitStream("hdr").Frames; n < len(tags) {
			return fmt.Errorf("%d frames were published", n)
		}
		return nil
	})
	s.watchBodies(t, "hdr", "", func(t testing.TB, received []*live.Frame) {
		compareConfigs(t, tags, received)
		compareBodies(t, tags, received)
	})
}

// TestNano publishes times with nanoseconds. Enhanced RTMP's modifier passes to viewers who get the tags, and makes the
// clock of a transport stream exact.
func TestNano(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	tags := film.tags(t, packNano)
	s.loop(s.url("rtmp", "/live/nano"), tags)
	s.awaitStream("nano")
	s.watchBodies(t, "nano", "", func(t testing.TB, received []*live.Frame) { film.compare(t, tags, received) })
	t.Run("ts", func(t *testing.T) {
		t.Parallel()
		found := packets(t, "-read_intervals", "%+1", "-select_streams", "v", s.url("http", "/live/nano.ts"))
		const printed = 1e-6 // the last digit that ffprobe prints
		for i, p := range found.Packets[1:] {
			if step := p.DTS - found.Packets[i].DTS; math.Abs(step-1./pictureRate) > 2*printed {
				t.Fatalf("a picture comes %.6f s after the one before", step)
			}
		}
		if n := len(found.Packets); n < pictureRate/2 {
			t.Errorf("there are only %d pictures", n)
		}
	})
}

// TestConnectAnswer reads what the server says of Enhanced RTMP to clients that ask, by version 1 or 2, and to others.
func TestConnectAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	for name, c := range map[string]struct {
		asks     wire.Object
		answered bool
	}{
		"before": {},
		"v1":     {wire.Object{{Key: "fourCcList", Value: []any{"hvc1", "av01"}}}, true},
		"v2": {wire.Object{
			{Key: "videoFourCcInfoMap", Value: wire.Object{{Key: "*", Value: 7}}}, {Key: "capsEx", Value: 15},
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			answer := s.on(t).connectAnswer(c.asks)
			if answer.Get("fmsVer") == nil {
				t.Fatalf("the answer is %v", answer)
			}
			if !c.answered {
				if answer.Get("fourCcList") != nil || answer.Get("capsEx") != nil {
					t.Errorf("a client that did not ask hears %v", answer)
				}
				return
			}
			list, _ := answer.Get("fourCcList").([]any)
			video, _ := answer.Get("videoFourCcInfoMap").(wire.Object)
			audio, _ := answer.Get("audioFourCcInfoMap").(wire.Object)
			const forward = float64(4)
			for _, codec := range codecs {
				name := codec.fourCC.String()
				if !slices.Contains(list, any(name)) || video.Get(name) != any(forward) && audio.Get(name) != any(forward) {
					t.Errorf("%s is not among %v, %v, %v", name, list, video, audio)
				}
			}
			const multitrack, modEx, nano = 2, 4, 8
			if caps := answer.Get("capsEx"); caps != any(float64(multitrack|modEx|nano)) || video.Get("*") != any(forward) {
				t.Errorf("capsEx is %v, and the codecs of video are %v", caps, video)
			}
		})
	}
}

// connectAnswer connects with some properties more and returns those of the answer.
func (s *server) connectAnswer(asks wire.Object) wire.Object {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address(s.rtmp))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	if err := wire.Connect(conn); err != nil {
		s.t.Fatal(err)
	}
	w := wire.NewConn(conn, wire.Limits{})
	properties := append(wire.Object{{Key: "app", Value: "live"}, {Key: "tcUrl", Value: s.url("rtmp", "/live")}}, asks...)
	if err := w.Write(wire.Command(0, "connect", 1, properties)); err != nil {
		s.t.Fatal(err)
	}
	for {
		m, err := w.ReadMessage()
		if err != nil {
			s.t.Fatal(err)
		}
		if m.Type != wire.TypeCommandAMF0 || !bytes.Contains(m.Body, []byte("_result")) {
			continue
		}
		values, err := wire.DecodeAMF0(m.Body)
		if err != nil {
			s.t.Fatal(err)
		}
		answer, _ := values[2].(wire.Object)
		return answer
	}
}
