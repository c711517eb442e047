package caddymodule_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
)

const metricsSite = "\nhttp://localhost:$HTTP {\nmetrics /metrics\nrtmp_play\n}\n"

// scrape returns what the metrics handler tells of ours, by name and labels without "caddy_rtmp_".
func (b *bed) scrape() map[string]float64 {
	b.t.Helper()
	status, body := text(b.t, get(b.t, httpClient(b.t), "http://localhost:"+b.http+"/metrics"))
	if status != http.StatusOK {
		b.t.Fatalf("the scrape: %d %s", status, body)
	}
	values := make(map[string]float64)
	for line := range strings.Lines(body) {
		i := strings.LastIndexByte(line, ' ')
		name, ours := strings.CutPrefix(line[:max(i, 0)], "caddy_rtmp_")
		value, err := strconv.ParseFloat(strings.TrimSpace(line[i+1:]), 64)
		if !ours || err != nil {
			continue
		}
		if _, twice := values[name]; twice {
			b.t.Errorf("%s stands twice", name)
		}
		values[name] = value
	}
	return values
}

// TestMetricsOverReloads scrapes the metrics of one configuration after the other, with what the publisher and the viewer
// have counted since the first.
func TestMetricsOverReloads(t *testing.T) {
	b := newBed(t)
	config := func(options string) string {
		return "{\n$OPTIONS\nrtmp {\nserver 127.0.0.1:$RTMP\n" + options + "\n}\n}\n" + metricsSite
	}
	const demo = `{app="live",stream="demo",vhost="__defaultVhost__"}`
	b.load(config(""))
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 3)
	v := playHTTP(t, "http://localhost:"+b.http+"/live/demo.flv")
	eventually(t, "the viewer was given something", func() bool { return v.got.Load() > 0 })
	first := b.scrape()
	received := first["received_bytes_total"]
	if received < 1000 || first["stream_received_bytes_total"+demo] != received || first[`viewers{protocol="flv"}`] != 1 || first["connections"] != 1 {
		t.Errorf("the first scrape: %v", first)
	}
	// The configuration is refused after ours was set up, and the one before goes on.
	if err := b.tryLoad(config("") + "http://localhost:1 {\nbind 192.0.2.1\n}\n"); err == nil {
		t.Fatal("a site has an address that is not this machine's")
	}
	if now := b.scrape(); now["received_bytes_total"] != received || now["streams"] != 1 {
		t.Errorf("after a reload that failed: %v", now)
	}
	b.load(config("metrics {\nper_stream 0\n}"))
	now := b.scrape()
	if _, told := now["stream_on_air"+demo]; told || now["received_bytes_total"] != received || now[`publishes_total{protocol="rtmp"}`] != 1 {
		t.Errorf("with per_stream 0: %v", now)
	}
	b.load(config("metrics {\nper_stream 1\n}\nhook http http://127.0.0.1:1/srs {\nevents on_play\ndelivery best_effort\ntimeout 1s\n}"))
	if status, _ := text(t, get(t, httpClient(t), "http://localhost:"+b.http+"/live/demo.flv")); status != http.StatusServiceUnavailable {
		t.Errorf("a viewer whom no back end could decide about: %d", status)
	}
	eventually(t, "the question is told", func() bool {
		now = b.scrape()
		return now[`callbacks_total{event="on_play",outcome="undecided",target="http://127.0.0.1:1/srs"}`] == 1
	})
	if now["stream_on_air"+demo] != 1 || now[`refusals_total{action="play",protocol="flv",reason="undecided"}`] != 1 {
		t.Errorf("with a hook: %v", now)
	}
}
