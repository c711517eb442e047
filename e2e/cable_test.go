package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// tooLong is how long it may take until somebody is missed, whose time-out is a second or two: the system has buffers,
// and the machine is busy.
const tooLong = 8 * time.Second

// TestCutCable pulls the cable of a publisher and of viewers: nothing comes any more, and nobody closes a connection. They
// are missed within their time-outs.
func TestCutCable(t *testing.T) {
	t.Parallel()
	s := serve(t, strings.ReplaceAll(reasoned, "/live/*", "*"))
	t.Run("publisher", func(t *testing.T) {
		t.Parallel()
		s.on(t).cutPublisher()
	})
	heavy := s.url("rtmp", "/stuck/heavy")
	s.loop(heavy, padded(film.frames(t)))
	s.awaitStream("heavy")
	for _, c := range []struct {
		protocol string
		port     int
		watch    func(s *server, relayed string) stream
	}{
		{"rtmp", s.rtmp, func(s *server, relayed string) stream { return s.play("rtmp://" + relayed + "/stuck/heavy") }},
		{"flv", s.http, func(s *server, relayed string) stream { return s.watch(http1, "http://"+relayed+"/stuck/heavy.flv") }},
	} {
		t.Run(c.protocol, func(t *testing.T) {
			t.Parallel()
			s := s.on(t)
			cable := relayTo(t, s.address(c.port), "")
			_, port, _ := strings.Cut(cable.Addr().String(), ":")
			goesOn(t, c.watch(s, "localhost:"+port))
			cable.hold()
			began := time.Now()
			ended := s.awaitLog(1, line{"msg": "play ended", "protocol": c.protocol, "stream": "heavy"})[0]
			if took := time.Since(began); took > tooLong {
				t.Errorf("the viewer was missed after %s", took)
			}
			if reason, _ := ended["reason"].(string); !strings.Contains(reason, live.ErrSlow.Error()) {
				t.Errorf("the viewer ended with %q", reason)
			}
		})
	}
}

// cutPublisher pulls the cable of ffmpeg. Who comes next finds the stream free.
func (s *server) cutPublisher() {
	cable := relayTo(s.t, s.address(s.rtmp), "")
	encoder := s.publish("rtmp://" + cable.Addr().String() + "/hasty/cut")
	cable.hold()
	began := time.Now()
	s.awaitIdle("cut")
	if took := time.Since(began); took > tooLong {
		s.t.Errorf("the publisher was missed after %s", took)
	}
	if err := encoder.running(); err != nil {
		s.t.Errorf("the publisher has noticed: %v", err)
	}
	s.publish(s.url("rtmp", "/hasty/cut"))
}

// padded returns frames whose pictures are so large that the buffers of the system are full soon.
func padded(frames []*live.Frame) (list []*live.Frame) {
	for _, f := range frames {
		g := *f
		if f.Kind == live.KindVideo && f.Media() {
			g.Body = append(slices.Clip(f.Body), make([]byte, 100<<10)...)
		}
		list = append(list, &g)
	}
	return list
}
