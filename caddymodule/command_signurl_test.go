package caddymodule

import (
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// TestSignURL: what the command prints is what the guard admits.
func TestSignURL(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("s3cr3t\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SIGNING_SECRET", "s3cr3t")
	cam1 := live.Key{App: "live", Name: "cam1"}
	guard := hooks.SignedURL{Secrets: []string{"s3cr3t"}}
	tests := map[string]struct {
		args   []string
		url    string
		key    live.Key
		action live.Action
		bad    string
	}{
		"FLV":              {url: "https://example.com/live/cam1.flv", key: cam1},
		"TS with a query":  {url: "https://example.com:8443/live/cam1.ts?a=b", key: cam1},
		"HLS":              {url: "https://example.com/live/cam1.m3u8", key: cam1},
		"HLS in a folder":  {url: "https://example.com/tv/live/cam1/index.m3u8", key: cam1},
		"RTMP":             {url: "rtmp://example.com/live/cam1", key: cam1},
		"publish":          {args: []string{"--publish"}, url: "rtmp://example.com/live/cam1", key: cam1, action: live.ActionPublish},
		"client":           {args: []string{"--client", "203.0.113.7"}, url: "rtmp://example.com/live/cam1", key: cam1},
		"encoded":          {url: "https://example.com/live/K%C3%A4se%201.flv", key: live.Key{App: "live", Name: "Käse 1"}},
		"stream":           {args: []string{"--stream", "/live/cam1"}, url: "https://example.com/watch", key: cam1},
		"vhost":            {args: []string{"--vhost", "TV.example.com"}, url: "https://tv.example.com/live/cam1.flv", key: live.Key{Vhost: "tv.example.com", App: "live", Name: "cam1"}},
		"days":             {args: []string{"--for", "2d"}, url: "rtmp://example.com/live/cam1", key: cam1},
		"another client":   {args: []string{"--client", "203.0.113.8"}, url: "rtmp://example.com/live/cam1", key: cam1, bad: "not signed"},
		"another stream":   {url: "rtmp://example.com/live/cam2", key: cam1, bad: "not signed"},
		"no URL":           {url: "cam1", bad: "cannot be read"},
		"no app":           {url: "rtmp://example.com/cam1", bad: "no app and stream"},
		"no name":          {url: "rtmp://example.com/live/a%3Fb", bad: "must not contain"},
		"no duration":      {args: []string{"--for", "soon"}, url: "rtmp://example.com/live/cam1", bad: "no duration"},
		"past":             {args: []string{"--for", "-1h"}, url: "rtmp://example.com/live/cam1", bad: "no duration"},
		"no address":       {args: []string{"--client", "x"}, url: "rtmp://example.com/live/cam1", bad: "the client"},
		"no secret":        {args: []string{"--secret-env", "NOT_THERE", "--secret-file", ""}, url: "rtmp://example.com/live/cam1", bad: "secret"},
		"no such file":     {args: []string{"--secret-file", file + "x"}, url: "rtmp://example.com/live/cam1", bad: "reading the secret"},
		"from environment": {args: []string{"--secret-env", "SIGNING_SECRET"}, url: "rtmp://example.com/live/cam1", key: cam1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(strings.Join(test.args, " "), "--secret") {
				test.args = append(test.args, "--secret-file", file)
			}
			cmd := signURLCommand()
			var out, errs strings.Builder
			cmd.SetOut(&out)
			cmd.SetErr(&errs)
			cmd.SetArgs(append(test.args, test.url))
			err := cmd.ExecuteContext(t.Context())
			if err == nil {
				u, parseErr := url.Parse(strings.TrimSpace(out.String()))
				if parseErr != nil {
					t.Fatal(parseErr)
				}
				r := &live.Request{Action: test.action, Key: test.key, Query: u.RawQuery, Remote: netip.MustParseAddrPort("203.0.113.7:1")}
				_, err = guard.Admit(t.Context(), r)
			}
			if test.bad == "" && err != nil || test.bad != "" && (err == nil || !strings.Contains(err.Error(), test.bad)) {
				t.Errorf("%v, want %q", err, test.bad)
			}
		})
	}
	s := urlSigner{secretFile: file, lifetime: "1h", expiryParam: "until", signatureParam: "key"}
	signed, err := s.sign("rtmp://example.com/live/cam1?a=b", time.Unix(0, 0))
	if err != nil || !strings.HasPrefix(signed, "rtmp://example.com/live/cam1?a=b&key=") || !strings.HasSuffix(signed, "&until=3600") {
		t.Errorf("%s, %v", signed, err)
	}
}
