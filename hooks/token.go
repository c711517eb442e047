package hooks

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/url"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// DefaultTokenParam is the query parameter in which a Token looks for the token.
const DefaultTokenParam = "token"

// A Token is a guard that admits who knows a secret: it is looked for in the query of the stream's name or URL, as in
// rtmp://host/live/cam1?token=… and https://host/live/cam1.flv?token=….
type Token struct {
	// Param is the query parameter. Empty means DefaultTokenParam.
	Param string
	// Secrets are the tokens that are admitted; several let one be replaced by another while both are in use. An empty
	// secret admits nobody.
	Secrets []string
}

// Admit implements live.Guard. It compares in constant time, so that how long it takes tells nothing of the secret.
func (t Token) Admit(_ context.Context, r *live.Request) (live.Grant, error) {
	return live.Grant{}, t.check(r)
}

func (t Token) check(r *live.Request) error {
	param := t.Param
	if param == "" {
		param = DefaultTokenParam
	}
	query, err := url.ParseQuery(r.Query)
	if err != nil {
		return live.Refuse(live.ErrUnauthorized, "the query cannot be read")
	}
	given := query.Get(param)
	if given == "" {
		return live.Refuse(live.ErrUnauthorized, "a token is needed: add ?%s=… to the stream's name", param)
	}
	if !t.knows(given) {
		return live.Refuse(live.ErrUnauthorized, "the token in ?%s= is wrong", param)
	}
	return nil
}

func (t Token) knows(given string) bool {
	digest := sha256.Sum256([]byte(given))
	found := 0
	for _, secret := range t.Secrets {
		if secret == "" {
			continue
		}
		want := sha256.Sum256([]byte(secret))
		found |= subtle.ConstantTimeCompare(digest[:], want[:])
	}
	return found == 1
}
