package e2e

import (
	"fmt"
	"testing"
)

// TestFromZero looks with ffprobe at a stream that is some seconds old: on its own time, and on that of the viewer.
func TestFromZero(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	s.publish(s.url("rtmp", "/live/old"))
	v := s.watch(http1, s.url("http", "/live/old.flv"))
	eventually(t, "a stream of 5 s", func() error {
		if long := span(v.Bytes()); long < 5000 {
			return fmt.Errorf("there are only %d ms", long)
		}
		return nil
	})
	for name, url := range map[string]string{
		"flv":  s.url("http", "/live/old.flv?"),
		"ts":   s.url("http", "/live/old.ts?"),
		"rtmp": s.url("rtmp", "/live/old?"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own, shared := firstTime(t, url+"zero=1"), firstTime(t, url)
			if shared-own < 2 {
				t.Errorf("the first frame is at %.3f s on the viewer's own time, at %.3f s on the stream's", own, shared)
			}
			if name != "ts" && own > 0.1 {
				t.Errorf("the viewer's own time begins at %.3f s", own)
			}
		})
	}
}

// firstTime returns the decoding time of what a viewer gets first, in seconds.
func firstTime(t *testing.T, url string) float64 {
	t.Helper()
	m := packets(t, "-read_intervals", "%+1", url)
	if len(m.Packets) == 0 {
		t.Fatalf("%s has no packets", url)
	}
	first := m.Packets[0].DTS
	for _, p := range m.Packets {
		first = min(first, p.DTS)
	}
	return first
}
