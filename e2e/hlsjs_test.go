package e2e

import "testing"

// TestHLSJS plays HLS in a browser with hls.js, over HTTPS and from another origin. The player goes on over a reload, and
// when the publisher is killed and another comes.
func TestHLSJS(t *testing.T) {
	t.Parallel()
	s := serveBrowser(t, basic)
	encoder := s.publish(s.url("rtmp", "/live/test"))
	var audience []*cinema
	for _, path := range []string{"/live/test.m3u8", "/live/test/index.m3u8"} {
		audience = append(audience, show(t, "hls", s.url("https", path), nil))
	}
	for i, r := range plays(t, 3, audience...) {
		t.Logf("%s: the first picture was there after %d ms, %d of %d pictures were dropped", audience[i].name, r.First, r.Dropped, r.Pictures)
	}
	if out, err := s.reload(basic + "\n# another"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	plays(t, 4, audience...)
	if err := encoder.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.awaitClients(map[string]int{})
	s.publish(s.url("rtmps", "/live/test"))
	for i, r := range plays(t, 6, audience...) {
		t.Logf("%s has stood still at %v ms", audience[i].name, r.Stalls)
	}
}
