package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// rtmpCommand runs `caddy rtmp` as the operator does.
func (s *server) rtmpCommand(args ...string) (out string, err error) {
	s.t.Helper()
	args = append([]string{"rtmp"}, args...)
	return s.caddy(append(args, "--address", "127.0.0.1:"+fmt.Sprint(s.admin))...)
}

// lists waits until a list has a row with all the given words, and returns the row.
func (s *server) lists(list string, words ...string) (row string) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%s lists %q", list, words), func() error {
		out, err := s.rtmpCommand(list)
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		for line := range strings.Lines(out) {
			if holds(line, words) {
				row = line
				return nil
			}
		}
		return fmt.Errorf("it says:\n%s", out)
	})
	return row
}

func holds(line string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(line, word) {
			return false
		}
	}
	return true
}

// TestOperator looks at streams and clients, and ends some, by the commands that ask the admin endpoint.
func TestOperator(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	if out, err := s.rtmpCommand("streams"); err != nil || out != "There is no stream.\n" {
		t.Errorf("before anybody has come: %v: %s", err, out)
	}
	encoder := s.publish(s.url("rtmp", "/live/test"))
	flv := s.watch(http1, s.url("http", "/live/test.flv"))
	ts := s.watch(http2, s.url("https", "/live/test.ts"))
	goesOn(t, flv, ts)
	s.lists("streams", "/live/test", "H264", "AAC", "kbps")
	s.lists("clients", "fmle-publish", "/live/test", "127.0.0.1")
	row := s.lists("clients", "flv-play", "/live/test")

	out, err := s.rtmpCommand("clients", "--json", "--type", "flv-play", "--sort", "alive")
	var answer struct {
		Code    int         `json:"code"`
		Total   int         `json:"total"`
		Clients []clientRow `json:"clients"`
	}
	if jsonErr := json.Unmarshal([]byte(out), &answer); err != nil || jsonErr != nil || answer.Total != 2 || len(answer.Clients) != 2 {
		t.Errorf("--json: %v, %v: %s", err, jsonErr, out)
	}

	for _, bad := range [][]string{{"kick"}, {"kick", "nobody00"}, {"kick", "--by", "stream", "--ip", "192.0.2.1"}, {"kick", "--ip", "192.0.2.1"}, {"streams", "x"}} {
		if out, err := s.rtmpCommand(bad...); err == nil {
			t.Errorf("%q does something: %s", bad, out)
		}
	}
	id, _, _ := strings.Cut(row, " ")
	if out, err := s.rtmpCommand("kick", id); err != nil || out != id+" is kicked\n" {
		t.Errorf("kick %s: %v: %s", id, err, out)
	}
	eventually(t, "one of two viewers has ended", func() error {
		first, second := flv.running(), ts.running()
		if (first == nil) == (second == nil) {
			return fmt.Errorf("ended: %w", errors.Join(errors.New("not one of two"), first, second))
		}
		return nil
	})

	// All of a stream, who are kept out of it for a while.
	if out, err := s.rtmpCommand("kick", "--stream", "/live/test", "--ban", "10m", "--by", "stream"); err != nil || !strings.Contains(out, " is kicked\n") {
		t.Errorf("kick of a stream: %v: %s", err, out)
	}
	_ = encoder.wait(t, patience)
	flv.ended(t, patience)
	ts.ended(t, patience)
	if status := s.status("/live/test.flv"); status != 403 {
		t.Errorf("a viewer that is kept out is answered %d", status)
	}
	if out, err := s.rtmpCommand("clients"); err != nil || out != "There is no client.\n" {
		t.Errorf("after all were kicked: %v: %s", err, out)
	}
}

// TestEventStream follows events with curl: over HTTP/2, over a reload, and to the end of the server.
func TestEventStream(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	follow := func(header ...string) *process {
		args := []string{"-sSN", "--cacert", s.rootCert(), s.url("https", "/api/v1/events")}
		for _, h := range header {
			args = append(args, "-H", h)
		}
		p := start(t, nil, "curl", args...)
		eventually(t, "it is answered", func() error { return said(p, "retry: 2000") })
		return p
	}
	first := follow()
	publisher := s.publish(s.url("rtmp", "/live/test"))
	viewer := start(t, nil, "curl", "-sSN", "-o", os.DevNull, s.url("http", "/live/test.flv"))
	eventually(t, "the viewer is there", func() error { return said(first, "event: play\n") })
	s.mustFail("already has a publisher", encoder(s.url("rtmp", "/live/test"))...)
	for _, text := range []string{"event: publish\n", "event: play\n", "event: refuse\n", `"reason":"busy"`, `"protocol":"flv"`} {
		eventually(t, text, func() error { return said(first, text) })
	}

	// A reader of the old configuration is sent away, and comes back for what it has missed.
	if out, err := s.reload(in("	rtmp", "shutdown_grace 4s")); err != nil {
		t.Fatalf("reload: %v: %s", err, out)
	}
	if err := first.wait(t, patience); err != nil {
		t.Errorf("curl ended with %v", err)
	}
	viewer.stop(t)
	eventually(t, "the viewer has left", func() error {
		if lines := s.log(line{"msg": "play ended"}); len(lines) == 0 {
			return fmt.Errorf("it is still there")
		}
		return nil
	})
	again := follow("Last-Event-ID: " + lastID(first.out.String()))
	eventually(t, "it is told what it has missed", func() error { return said(again, "event: stop\n") })
	if err := said(again, "event: missed\n"); err == nil {
		t.Error("it is told that something is not kept")
	}

	// A kick, and the end of the server.
	if out, err := s.rtmpCommand("kick", "--stream", "/live/test"); err != nil {
		t.Errorf("kick: %v: %s", err, out)
	}
	for _, text := range []string{"event: kick\n", "event: unpublish\n", `"reason":"kicked"`} {
		eventually(t, text, func() error { return said(again, text) })
	}
	_ = publisher.wait(t, patience)
	s.publish(s.url("rtmp", "/live/last"))
	eventually(t, "there is another", func() error { return said(again, `"stream_url":"/live/last"`) })
	begin := time.Now()
	s.end()
	if err := again.wait(t, patience); err != nil {
		t.Errorf("curl ended with %v", err)
	}
	if err := said(again, `"reason":"shutdown"`); err != nil {
		t.Errorf("at the end, %s after it began: %v", time.Since(begin), err)
	}
}

// said returns an error unless a process has written a text.
func said(p *process, text string) error {
	if out := p.out.String(); !strings.Contains(out, text) {
		return fmt.Errorf("it says: %s", tail(out))
	}
	return nil
}

// lastID returns the id of the last event in a text.
func lastID(events string) string {
	i := strings.LastIndex(events, "\nid: ")
	id, _, _ := strings.Cut(events[max(i, 0)+len("\nid: "):], "\n")
	return id
}
