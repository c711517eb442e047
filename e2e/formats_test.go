package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// A format is a way to play a stream over HTTP.
type format struct {
	path     string
	movie    *movie
	elements string // of GStreamer, which demultiplex it, or parse it where it is sound alone
}

// TestFormats lets all players that people have play every format over HTTPS: ffprobe and ffmpeg, VLC, GStreamer. Browsers
// have tests of their own.
func TestFormats(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	s.publish(s.url("rtmp", "/live/test"))
	alone, radio := *film, film.withSound(t, "", "mp3", "-vn", "-c:a", "libmp3lame", "-ac", "2")
	alone.codec = ""
	s.publishMovie(radio, s.url("rtmp", "/live/radio"))
	for _, f := range []format{
		{"/live/test.flv", film, "flvdemux"},
		{"/live/test.ts", film, "tsdemux"},
		{"/live/test.aac", &alone, "aacparse ! avdec_aac"},
		{"/live/radio.mp3", radio, "mpegaudioparse ! avdec_mp3"},
		{"/live/test.m3u8", film, "hlsdemux ! tsdemux"},
		{"/live/test/index.m3u8", film, "hlsdemux ! qtdemux"},
	} {
		t.Run("ffmpeg"+f.path, func(t *testing.T) {
			t.Parallel()
			f.movie.examine(t, s.trusted(f.path)...)
		})
		t.Run("VLC"+f.path, func(t *testing.T) {
			t.Parallel()
			s.on(t).decodeWithVLC(s.url("https", f.path), f.movie.codec != "")
		})
		t.Run("GStreamer"+f.path, func(t *testing.T) {
			t.Parallel()
			source := "souphttpsrc location=" + s.url("https", f.path) + " ! " + f.elements
			if f.movie.codec == "" {
				s.on(t).hearWithGStreamer(source)
			} else {
				s.on(t).decodeWithGStreamer(source)
			}
		})
	}
}

// trusted are ffmpeg's arguments for a path of HTTPS, with the certificate verified where its demuxer passes that on.
func (s *server) trusted(path string) []string {
	if filepath.Ext(path) == ".m3u8" {
		return []string{s.url("https", path)}
	}
	return []string{"-ca_file", s.rootCert(), "-tls_verify", "1", s.url("https", path)}
}

// decodeWithGStreamer decodes pictures from the demuxer at the end of a pipeline, and compares them with the film's.
func (s *server) decodeWithGStreamer(source string) {
	s.t.Helper()
	const size = width * height * 3 / 2
	pcm := s.runGStreamer(source+" name=d d. ! queue ! h264parse ! avdec_h264 ! identity eos-after=%d ! video/x-raw,format=I420",
		enoughPictures+1, enoughPictures*size)
	film.recognise(s.t, pictureDigests(pcm, 0), enoughPictures)
}

// hearWithGStreamer listens to the decoder at the end of a pipeline, and compares what it gives with the film's sound.
func (s *server) hearWithGStreamer(source string) {
	s.t.Helper()
	const frames = 130 // three seconds
	checkTone(s.t, s.runGStreamer(source+" ! identity eos-after=%d ! audioconvert ! audio/x-raw,format=S16LE,channels=1",
		frames, 2*sampleRate*5/2))
}

// runGStreamer runs a pipeline that ends after some buffers, and returns the first bytes that come out of it. HLS's elements
// wait for more after the end.
func (s *server) runGStreamer(pipeline string, buffers, size int) []byte {
	s.t.Helper()
	raw := filepath.Join(s.t.TempDir(), "raw")
	args := strings.Fields(fmt.Sprintf(pipeline, buffers) + " ! filesink buffer-mode=unbuffered location=" + raw)
	return s.awaitFile(start(s.t, s.trusting(), "gst-launch-1.0", append([]string{"-q"}, args...)...), raw, size)
}
