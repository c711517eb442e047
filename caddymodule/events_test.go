package caddymodule_test

import (
	"bufio"
	"net/http"
	"testing"
)

// TestEventsAreForWhomTheAuthAdmits follows events from another origin as a browser does, until a reload takes the token
// away.
func TestEventsAreForWhomTheAuthAdmits(t *testing.T) {
	b := newBed(t)
	b.load(apiSites("auth token s3cret"))
	for _, url := range []string{"/api/v1/events", "/api/v1/events/", "/api/v1/events?token=wrong"} {
		if status := b.do(http.MethodGet, call{url: url}).StatusCode; status != http.StatusUnauthorized {
			t.Errorf("%s: %d", url, status)
		}
	}
	if status := b.do(http.MethodPost, call{url: "/api/v1/events?token=s3cret"}).StatusCode; status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", status)
	}
	resp := b.do(http.MethodGet, call{url: "/api/v1/events?token=s3cret", header: "Origin: https://console.example.com"})
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Access-Control-Allow-Origin") != "*" ||
		resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s, %v", resp.Status, resp.Header)
	}
	events := bufio.NewScanner(resp.Body)
	read := func(want string) {
		t.Helper()
		for events.Scan() {
			if events.Text() == want {
				return
			}
		}
		t.Fatalf("it ends without %s: %v", want, events.Err())
	}
	read("retry: 2000")
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 1)
	read("event: publish")
	b.load(apiSites("auth token another"))
	for events.Scan() {
		continue
	}
	if err := events.Err(); err != nil {
		t.Errorf("at the reload: %v", err)
	}
}
