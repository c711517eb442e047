package e2e

import "testing"

// continuous are what mpegts.js can play: its name of the format, and the URL.
func (s *server) continuous() [][2]string {
	return [][2]string{
		{"flv", s.url("https", "/live/test.flv")},
		{"flv", s.url("wss", "/live/test.flv")},
		{"mpegts", s.url("https", "/live/test.ts")},
		{"mpegts", s.url("wss", "/live/test.ts")},
	}
}

// TestBrowserFLV plays in a browser what mpegts.js can, over HTTPS and from another origin. The player stays over a reload, and
// when the publisher is killed and another comes within the reconnect window.
func TestBrowserFLV(t *testing.T) {
	t.Parallel()
	config := in("app live", "\t\t\treconnect_window 30s")
	s := serveBrowser(t, config)
	encoder := s.publish(s.url("rtmp", "/live/test"))
	var audience []*cinema
	for _, way := range s.continuous() {
		audience = append(audience, show(t, way[0], way[1], nil))
	}
	for i, r := range plays(t, 3, audience...) {
		t.Logf("%s: the first picture was there after %d ms, %d of %d pictures were dropped", audience[i].name, r.First, r.Dropped, r.Pictures)
	}
	if out, err := s.reload(config + "\n# another"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	plays(t, 2, audience...)
	if err := encoder.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.awaitClients(map[string]int{"flv-play": len(audience)})
	s.publish(s.url("rtmps", "/live/test"))
	plays(t, 3, audience...)
}
