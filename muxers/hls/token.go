package hls

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// contextParam is the query parameter that carries a viewer's token, named as SRS names it.
const contextParam = "hls_ctx"

// signatureParam is the query parameter that makes the URL of an object valid for everybody.
const signatureParam = "hls_sig"

// macBytes is how much of the SHA-256 tokens and signatures hold.
const macBytes = 18

// tokenLife is how long a token opens an entry playlist. From then on it makes a new viewer there, as none would.
const tokenLife = 24 * time.Hour

// A mint makes the tokens of viewers and the signatures of URLs. Nobody can who has not its key.
type mint struct{ key []byte }

// newMint returns a mint with a key of its own.
func newMint() *mint {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails
	return &mint{key}
}

// token returns the token of an id, which the API may show, for a stream. It is good wherever the key is, also after a
// restart; whether there is still a session behind it is for the channel to say.
func (m *mint) token(k live.Key, id string, expires time.Time) string {
	head := id + "." + stamp(expires)
	return head + "." + m.mac(contextParam, k, head)
}

// valid tells whether a token was made here for a stream.
func (m *mint) valid(k live.Key, token string) bool {
	dot := strings.LastIndexByte(token, '.')
	return dot >= 0 && hmac.Equal([]byte(token[dot+1:]), []byte(m.mac(contextParam, k, token[:dot])))
}

// fresh tells whether a valid token has not expired.
func fresh(token string, now time.Time) bool {
	_, rest, _ := strings.Cut(token, ".")
	date, _, _ := strings.Cut(rest, ".")
	return !expired(date, now)
}

// signature returns what makes the URL of a stream's file valid until it expires.
func (m *mint) signature(k live.Key, file string, expires time.Time) string {
	date := stamp(expires)
	return date + "." + m.mac(signatureParam, k, file+"?"+date)
}

// signed tells whether a signature was made here for a stream's file.
func (m *mint) signed(k live.Key, file, signature string) bool {
	date, mac, ok := strings.Cut(signature, ".")
	return ok && hmac.Equal([]byte(mac), []byte(m.mac(signatureParam, k, file+"?"+date)))
}

// mac returns the authentication code of a text for a purpose and a stream.
func (m *mint) mac(purpose string, k live.Key, text string) string {
	h := hmac.New(sha256.New, m.key)
	for _, part := range []string{purpose, k.Vhost, k.App, k.Name, text} {
		h.Write([]byte(part))
		h.Write([]byte{0}) // names have none, so no two keys give the same
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:macBytes])
}

// stamp writes a moment as tokens and signatures do, in whole seconds.
func stamp(t time.Time) string { return strconv.FormatInt(t.Unix(), 36) }

// until returns the moment of a stamp.
func until(stamp string) (time.Time, bool) {
	seconds, err := strconv.ParseInt(stamp, 36, 64)
	return time.Unix(seconds, 0), err == nil
}

// expired tells whether the moment of a stamp has passed.
func expired(stamp string, now time.Time) bool {
	t, ok := until(stamp)
	return !ok || !now.Before(t)
}
