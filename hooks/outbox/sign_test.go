package outbox_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
)

const (
	oldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// TestSign signs with two secrets, so that receivers that know either one accept.
func TestSign(t *testing.T) {
	s, err := outbox.NewSigner(oldSecret, newSecret)
	if err != nil {
		t.Fatal(err)
	}
	header := make(http.Header)
	body := []byte(`{"action":"on_stop"}`)
	if err := s.Sign(header, outbox.NewID(), time.Now(), body); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{oldSecret, newSecret} {
		receiver, err := webhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := receiver.Verify(body, header); err != nil {
			t.Errorf("%s: %v", secret, err)
		}
		if receiver.Verify(append(body, ' '), header) == nil {
			t.Error("another body is accepted")
		}
	}
	if n := len(strings.Fields(header.Get("webhook-signature"))); n != 2 {
		t.Errorf("%d signatures", n)
	}
}

// TestVector is the example of the specification.
func TestVector(t *testing.T) {
	s, err := outbox.NewSigner(oldSecret)
	if err != nil {
		t.Fatal(err)
	}
	header := make(http.Header)
	if err := s.Sign(header, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"webhook-id":        "msg_p5jXN8AQM9LWM0D4loKWxJek",
		"webhook-timestamp": "1614265330",
		"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestSecrets(t *testing.T) {
	for _, secrets := range [][]string{nil, {""}, {"not base64 !"}, {"whsec_c2hvcnQ="}, {oldSecret, "{env.MISSING}"}} {
		if _, err := outbox.NewSigner(secrets...); err == nil {
			t.Errorf("%q is accepted", secrets)
		} else if len(secrets) > 0 && secrets[0] != "" && strings.Contains(err.Error(), secrets[0]) {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
	header := make(http.Header)
	if err := (*outbox.Signer)(nil).Sign(header, "msg_1", time.Unix(1, 0), nil); err != nil || len(header) != 2 {
		t.Errorf("no secret: %v, %v", header, err)
	}
}
