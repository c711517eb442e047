package e2e

import (
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// reasoned is basic with an app for which everybody needs a key, and two that do not wait long for
// their publishers or viewers.
var reasoned = in("rtmp", `
	app guarded {
		publish {
			authenticate token {
				param key
				secret `+streamKey+`
			}
		}
		play {
			authenticate token {
				param key
				secret `+streamKey+`
			}
		}
	}
	app hasty {
		idle_timeout 1s
	}
	app stuck {
		write_timeout 2s
	}`)

// TestReasons lets programs be refused: each shows the server's reason in its own output. rtmpdump shows the code, and the
// rest if it is to be verbose.
func TestReasons(t *testing.T) {
	t.Parallel()
	s := serve(t, reasoned)
	s.loop(s.url("rtmp", "/live/taken"), film.frames(t))
	s.awaitStream("taken")
	t.Run("publish", func(t *testing.T) {
		t.Parallel()
		for path, why := range map[string]string{
			"/guarded/test":           "a token is needed",
			"/guarded/test?key=wrong": "the token in ?key= is wrong",
			"/live/taken":             "already has a publisher",
			"/nowhere/test":           `there is no app`,
			"/live/a.ts":              "must not end in .ts",
		} {
			s := s.on(t)
			s.mustFail(why, encoder(s.url("rtmp", path))...)
			s.mustComplain("gst-launch-1.0", why, gstEncoder(t, s.url("rtmp", path))...)
		}
	})
	t.Run("play", func(t *testing.T) {
		t.Parallel()
		for path, c := range map[string]struct{ why, code string }{
			"/guarded/test?key=wrong": {"the token in ?key= is wrong", "NetStream.Play.Failed"},
			"/live/nobody":            {"no publisher came on air for /live/nobody within 5s", "NetStream.Play.StreamNotFound"},
			"/nowhere/test":           {"there is no app", "NetConnection.Connect.InvalidApp"},
		} {
			s := s.on(t)
			url := s.url("rtmp", path)
			s.mustFail(c.why, "-i", url, "-f", "null", "-")
			_ = s.mustShow("ffplay", c.why, "-nodisp", url) // it ends with 0
			s.mustComplain("gst-launch-1.0", c.why, "-q", "rtmp2src", "location="+url, "!", "fakesink")
			s.mustComplain("rtmpdump", c.code, "--live", "-r", url, "-o", "/dev/null")
			s.mustComplain("rtmpdump", c.why, "--live", "--verbose", "-r", url, "-o", "/dev/null")
		}
	})
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		s.on(t).wakeTooLate("no audio or video came for 1s", "ffmpeg", encoder(s.url("rtmp", "/hasty/ffmpeg"))...)
	})
	t.Run("silent GStreamer", func(t *testing.T) {
		t.Parallel()
		// It does not read what it is told while it publishes.
		const why = "connection closed remotely"
		s.on(t).wakeTooLate(why, "gst-launch-1.0", gstEncoder(t, s.url("rtmp", "/hasty/gst-launch-1.0"))...)
	})
}

// wakeTooLate lets an encoder, which publishes under its own name, sleep for longer than the idle time-out. When it wakes
// it shows why it was sent home.
func (s *server) wakeTooLate(why, name string, args ...string) {
	p := start(s.t, nil, name, args...)
	s.awaitStream(name)
	p.freeze()
	s.awaitIdle(name)
	p.thaw()
	if err := p.wait(s.t, patience); err == nil {
		s.t.Errorf("%s did not notice", name)
	}
	if !strings.Contains(p.out.String(), why) {
		s.t.Errorf("%s does not show %q:\n%s", name, why, tail(p.out.String()))
	}
}

// awaitIdle waits until a publisher was sent home for its silence.
func (s *server) awaitIdle(stream string) {
	s.t.Helper()
	ended := s.awaitLog(1, line{"msg": "publish ended", "stream": stream})[0]
	if reason, _ := ended["reason"].(string); !strings.Contains(reason, live.ErrIdle.Error()) {
		s.t.Errorf("the publisher ended with %q", reason)
	}
}
