package e2e

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestIdentity lets the programs that people watch with do so at one time and from one address, each of which asks in its
// own way. Each is one viewer for as long as it watches, told of twice, and what the access log has seen go to it is what
// its session has counted.
func TestIdentity(t *testing.T) {
	t.Parallel()
	s := serve(t, with(basic, "http://localhost", "\tlog"))
	s.publish(s.url("rtmp", "/live/test"))
	address := s.url("http", "/live/test.m3u8")
	home := forAll(t)
	watching := map[string]*process{
		"ffmpeg": start(t, nil, "ffmpeg", "-v", "error", "-i", address, "-f", "null", "-"),
		"GStreamer": start(t, nil, "gst-launch-1.0", "-q", "souphttpsrc", "location="+address, "!", "hlsdemux", "!",
			"fakesink", "sync=true"),
		"VLC": startAs(t, nobody(), []string{"HOME=" + home}, "vlc", "-I", "dummy", "--no-dbus", "--avcodec-hw", "none",
			"--vout", "vdummy", "--aout", "afile", "--audiofile-file", filepath.Join(home, "sound"), address),
	}
	want := map[string]int{"fmle-publish": 1, "hls-play": len(watching)}
	rows := s.awaitClients(want)
	eventually(t, "all watch for some seconds", func() error {
		now, err := s.clients()
		if err != nil {
			return err
		}
		for id, row := range now {
			if _, ok := rows[id]; !ok {
				t.Fatalf("there is a new client %+v, where there were %v", row, rows)
			}
			if row.Type == "hls-play" && row.Sent < 600<<10 {
				err = fmt.Errorf("client %s was sent %d bytes", id, row.Sent)
			}
		}
		for name, p := range watching {
			if ended := p.running(); ended != nil {
				t.Fatalf("%s: %v", name, ended)
			}
		}
		return err
	})
	s.awaitClients(want)
	for _, p := range watching {
		p.signal(syscall.SIGTERM)
		_ = p.wait(t, patience)
	}
	ends := s.awaitLog(len(watching), line{"logger": "rtmp.session", "msg": "play ended", "protocol": "hls"})
	s.awaitLog(len(watching), line{"logger": "rtmp.session", "msg": "play started", "protocol": "hls"})
	for _, end := range ends {
		sent, requests := 0.0, s.log(line{"msg": "handled request", "rtmp_session": end["session"]})
		for _, l := range requests {
			n, _ := l["size"].(float64)
			sent += n
		}
		if len(requests) < 6 || sent != end["bytes_sent"] {
			t.Errorf("%v bytes in %d requests, and the session's end is %v", sent, len(requests), end)
		}
	}
}

// TestEncode puts Caddy's encode before HLS: it compresses playlists where they are named to it, and leaves segments alone.
// The session counts what they are without it.
func TestEncode(t *testing.T) {
	t.Parallel()
	s := serve(t, with(basic, "https://localhost", "\tencode {", "\t\tminimum_length 1",
		"\t\tmatch {", "\t\t\theader Content-Type application/vnd.apple.mpegurl*", "\t\t}", "\t}"))
	s.publish(s.url("rtmp", "/live/test"))
	p := s.tune(http2, s.url("https", "/live/test.m3u8"))
	eventually(t, "there are segments", func() error {
		if p.length() == 0 {
			return errors.Join(p.running(), errors.New("there are none"))
		}
		return p.running()
	})
	list := p.list.String()
	segment := list[:strings.LastIndexByte(list, '/')+1] + p.newest()
	for _, tt := range []struct {
		url, encoding string
		header        http.Header
		status        int
	}{
		{list, "gzip", http.Header{"Accept-Encoding": {"gzip"}}, http.StatusOK},
		{s.url("https", "/live/test.m3u8"), "gzip", http.Header{"Accept-Encoding": {"deflate, gzip"}}, http.StatusOK},
		{list, "", http.Header{"Accept-Encoding": {"identity"}}, http.StatusOK},
		{segment, "", http.Header{"Accept-Encoding": {"gzip"}}, http.StatusOK},
		{segment, "", http.Header{"Accept-Encoding": {"gzip"}, "Range": {"bytes=188-375"}}, http.StatusPartialContent},
	} {
		got := s.request(http.MethodGet, tt.url, tt.header)
		text := got.body
		if tt.encoding != "" {
			unzip, err := gzip.NewReader(bytes.NewReader(got.body))
			if err != nil {
				t.Fatalf("%s: %v, %v", tt.url, got.header, err)
			}
			if text, err = io.ReadAll(unzip); err != nil {
				t.Errorf("%s: %v", tt.url, err)
			}
		}
		if got.status != tt.status || got.header.Get("Content-Encoding") != tt.encoding {
			t.Errorf("%s %v: %d, %v", tt.url, tt.header, got.status, got.header)
		}
		if strings.Contains(tt.url, "m3u8") && !strings.HasPrefix(string(text), "#EXTM3U\n") {
			t.Errorf("%s: %s", tt.url, text)
		}
	}
	eventually(t, "a playlist that has not changed is not sent again", func() error {
		tag := s.request(http.MethodGet, list, http.Header{"Accept-Encoding": {"gzip"}}).header.Get("Etag")
		again := s.request(http.MethodGet, list, http.Header{"Accept-Encoding": {"gzip"}, "If-None-Match": {tag}})
		if tag == "" || again.status != http.StatusNotModified {
			return fmt.Errorf("tag %s: %d", tag, again.status)
		}
		return nil
	})
	if got := s.request(http.MethodHead, segment, nil); got.status != http.StatusOK || got.length < 188 {
		t.Errorf("HEAD: %+v", got)
	}
	if got := s.request(http.MethodOptions, segment, http.Header{"Origin": {"https://tv.example"}}); got.status != http.StatusNoContent {
		t.Errorf("OPTIONS: %+v", got)
	}
}

// An answer is a whole one, as it came.
type answer struct {
	status int
	header http.Header
	length int64 // as the header says it
	body   []byte
}

// request asks over HTTP/2 with headers of the caller's.
func (s *server) request(method, url string, header http.Header) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	resp, err := s.browser(http2).Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, resp.ContentLength, body}
}
