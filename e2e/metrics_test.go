package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// grafana is the example whose dashboard and alerts are tested.
const grafana = "../examples/grafana/"

// scrape returns what the admin endpoint tells Prometheus.
func (s *server) scrape() string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", s.admin), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("the scrape: %s, %v: %s", resp.Status, err, text)
	}
	return string(text)
}

// TestMetrics scrapes a server on which there has been something of everything, has promtool look at what it gets, and
// compares the names with those that the README, the dashboard and the alerts know.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	s := serve(t, w.config())
	s.publish(s.url("rtmp", "/live/gone")).stop(t)
	s.publish(s.url("rtmp", "/live/test"))
	s.mustFail("already has a publisher", encoder(s.url("rtmp", "/live/test"))...)
	_, _, _ = command(t, nil, "curl", "-sN", "--max-time", "2", s.url("http", "/live/test.ts")) // it leaves with the status of a time-out
	s.watch(http2, s.url("https", "/live/test.flv"))
	var text string
	stream := `{app="live",stream="test",vhost="__defaultVhost__"}`
	for _, line := range []string{
		"\ncaddy_rtmp_streams 1\n",
		`caddy_rtmp_viewers{protocol="flv"} 1` + "\n",
		`caddy_rtmp_viewers{protocol="ts"} 0` + "\n",
		`caddy_rtmp_publishes_total{protocol="rtmp"} 2` + "\n",
		`caddy_rtmp_publish_ends_total{protocol="rtmp",reason="left"} 1` + "\n",
		`caddy_rtmp_refusals_total{action="publish",protocol="rtmp",reason="busy"} 1` + "\n",
		`caddy_rtmp_callbacks_total{event="on_unpublish",outcome="delivered",target="` + w.URL + `/srs"}`,
		`caddy_rtmp_callbacks_total{event="on_play",outcome="accepted",target="` + w.URL + `/srs"} 2` + "\n",
		"caddy_rtmp_stream_on_air" + stream + " 1\n",
		"caddy_rtmp_stream_key_frame_interval_seconds" + stream,
	} {
		eventually(t, line, func() error {
			if text = s.scrape(); !strings.Contains(text, line) {
				return fmt.Errorf("the scrape:\n%s", ours(text))
			}
			return nil
		})
	}
	t.Run("promtool", func(t *testing.T) { lintMetrics(t, text) })
	t.Run("README", func(t *testing.T) {
		known := string(readFile(t, "../README.md"))
		for _, family := range regexp.MustCompile(`(?m)^# TYPE caddy_rtmp_(\w+)`).FindAllStringSubmatch(text, -1) {
			if !strings.Contains(known, "`"+family[1]+"`") {
				t.Errorf("the README does not know %s", family[1])
			}
		}
	})
	for _, name := range []string{"dashboard.json", "alerts.yml", "alerts_test.yml"} {
		t.Run(name, func(t *testing.T) {
			names := regexp.MustCompile(`\b(caddy|process|go)_[a-z0-9_]+`).FindAllString(string(readFile(t, grafana+name)), -1)
			if len(names) == 0 {
				t.Fatal("it names no metrics")
			}
			for _, metric := range names {
				if !regexp.MustCompile(`(?m)^` + metric + `[ {]`).MatchString(text) {
					t.Errorf("no scrape has %s", metric)
				}
			}
		})
	}
}

// ours returns the lines of a scrape that tell of streams.
func ours(scrape string) string {
	return strings.Join(regexp.MustCompile(`(?m)^caddy_rtmp_.*$`).FindAllString(scrape, -1), "\n")
}

// lintMetrics has promtool look at a scrape.
func lintMetrics(t *testing.T, scrape string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(scrape)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// TestDashboard has promtool parse what the dashboard asks for.
func TestDashboard(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(readFile(t, grafana+"dashboard.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for _, panel := range dashboard.Panels {
		for i, target := range panel.Targets {
			expr := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$app", ".*", "$stream", ".*").Replace(target.Expr)
			rules = append(rules, rule{fmt.Sprintf("panel:%d:%d", len(rules), i), expr})
		}
	}
	if len(rules) < 30 {
		t.Errorf("the dashboard asks for no more than %d", len(rules))
	}
	// JSON is YAML too.
	text, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, err := command(t, nil, "promtool", "check", "rules", file(t, "rules.yml", text)); err != nil {
		t.Errorf("promtool: %v\n%s%s", err, stdout, stderr)
	}
}

// TestAlerts has promtool check the rules and the configuration of the example, and raise the alerts.
func TestAlerts(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"check", "rules", grafana + "alerts.yml"},
		{"check", "config", grafana + "prometheus.yml"},
		{"test", "rules", grafana + "alerts_test.yml"},
	} {
		if stdout, stderr, err := command(t, nil, "promtool", args...); err != nil {
			t.Errorf("promtool %q: %v\n%s%s", args, err, stdout, stderr)
		}
	}
}
