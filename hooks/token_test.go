package hooks_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// cam1 is the stream that tests ask for.
var cam1 = live.Key{App: "live", Name: "cam1"}

// check checks that a guard's answer is to admit, or to refuse for a reason.
func check(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestToken(t *testing.T) {
	secrets := func(list ...string) hooks.Token { return hooks.Token{Secrets: list} }
	perStream := hooks.Token{
		Secrets: []string{"master"},
		Streams: map[string][]string{"cam1": {"a", "b"}, "cam*": {"c"}, "/live/cam1": {"d"}, "/other/*": {"e"}, "radio": {"f"}, "cam[2": {"g"}},
	}
	cookie := hooks.Token{Bearer: hooks.Bearer{Param: "key", Cookie: "door"}, Secrets: []string{"s"}}
	tests := map[string]struct {
		token  hooks.Token
		query  string
		header map[string][]string
		want   error
	}{
		"right":                      {token: secrets("s3cret"), query: "token=s3cret"},
		"right among others":         {token: secrets("old", "new"), query: "a=b&token=new"},
		"own parameter":              {token: cookie, query: "key=s"},
		"escaped":                    {token: secrets("a b&c"), query: "token=a+b%26c"},
		"wrong":                      {token: secrets("s3cret"), query: "token=s3cre", want: live.ErrUnauthorized},
		"longer":                     {token: secrets("s3cret"), query: "token=s3crets", want: live.ErrUnauthorized},
		"missing":                    {token: secrets("s3cret"), want: live.ErrUnauthorized},
		"other parameter":            {token: cookie, query: "token=s", want: live.ErrUnauthorized},
		"empty is nobody's":          {token: secrets(""), query: "token=", want: live.ErrUnauthorized},
		"empty header is nobody's":   {token: secrets(""), header: header("Authorization", "Bearer "), want: live.ErrUnauthorized},
		"no secrets, no entry":       {token: hooks.Token{}, query: "token=x", want: live.ErrUnauthorized},
		"unreadable":                 {token: secrets("s"), query: "token=%zz", want: live.ErrUnauthorized},
		"header":                     {token: secrets("s"), header: header("Authorization", "bearer  s ")},
		"other scheme":               {token: secrets("s"), header: header("Authorization", "Basic s"), want: live.ErrUnauthorized},
		"wrong header":               {token: secrets("s"), header: header("Authorization", "Bearer t"), want: live.ErrUnauthorized},
		"the query goes first":       {token: secrets("s"), query: "token=t", header: header("Authorization", "Bearer s"), want: live.ErrUnauthorized},
		"cookie":                     {token: cookie, header: header("Cookie", "a=b; door=s")},
		"wrong cookie":               {token: cookie, header: header("Cookie", "door=t"), want: live.ErrUnauthorized},
		"cookie that nobody wants":   {token: secrets("s"), header: header("Cookie", "token=s"), want: live.ErrUnauthorized},
		"for all streams":            {token: perStream, query: "token=master"},
		"for this stream":            {token: perStream, query: "token=a"},
		"its second":                 {token: perStream, query: "token=b"},
		"for a pattern":              {token: perStream, query: "token=c"},
		"for app and stream":         {token: perStream, query: "token=d"},
		"for another app":            {token: perStream, query: "token=e", want: live.ErrUnauthorized},
		"for another stream":         {token: perStream, query: "token=f", want: live.ErrUnauthorized},
		"pattern that is no pattern": {token: perStream, query: "token=g", want: live.ErrUnauthorized},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := test.token.Admit(t.Context(), &live.Request{Key: cam1, Query: test.query, Header: test.header})
			check(t, err, test.want)
			for _, secret := range append(slices.Concat(slices.Collect(maps.Values(test.token.Streams))...), test.token.Secrets...) {
				if err != nil && len(secret) > 2 && strings.Contains(err.Error(), secret) {
					t.Errorf("%q tells a secret", err)
				}
			}
		})
	}
}

func header(name, value string) map[string][]string { return map[string][]string{name: {value}} }

// TestTokenReview: a session stays for as long as its own secret opens the stream that it has asked for.
func TestTokenReview(t *testing.T) {
	before := hooks.Token{Secrets: []string{"old", "new"}, Streams: map[string][]string{"cam1": {"its"}}}
	session := func(secret string) *live.SessionInfo {
		grant, err := before.Admit(t.Context(), &live.Request{Key: cam1, Query: "token=" + secret})
		check(t, err, nil)
		if strings.Contains(grant.Basis, secret) {
			t.Errorf("the basis %q holds the secret", grant.Basis)
		}
		return &live.SessionInfo{Request: live.Request{Key: live.Key{App: "live", Name: "renamed"}}, Grant: grant}
	}
	after := hooks.Token{Secrets: []string{"new", ""}, Streams: map[string][]string{"cam*": {"its"}, "cam2": {"old"}}}
	check(t, after.Review(session("new")), nil)
	check(t, after.Review(session("its")), nil)
	check(t, after.Review(session("old")), live.ErrUnauthorized)
	check(t, after.Review(&live.SessionInfo{}), live.ErrUnauthorized)
}

func TestReadKeys(t *testing.T) {
	keys, err := hooks.ReadKeys(strings.NewReader("# comment\n\ncam1 a b\r\n  /live/cam*\tc\ncam1 d"))
	if want := "map[/live/cam*:[c] cam1:[a b d]]"; err != nil || fmt.Sprint(keys) != want {
		t.Errorf("got %v, %v, want %s", keys, err, want)
	}
	for text, line := range map[string]string{"cam1 a\ncam2": "line 2", "\n[ s3cret": "line 2", "x " + strings.Repeat("y", 1<<17): "line 0"} {
		_, err := hooks.ReadKeys(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), line) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%.20q: %v, want %s", text, err, line)
		}
	}
}

func TestMatchStream(t *testing.T) {
	vhost := live.Key{Vhost: "tv.example.com", App: "live", Name: "cam1"}
	odd := live.Key{App: "live", Name: "cam[1]"}
	tests := []struct {
		pattern string
		key     live.Key
		want    bool
	}{
		{"cam1", cam1, true},
		{"cam1", vhost, true},
		{"cam?", cam1, true},
		{"*", cam1, true},
		{"cam2", cam1, false},
		{"/live/cam1", cam1, true},
		{"/live/*", cam1, true},
		{"/*/cam1", cam1, true},
		{"/*", cam1, false},
		{"live/cam1", cam1, false},
		{"/live/cam1", vhost, false},
		{"tv.example.com/live/*", vhost, true},
		{"*/live/cam1", vhost, true},
		{"*/live/cam1", cam1, true},
		{"cam[1]", odd, true},
		{"cam[1]", cam1, true},
		{"cam[", cam1, false},
		{"", cam1, false},
	}
	for _, test := range tests {
		if got := hooks.MatchStream(test.pattern, test.key); got != test.want {
			t.Errorf("%q for %s: %t", test.pattern, test.key, got)
		}
	}
}
