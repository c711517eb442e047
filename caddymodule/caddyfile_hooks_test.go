package caddymodule_test

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// inHook puts lines into a webhook: the first of them on line 5.
func inHook(lines string) string {
	return inRTMP("hook http https://backend.example.com {\n" + lines + "\n}")
}

// TestHookErrors checks that each mistake is refused with its file, its line and a hint.
func TestHookErrors(t *testing.T) {
	tests := map[string]struct {
		text string
		line string
		hint string
	}{
		"nothing":              {inRTMP("hook"), "4", "wrong argument count"},
		"unknown hook":         {inRTMP("hook carrier_pigeon"), "4", "rtmp.hooks.carrier_pigeon"},
		"without URL":          {inRTMP("hook http"), "4", "needs the URL of a back end"},
		"unknown option":       {inHook("retry 3"), "5", `unknown hook http option "retry"`},
		"no events":            {inHook("events"), "5", "wrong argument count"},
		"unknown event":        {inHook("events on_play on_pause"), "5", `there is no event "on_pause"`},
		"on_dvr":               {inHook("events on_publish on_dvr"), "5", "on_dvr comes with recording"},
		"on_forward":           {inHook("events on_forward"), "5", "on_forward comes with relays"},
		"no secret":            {inHook("sign"), "5", "wrong argument count"},
		"timeout":              {inHook("timeout 5"), "5", `"5" is no duration`},
		"on_error":             {inHook("on_error accept"), "5", "neither refuse nor allow"},
		"delivery":             {inHook("delivery sure"), "5", "neither durable nor best_effort"},
		"in_flight":            {inHook("in_flight 0"), "5", "no positive number"},
		"tls argument":         {inHook("tls on"), "5", "wrong argument count"},
		"tls twice":            {inHook("tls {\n}\ntls {\n}"), "7", "tls stands twice"},
		"tls unknown":          {inHook("tls {\nca x.pem\n}"), "6", `unknown tls option "ca"`},
		"trust_pool unknown":   {inHook("tls {\ntrust_pool cloud\n}"), "6", "tls.ca_pool.source.cloud"},
		"trust_pool twice":     {inHook("tls {\ntrust_pool system\ntrust_pool system\n}"), "7", "trust_pool stands twice"},
		"client_auth":          {inHook("tls {\nclient_auth a b c\n}"), "6", "wrong argument count"},
		"insecure_skip_verify": {inHook("tls {\ninsecure_skip_verify yes\n}"), "6", "wrong argument count"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(test.text), map[string]any{"filename": "Caddyfile"})
			if err == nil {
				t.Fatal("it adapts")
			}
			if !strings.Contains(err.Error(), test.hint) || !strings.Contains(err.Error(), "Caddyfile:"+test.line) {
				t.Errorf("%q does not say %q of Caddyfile:%s", err, test.hint, test.line)
			}
		})
	}
}
