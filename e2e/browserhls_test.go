package e2e

import "testing"

// TestBrowserHLS plays HLS in a browser with hls.js, over HTTPS and from another origin: segments of MPEG-TS, and of fMP4 in parts
// (LL-HLS) and whole. The player goes on over a reload, and when the publisher is killed and another comes.
func TestBrowserHLS(t *testing.T) {
	t.Parallel()
	config := in("app live", "\t\t\treconnect_window 30s")
	s := serveBrowser(t, config)
	encoder := s.publish(s.url("rtmp", "/live/test"))
	var audience []*cinema
	for _, way := range []struct {
		path    string
		options map[string]any
	}{
		{"/live/test.m3u8", nil},
		{"/live/test/index.m3u8", nil},
		{"/live/test/index.m3u8", map[string]any{"lowLatencyMode": false}},
	} {
		audience = append(audience, show(t, "hls", s.url("https", way.path), way.options))
	}
	for i, r := range plays(t, 3, audience...) {
		t.Logf("%s: the first picture was there after %d ms, %d of %d pictures were dropped", audience[i].name, r.First, r.Dropped, r.Pictures)
	}
	if out, err := s.reload(config + "\n# another"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	plays(t, 4, audience...)
	if err := encoder.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.awaitClients(map[string]int{"hls-play": len(audience)})
	s.publish(s.url("rtmps", "/live/test"))
	for i, r := range plays(t, 6, audience...) {
		t.Logf("%s has stood still at %v ms, and tried again %q", audience[i].name, r.Stalls, r.Retries)
	}
}
