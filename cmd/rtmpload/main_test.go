package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	o, err := parse([]string{"-publish", "2", "-play", "30", "-proto", "flv, hls", "-url", "https://h/live/a", "-http", "2", "-bitrate", "1.5M", "-duration", "3s", "-json"}, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	c := o.config
	if c.Publish != 2 || c.Play != 30 || len(c.Protocols) != 2 || c.HTTP != 2 || c.Bitrate != 1_500_000 || c.Duration != 3*time.Second || !o.json {
		t.Errorf("%+v", c)
	}
}

// What makes no sense is said, with a status of its own.
func TestUsage(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"-help", 0, "rtmpload -publish 1 -play 1000"},
		{"", statusUsage, "nothing to do"},
		{"-play 1", statusUsage, "a URL is missing"},
		{"-play 1 -url http://h/", statusUsage, "names no stream"},
		{"-play 1 -url http://h/live/a -bogus", statusUsage, "-bogus; rtmpload -help"},
		{"-play 1 -url http://h/live/a surplus", statusUsage, "surplus"},
		{"-play 1 -url http://h/live/a -proto sctp", statusUsage, "sctp"},
		{"-play 1 -url http://h/live/a -bitrate fast", statusUsage, "fast"},
		{"-play 1 -url http://h/live/a -ca " + empty, statusUsage, "no certificate"},
		{"-play 1 -url http://h/live/a -ca /none.pem", statusUsage, "/none.pem"},
		{"-publish 1 -url rtmp://127.0.0.1:1/live/a -silent", statusWrong, "no publisher is on air"},
	} {
		var out, problems bytes.Buffer
		status := run(strings.Fields(c.args), &out, &problems)
		if status != c.status {
			t.Errorf("%q ended with %d, want %d", c.args, status, c.status)
		}
		if !strings.Contains(problems.String(), c.says) || out.Len() > 0 ||
			status == statusUsage && strings.Count(problems.String(), "\n") > 1 {
			t.Errorf("%q said %q", c.args, problems.String())
		}
	}
}

// Who can do something about a fault is told what.
func TestAdvice(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	for args, want := range map[string]string{"-silent": "-insecure", "-silent -insecure": "-rtmp"} {
		var out, problems bytes.Buffer
		status := run(strings.Fields(args+" -play 1 -settle 1ms -url "+server.URL+"/live/a.flv"), &out, &problems)
		if status != statusWrong || !strings.Contains(problems.String(), want) || !strings.Contains(out.String(), "SOMETHING WAS WRONG") {
			t.Errorf("%q ended with %d:\n%s%s", args, status, out.String(), problems.String())
		}
	}
}
