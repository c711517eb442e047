package e2e

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestClients lets programs play that read the protocols in their own way, and GStreamer publish.
func TestClients(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	s.publish(s.url("rtmp", "/live/test"))
	s.publishWithGStreamer(s.url("rtmp", "/live/gst"))

	t.Run("rtmpdump", func(t *testing.T) {
		t.Parallel()
		dump(t, s.url("rtmp", "/live/test"))
	})
	t.Run("curl over HTTP/2", func(t *testing.T) {
		t.Parallel()
		curl(t, s)
	})
	t.Run("GStreamer publishes", func(t *testing.T) {
		t.Parallel()
		film.examine(t, s.url("http", "/live/gst.flv"))
	})
	for name, source := range map[string]string{
		"rtmp": "rtmp2src location=" + s.url("rtmp", "/live/test") + " ! flvdemux",
		"flv":  "souphttpsrc location=" + s.url("http", "/live/test.flv") + " ! flvdemux",
		"ts":   "souphttpsrc location=" + s.url("http", "/live/test.ts") + " ! tsdemux",
	} {
		t.Run("GStreamer plays "+name, func(t *testing.T) {
			t.Parallel()
			s.on(t).decodeWithGStreamer(source)
		})
	}
}

// dump plays with rtmpdump, which is librtmp.
func dump(t testing.TB, url string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dump.flv")
	p := start(t, nil, "rtmpdump", "--live", "-r", url, "-o", path)
	eventually(t, "rtmpdump plays", func() error {
		if err := p.running(); err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && span(b) < (playtime+1)*1000 {
			err = fmt.Errorf("%d bytes", len(b))
		}
		return err
	})
	p.stop(t)
	film.examine(t, file(t, "whole.flv", cutFLV(readFile(t, path))))
}

// curl is how scripts play. It verifies the certificate.
func curl(t *testing.T, s *server) {
	path := filepath.Join(t.TempDir(), "curl.flv")
	said, problems, err := command(t, nil, "curl", "-sS", "--http2", "--noproxy", "*", "--cacert", s.rootCert(), "--max-time", "4",
		"-w", "%{http_version} %{http_code} %{content_type}", "-o", path, s.url("https", "/live/test.flv"))
	// It ends with an error, since the stream does not.
	if err == nil || string(said) != "2 200 video/x-flv" {
		t.Fatalf("curl said %q: %v\n%s", said, err, problems)
	}
	film.examine(t, file(t, "whole.flv", cutFLV(readFile(t, path))))
}

// pictureDigests returns the digests of raw pictures, each behind a head of some bytes.
func pictureDigests(b []byte, head int) (list []string) {
	const size = width * height * 3 / 2
	for ; len(b) >= head+size; b = b[head+size:] {
		sum := md5.Sum(b[head : head+size])
		list = append(list, hex.EncodeToString(sum[:]))
	}
	return list
}

// publishWithGStreamer lets GStreamer publish the film, long enough for a test, and waits until it is on air.
func (s *server) publishWithGStreamer(url string) *process {
	s.t.Helper()
	p := start(s.t, s.trusting(), "gst-launch-1.0", gstEncoder(s.t, url)...)
	s.awaitStream(url[strings.LastIndexByte(url, '/')+1:])
	return p
}

// gstEncoder returns GStreamer's arguments to publish the film for three minutes.
func gstEncoder(t testing.TB, url string) []string {
	t.Helper()
	long := filepath.Join(t.TempDir(), "long.mp4")
	must(t, "ffmpeg", "-v", "error", "-stream_loop", "29", "-i", film.path, "-c", "copy", long)
	return append([]string{"-q"}, strings.Fields("filesrc location="+long+" ! qtdemux name=d "+
		"flvmux name=m streamable=true ! rtmp2sink location="+url+
		" d.video_0 ! queue ! h264parse ! m.video d.audio_0 ! queue ! aacparse ! m.audio")...)
}
