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

// TestBrowserHLSKinds plays both entries with hls.js where HLS is served in other ways: encrypted with a new key after every other
// segment, with the same URLs for all viewers, and as plain files.
func TestBrowserHLSKinds(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]string{
		"encrypted": "variants ts fmp4\nencrypt {\nrotate 2\n}",
		"cache":     "sessions cache",
		"open":      "sessions off",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveBrowser(t, in("hls", options))
			s.publish(s.url("rtmp", "/live/test"))
			plays(t, 5,
				show(t, "hls", s.url("https", "/live/test.m3u8"), nil),
				show(t, "hls", s.url("https", "/live/test/index.m3u8"), nil))
		})
	}
}
