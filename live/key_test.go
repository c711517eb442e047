package live_test

import (
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

func TestKeyValidate(t *testing.T) {
	for _, name := range []string{
		"a", "demo", "...", "a.b", "flv", "key with space", "日本語", "ts", ".tsx", "a&b=c", strings.Repeat("x", 128),
	} {
		if err := (live.Key{App: "live", Name: name}).Validate(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		"", ".", "..", "a/b", "/", `a\b`, "a?b", "a#b", "a%2fb", "nul\x00", "tab\t", "line\n", "\x7f", "c1\u0085", "\xff\xfe",
		"a.flv", "a.ts", "a.aac", "a.mp3", "a.m3u8", ".flv", strings.Repeat("x", 129), strings.Repeat("é", 65),
	} {
		isErr(t, name, live.Key{App: "live", Name: name}.Validate(), live.ErrName)
		isErr(t, "app "+name, live.Key{App: name, Name: "demo"}.Validate(), live.ErrName)
	}
}

func TestKeyURL(t *testing.T) {
	equal(t, "no vhost", live.Key{App: "live", Name: "demo"}.URL(), "/live/demo")
	equal(t, "default", live.Key{Vhost: live.DefaultVhost, App: "live", Name: "demo"}.String(), "/live/demo")
	equal(t, "vhost", live.Key{Vhost: "tv.example", App: "live", Name: "demo"}.URL(), "tv.example/live/demo")
}
