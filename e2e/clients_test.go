package e2e

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
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
			decodeWithGStreamer(t, source)
		})
	}
}

// dump plays with rtmpdump, which is librtmp.
func dump(t *testing.T, url string) {
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

// decodeWithGStreamer decodes pictures from the demuxer at the end of a pipeline, and compares them with the film's.
func decodeWithGStreamer(t *testing.T, source string) {
	const enough = 2 * pictureRate
	raw := filepath.Join(t.TempDir(), "raw")
	pipeline := fmt.Sprintf("%s name=d d. ! queue ! h264parse ! avdec_h264 ! identity eos-after=%d ! video/x-raw,format=I420 ! filesink location=%s",
		source, enough+1, raw)
	_, said, err := command(t, nil, "gst-launch-1.0", append([]string{"-q"}, strings.Fields(pipeline)...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	const size = width * height * 3 / 2
	var list []string
	for b := readFile(t, raw); len(b) >= size; b = b[size:] {
		sum := md5.Sum(b[:size])
		list = append(list, hex.EncodeToString(sum[:]))
	}
	film.recognise(t, list, enough)
}

// publishWithGStreamer lets GStreamer publish the film, long enough for a test.
func (s *server) publishWithGStreamer(url string) {
	s.t.Helper()
	long := filepath.Join(s.t.TempDir(), "long.mp4")
	must(s.t, "ffmpeg", "-v", "error", "-stream_loop", "9", "-i", film.path, "-c", "copy", long)
	pipeline := "filesrc location=" + long + " ! qtdemux name=d flvmux name=m streamable=true ! rtmp2sink location=" + url +
		" d.video_0 ! queue ! h264parse ! m.video d.audio_0 ! queue ! aacparse ! m.audio"
	p := start(s.t, nil, "gst-launch-1.0", append([]string{"-q"}, strings.Fields(pipeline)...)...)
	eventually(s.t, "GStreamer publishes", func() error {
		if err := p.running(); err != nil {
			return err
		}
		rows, err := s.streams()
		if err != nil {
			return err
		}
		for _, row := range rows {
			if row.Name == "gst" && row.Publish.Active && row.Frames > 2*pictureRate {
				return nil
			}
		}
		return errors.New("it is not on air")
	})
}
