package load

import (
	"slices"
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		config   Config
		protocol Protocol
		want     string
	}{
		{Config{URL: "http://h:8080/live/a"}, FLV, "http://h:8080/live/a.flv"},
		{Config{URL: "https://h/live/a.flv?key=x"}, TS, "https://h/live/a.ts?key=x"},
		{Config{URL: "https://h/live/a.m3u8"}, HLS, "https://h/live/a.m3u8"},
		{Config{URL: "https://h/live/a"}, LL, "https://h/live/a/index.m3u8"},
		{Config{URL: "https://h/live/a/index.m3u8", Streams: 3}, FLV, "https://h/live/a2.flv"},
		{Config{URL: "https://h/live/{n}-x", Streams: 3}, HLS, "https://h/live/2-x.m3u8"},
		{Config{URL: "https://h:444/live/a.flv?key=x"}, RTMP, "rtmp://h:1935/live/a"},
		{Config{URL: "rtmps://h/live/a?key=x", Streams: 2}, RTMP, "rtmps://h/live/a2?key=x"},
		{Config{URL: "http://h/live/a", RTMP: "rtmp://o:1/b/c?secret=d"}, RTMP, "rtmp://o:1/b/c?secret=d"},
	} {
		c.config.Play = 1
		if err := c.config.Complete(); err != nil {
			t.Errorf("%s: %v", c.config.URL, err)
			continue
		}
		if got := c.config.address(c.protocol, 2); got != c.want {
			t.Errorf("%s of %s is %s, want %s", c.protocol, c.config.URL, got, c.want)
		}
	}
}

func TestProtocolOfURL(t *testing.T) {
	for url, want := range map[string]Protocol{
		"http://h/live/a": FLV, "http://h/live/a.ts": TS, "http://h/live/a.m3u8": HLS,
		"http://h/live/a/index.m3u8": LL, "rtmp://h/live/a": RTMP,
	} {
		c := Config{URL: url, Play: 1}
		if err := c.Complete(); err != nil || !slices.Equal(c.Protocols, []Protocol{want}) {
			t.Errorf("%s means %v (%v), want %s", url, c.Protocols, err, want)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	const url = "http://h/live/a"
	for want, c := range map[string]Config{
		"nothing to do":       {URL: url},
		"negative":            {URL: url, Play: -1},
		"no http":             {URL: "ftp://h/a", Play: 1},
		"an http or https":    {URL: "rtmp://h/live/a", Play: 1, Protocols: []Protocol{FLV}},
		"no HTTP/4":           {URL: "https://h/live/a", Play: 1, HTTP: 4},
		"needs an https":      {URL: url, Play: 1, HTTP: 2},
		"more viewers":        {URL: url, Play: 1, Stuck: 2},
		"stuck viewers":       {URL: url, Play: 1, Stuck: 1, Protocols: []Protocol{HLS}},
		"wants viewers":       {URL: url, Play: 1, Joins: 5},
		"times must not be n": {URL: url, Play: 1, Duration: -1},
	} {
		if err := c.Complete(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := ParseProtocols("flv,sctp"); err == nil {
		t.Error("sctp was taken for a protocol")
	}
}
