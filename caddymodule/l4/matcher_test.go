package l4_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/mholt/caddy-l4/layer4"
	"go.uber.org/zap"

	"github.com/caddy-rtmp/caddy-rtmp/caddymodule/l4"
)

// beginnings of connections: the first bytes that clients send, more than the matcher looks at.
var beginnings = map[string]struct {
	bytes string
	rtmp  bool
}{
	"RTMP, time and zero":         {"\x03\x00\x00\x00\x00\x00\x00\x00\x00\x9b\x11", true},
	"RTMP after a day":            {"\x03\x05\x26\x5c\x00\x00\x00\x00\x00\x9b\x11", true},
	"ffmpeg, with its version":    {"\x03\x00\x00\x00\x00\x09\x00\x7c\x02\x9b\x11", true},
	"librtmp with a digest":       {"\x03\x00\x00\x12\x34\x0a\x00\x2d\x02\x9b\x11", true},
	"FMLE":                        {"\x03\x00\x13\x0e\x00\x80\x00\x07\x02\x9b\x11", true},
	"a length that does not fit":  {"\x03\x00\x00\x04\x0e\xe0\x00\x00\x00\x9b\x11", true},
	"RDP":                         {"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08", false},
	"RDP with a cookie":           {"\x03\x00\x00\x2f\x2a\xe0\x00\x00\x00\x00\x00Cookie: mstshash=", false},
	"S7":                          {"\x03\x00\x00\x16\x11\xe0\x00\x00\x00\x01\x00\xc1\x02", false},
	"RTMPE":                       {"\x06\x00\x00\x00\x00\x80\x00\x07\x02\x9b\x11", false},
	"HTTP":                        {"GET / HTTP/1.1\r\n", false},
	"HTTP/2":                      {"PRI * HTTP/2.0\r\n", false},
	"TLS":                         {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", false},
	"SSH":                         {"SSH-2.0-OpenSSH_9.2\r\n", false},
	"SOCKS":                       {"\x05\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", false},
	"PROXY protocol":              {"PROXY TCP4 198.51.100.7", false},
	"PROXY protocol 2":            {"\r\n\r\n\x00\r\nQUIT\n", false},
	"one byte that says it is no": {"G", false},
}

// match asks the matcher about a connection of which some bytes have come, and checks that all of them are left to read.
func match(t *testing.T, bytes string) (matched bool, err error) {
	t.Helper()
	server, client := net.Pipe()
	defer server.Close()
	_ = client.Close()
	cx := layer4.WrapConnection(server, []byte(bytes), zap.NewNop())
	matched, err = layer4.MatcherSet{new(l4.Matcher)}.Match(cx)
	left, readErr := io.ReadAll(cx)
	if string(left) != bytes || readErr != nil {
		t.Errorf("%q is left of %q: %v", left, bytes, readErr)
	}
	return matched, err
}

func TestMatcher(t *testing.T) {
	for name, test := range beginnings {
		t.Run(name, func(t *testing.T) {
			if matched, err := match(t, test.bytes); matched != test.rtmp || err != nil {
				t.Errorf("matched %v, %v; want %v", matched, err, test.rtmp)
			}
		})
	}
}

// TestMatcherAsksForMore cuts the beginnings off at every byte: what could be RTMP is waited for, what cannot is not.
func TestMatcherAsksForMore(t *testing.T) {
	const enough = 9
	for name, test := range beginnings {
		t.Run(name, func(t *testing.T) {
			for n := range min(enough, len(test.bytes)) {
				matched, err := match(t, test.bytes[:n])
				waits := n == 0 || test.bytes[0] == 3
				if matched || errors.Is(err, layer4.ErrConsumedAllPrefetchedBytes) != waits || !waits && err != nil {
					t.Errorf("of %d bytes: %v, %v", n, matched, err)
				}
			}
		})
	}
}

// FuzzMatcher: no beginning ends in anything but an answer or a wish for more, and none is consumed.
func FuzzMatcher(f *testing.F) {
	for _, test := range beginnings {
		f.Add(test.bytes)
	}
	f.Fuzz(func(t *testing.T, bytes string) {
		matched, err := match(t, bytes)
		if err != nil && !errors.Is(err, layer4.ErrConsumedAllPrefetchedBytes) {
			t.Error(err)
		}
		if matched && (len(bytes) < 9 || bytes[0] != 3) {
			t.Errorf("%q matched", bytes)
		}
	})
}
