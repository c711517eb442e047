package e2e

import (
	"slices"
	"testing"
)

// verifying are ffmpeg's options with which it checks the server's certificate.
func (s *server) verifying() []string { return []string{"-tls_verify", "1", "-ca_file", s.rootCert()} }

// verifyingAs are those for a certificate of another name than the URL's. ffmpeg asks the server for that name too.
func (s *server) verifyingAs(name string) []string { return append(s.verifying(), "-verifyhost", name) }

// TestRTMPS publishes and plays with programs that verify the certificate, and with the same ones where they cannot.
func TestRTMPS(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	byFFmpeg, byGStreamer := s.url("rtmps", "/live/ffmpeg"), s.url("rtmps", "/live/gst")
	start(t, nil, "ffmpeg", publishWith(s.verifying(), byFFmpeg)...)
	s.awaitStream("ffmpeg")
	s.publishWithGStreamer(byGStreamer)

	for _, address := range []string{byFFmpeg, byGStreamer} {
		t.Run("ffmpeg plays "+address[len(s.url("rtmps", "/live/")):], func(t *testing.T) {
			t.Parallel()
			film.examine(t, append(s.verifying(), address)...)
		})
	}
	t.Run("GStreamer plays", func(t *testing.T) {
		t.Parallel()
		s.on(t).decodeWithGStreamer("rtmp2src location=" + byFFmpeg + " ! flvdemux")
	})
	t.Run("rtmpdump plays", func(t *testing.T) { // it verifies nothing, and does not say whom it wants
		t.Parallel()
		dump(t, byFFmpeg)
	})
	t.Run("unknown authority", func(t *testing.T) {
		t.Parallel()
		s := s.on(t)
		strict := []string{"-tls_verify", "1"}
		s.mustFail("certificate", publishWith(strict, s.url("rtmps", "/live/never"))...)
		s.mustFail("certificate", append(slices.Clone(strict), "-i", byFFmpeg, "-f", "null", "-")...)
		s.mustComplain("gst-launch-1.0", "Unacceptable TLS certificate", "-q", "rtmp2src", "location="+byFFmpeg, "!", "fakesink")
	})
}

// publishWith returns ffmpeg's arguments to publish the film, with some for the URL.
func publishWith(options []string, url string) []string {
	args := encoder(url)
	return slices.Insert(args, len(args)-1, options...)
}
