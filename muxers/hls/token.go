package hls

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// contextParam is the query parameter that carries a viewer's token, named as SRS names it.
const contextParam = "hls_ctx"

// macBytes is how much of the SHA-256 a token holds.
const macBytes = 18

// A mint makes the tokens of viewers: an id, which the API may show, and what only the server can add to it. They hold
// for one stream and do not expire; whether there is still a session behind one is for the channel to say.
type mint struct{ key []byte }

// token returns the token of an id for a stream.
func (m mint) token(k live.Key, id string) string {
	h := hmac.New(sha256.New, m.key)
	for _, part := range []string{k.Vhost, k.App, k.Name, id} {
		h.Write([]byte(part))
		h.Write([]byte{0}) // names have none, so no two keys give the same
	}
	return id + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:macBytes])
}

// valid tells whether a token was made here for a stream.
func (m mint) valid(k live.Key, token string) bool {
	id, _, ok := strings.Cut(token, ".")
	return ok && hmac.Equal([]byte(token), []byte(m.token(k, id)))
}
