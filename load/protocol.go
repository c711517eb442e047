package load

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// A Protocol is how a viewer plays.
type Protocol string

// The protocols of viewers.
const (
	FLV  Protocol = "flv"    // HTTP-FLV
	TS   Protocol = "ts"     // HTTP-TS
	RTMP Protocol = "rtmp"   // RTMP or RTMPS
	HLS  Protocol = "hls"    // the playlist {stream}.m3u8
	LL   Protocol = "ll-hls" // the playlist {stream}/index.m3u8
)

// endings are those of the URLs. Of two that fit the longer comes first.
var endings = []struct {
	protocol Protocol
	ending   string
}{
	{LL, "/index.m3u8"},
	{HLS, ".m3u8"},
	{FLV, ".flv"},
	{TS, ".ts"},
}

// ParseProtocols reads a list with commas.
func ParseProtocols(list string) ([]Protocol, error) {
	var protocols []Protocol
	for name := range strings.SplitSeq(list, ",") {
		switch p := Protocol(strings.TrimSpace(name)); p {
		case FLV, TS, RTMP, HLS, LL:
			protocols = append(protocols, p)
		case "":
		default:
			return nil, fmt.Errorf("%q is no protocol; there are flv, ts, rtmp, hls and ll-hls", name)
		}
	}
	return protocols, nil
}

// segmented tells whether a protocol consists of playlists and segments.
func (p Protocol) segmented() bool { return p == HLS || p == LL }

// protocolOf returns what an URL means by its scheme and ending: FLV if nothing else.
func protocolOf(u *url.URL) Protocol {
	if u.Scheme == "rtmp" || u.Scheme == "rtmps" {
		return RTMP
	}
	for _, e := range endings {
		if strings.HasSuffix(u.Path, e.ending) {
			return e.protocol
		}
	}
	return FLV
}

// stem cuts the ending of a format off a path.
func stem(path string) string {
	for _, e := range endings {
		if s, ok := strings.CutSuffix(path, e.ending); ok {
			return s
		}
	}
	return path
}

// ingestURL returns where a stream is published that is played at u.
func ingestURL(u *url.URL) string {
	if u.Scheme == "rtmp" || u.Scheme == "rtmps" {
		return u.String()
	}
	host := net.JoinHostPort(u.Hostname(), "1935")
	return (&url.URL{Scheme: "rtmp", Host: host, Path: stem(u.Path)}).String()
}

// address returns the URL of stream n, counted from 1, for viewers of a protocol; for publishers it is RTMP's.
func (c *Config) address(p Protocol, n int) string {
	raw := c.URL
	if p == RTMP {
		raw = c.RTMP
	}
	u, err := url.Parse(raw)
	if err != nil {
		return raw // whoever asks for it says what is wrong
	}
	path := stem(u.Path)
	switch {
	case strings.Contains(path, "{n}"):
		path = strings.ReplaceAll(path, "{n}", strconv.Itoa(n))
	case c.Streams > 1:
		path += strconv.Itoa(n)
	}
	for _, e := range endings {
		if e.protocol == p {
			path += e.ending
		}
	}
	u.Path, u.RawPath = path, ""
	return u.String()
}
