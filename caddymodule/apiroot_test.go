package caddymodule_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestAPIRoot: the index is at the root of a site that has nothing else there.
func TestAPIRoot(t *testing.T) {
	for rest, want := range map[string]int{"": 401, "error / 404": 404, "respond / Hello": 200} {
		b := newBed(t)
		b.load("{\n$OPTIONS\nrtmp {\nserver 127.0.0.1:$RTMP\n}\n}\nhttp://:$HTTP {\nrtmp_api {\nauth token t0ken\n}\n" + rest + "\n}\n")
		resp := b.do(http.MethodGet, call{url: "/"})
		if resp.StatusCode != want {
			t.Errorf("%q: %s, want %d", rest, resp.Status, want)
		}
		if rest != "" {
			continue
		}
		status, body := text(t, b.do(http.MethodGet, call{url: "/", header: "Authorization: Bearer t0ken"}))
		if status != http.StatusOK || !strings.HasSuffix(body, `"urls":{"api":"the HTTP API"}}`) {
			t.Errorf("the index is %d %s", status, body)
		}
	}
}
