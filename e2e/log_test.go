package e2e

import (
	"maps"
	"testing"
)

// TestLog publishes the film once and watches it to its end: the log has one line for the beginning and one with the
// totals and the reason for the end of each session, and the access log knows the session.
func TestLog(t *testing.T) {
	t.Parallel()
	s := serve(t, with(basic, "http://localhost", "\tlog"))
	encoder := start(t, nil, "ffmpeg", "-v", "error", "-re", "-i", film.path, "-c", "copy", "-f", "flv", s.url("rtmp", "/live/test"))
	s.awaitStream("test")
	v := s.watch(http1, s.url("http", "/live/test.flv"))
	if err := encoder.wait(t, patience); err != nil {
		t.Fatal(err)
	}
	v.ended(t, patience)

	sessions := line{"logger": "rtmp.session", "app": "live", "stream": "test", "level": "info"}
	publish := s.awaitSession(sessions, "publish", "rtmp", "client left")
	if publish["video_frames"] != float64(len(film.pictures)) || publish["broken_tags"] != 0.0 || publish["bytes_sent"] != 0.0 {
		t.Errorf("the publisher's end is %v", publish)
	}
	play := s.awaitSession(sessions, "play", "flv", "stream ended")
	if play["bytes_sent"] != float64(v.Len()) || play["bytes_received"] != 0.0 {
		t.Errorf("the viewer, who got %d bytes, ended with %v", v.Len(), play)
	}
	for _, end := range []line{publish, play} {
		if d, _ := end["duration"].(float64); d < 3 || d > 15 {
			t.Errorf("the duration is %v", end["duration"])
		}
	}
	access := s.awaitLog(1, line{"msg": "handled request", "rtmp_session": play["session"]})[0]
	if access["size"] != float64(v.Len()) || access["status"] != 200.0 {
		t.Errorf("the access log has %v", access)
	}
}

// awaitSession waits for the two lines of the only session of its kind, and returns the second.
func (s *server) awaitSession(common line, action, protocol, reason string) line {
	s.t.Helper()
	want := line{"msg": action + " started", "protocol": protocol}
	maps.Copy(want, common)
	began := s.awaitLog(1, want)[0]
	want["msg"] = action + " ended"
	want["session"] = began["session"]
	want["reason"] = reason
	ended := s.awaitLog(1, want)[0]
	if ended["remote"] != began["remote"] || began["remote"] == "" {
		s.t.Errorf("a session of %v ended with %v", began["remote"], ended["remote"])
	}
	return ended
}
