package outbox

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// minSecret is the least number of bytes of a secret, as the Standard Webhooks specification has it.
const minSecret = 24

// A Signer signs requests by the Standard Webhooks scheme (standardwebhooks.com): HMAC-SHA256 over id, time and body. A
// nil Signer does not sign.
type Signer struct {
	keys []*webhooks.Webhook
}

// NewSigner returns a Signer with one secret, or several while one is replaced by another: each request then bears a
// signature of each. A secret is "whsec_" and the base64 of 24 bytes or more; the prefix may be missing.
func NewSigner(secrets ...string) (*Signer, error) {
	if len(secrets) == 0 {
		return nil, errors.New("signing webhooks: no secret is given")
	}
	s := new(Signer)
	for i, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(secret), "whsec_"))
		if err != nil || len(key) < minSecret {
			// The secret itself must not get into a log.
			return nil, fmt.Errorf("signing webhooks: secret %d is not the base64 of at least %d bytes; "+
				"make one with: echo whsec_$(openssl rand -base64 32)", i+1, minSecret)
		}
		webhook, err := webhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, fmt.Errorf("signing webhooks: secret %d: %w", i+1, err)
		}
		s.keys = append(s.keys, webhook)
	}
	return s, nil
}

// Sign sets the headers webhook-id and webhook-timestamp, and webhook-signature unless s is nil. The time is that of the
// attempt: receivers refuse what is older than some minutes. The id must hold no full stop.
func (s *Signer) Sign(header http.Header, id string, at time.Time, body []byte) error {
	header.Set(webhooks.HeaderWebhookID, id)
	header.Set(webhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	if s == nil {
		return nil
	}
	signatures := make([]string, len(s.keys))
	for i, key := range s.keys {
		var err error
		if signatures[i], err = key.Sign(id, at, body); err != nil {
			return fmt.Errorf("signing a webhook: %w", err)
		}
	}
	header.Set(webhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}
