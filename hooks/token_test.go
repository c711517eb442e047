package hooks_test

import (
	"errors"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

func TestToken(t *testing.T) {
	tests := map[string]struct {
		token hooks.Token
		query string
		ok    bool
	}{
		"right":                {hooks.Token{Secrets: []string{"s3cret"}}, "token=s3cret", true},
		"right among others":   {hooks.Token{Secrets: []string{"old", "new"}}, "a=b&token=new", true},
		"own parameter":        {hooks.Token{Param: "key", Secrets: []string{"s"}}, "key=s", true},
		"escaped":              {hooks.Token{Secrets: []string{"a b&c"}}, "token=a+b%26c", true},
		"wrong":                {hooks.Token{Secrets: []string{"s3cret"}}, "token=s3cre", false},
		"missing":              {hooks.Token{Secrets: []string{"s3cret"}}, "", false},
		"other parameter":      {hooks.Token{Param: "key", Secrets: []string{"s"}}, "token=s", false},
		"empty is nobody's":    {hooks.Token{Secrets: []string{""}}, "token=", false},
		"no secrets, no entry": {hooks.Token{}, "token=x", false},
		"unreadable":           {hooks.Token{Secrets: []string{"s"}}, "token=%zz", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := test.token.Admit(t.Context(), &live.Request{Query: test.query})
			if test.ok && err != nil {
				t.Errorf("refused: %v", err)
			}
			if !test.ok && !errors.Is(err, live.ErrUnauthorized) {
				t.Errorf("got %v, want ErrUnauthorized", err)
			}
		})
	}
}
