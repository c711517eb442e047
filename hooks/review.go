package hooks

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A Reviewer is a guard that can tell of a session that a guard of its kind has admitted, perhaps that of an older
// configuration, whether it would still stand by it: by the session's Grant.Basis, which it has written. The error is why
// not. It must be quick, since all sessions wait for it.
//
// A guard that is no Reviewer stands by all that its kind has admitted.
type Reviewer interface {
	Review(s *live.SessionInfo) error
}

// fingerprintKey is of this process.
var fingerprintKey = func() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return key
}()

// Fingerprint returns what a secret can be known by again in this process, and cannot be found out from.
func Fingerprint(secret string) string {
	h := hmac.New(sha256.New, fingerprintKey)
	h.Write([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
