package hooks_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// An issuer signs tokens and answers, without a network, with its keys.
type issuer struct {
	asked atomic.Int32
	body  atomic.Value // what it answers with; empty is an outage
	slow  time.Duration
}

// RoundTrip implements http.RoundTripper.
func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.asked.Add(1)
	select {
	case <-time.After(i.slow):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	body, _ := i.body.Load().(string)
	if body == "" {
		return &http.Response{StatusCode: http.StatusBadGateway, Status: "502 Bad Gateway", Body: http.NoBody}, nil
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// publishes lets the issuer answer with the keys of the given ids.
func (i *issuer) publishes(keys map[string]*rsa.PrivateKey) {
	var list []string
	for id, key := range keys {
		list = append(list, jwk(id, key))
	}
	i.body.Store(`{"keys":[` + strings.Join(list, ",") + `]}`)
}

func jwk(id string, key *rsa.PrivateKey) string {
	encode := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"kty":"RSA","use":"sig","alg":"RS256","kid":%q,"n":%q,"e":%q}`,
		id, encode(key.N.Bytes()), encode(big.NewInt(int64(key.E)).Bytes()))
}

// sign makes a token with the key of an id.
func sign(id string, key crypto.PrivateKey) *live.Request {
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"action": "play", "stream": "cam1", "exp": int64(1) << 40})
	if id != "" {
		t.Header["kid"] = id
	}
	return &live.Request{Key: cam1, Query: "token=" + must(t.SignedString(key))}
}

// keySet returns a guard that asks i, and the set, to be closed within the bubble of the test.
func (i *issuer) keySet(t *testing.T, cache *hooks.KeyCache) (*hooks.JWT, *hooks.KeySet) {
	set := &hooks.KeySet{URL: "https://issuer.example.com/jwks", Client: &http.Client{Transport: i}, Cache: cache}
	return guardOf(t, hooks.JWTOptions{KeySet: set}), set
}

// TestKeySetRotation: keys are fetched when the first token comes, and at once when one names a new key; but whoever sends
// unknown names causes no more than a fetch every 10 s.
func TestKeySetRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := rsaKey, must(rsa.GenerateKey(rand.Reader, 2048))
		i := new(issuer)
		i.publishes(map[string]*rsa.PrivateKey{"one": one})
		guard, set := i.keySet(t, nil)
		defer set.Close()
		admit := func(id string, key crypto.PrivateKey, want error) {
			t.Helper()
			_, err := guard.Admit(t.Context(), sign(id, key))
			check(t, err, want)
		}
		fetched := func(want int32) {
			t.Helper()
			if got := i.asked.Load(); got != want {
				t.Errorf("the keys were fetched %d times, want %d", got, want)
			}
		}
		fetched(0)
		admit("one", one, nil)
		admit("", one, nil)
		admit("one", two, live.ErrUnauthorized)
		for range 10 {
			admit("two", two, live.ErrUnauthorized)
		}
		fetched(1)
		i.publishes(map[string]*rsa.PrivateKey{"one": one, "two": two})
		time.Sleep(11 * time.Second)
		admit("two", two, nil)
		fetched(2)
		admit("one", one, nil)
		i.publishes(map[string]*rsa.PrivateKey{"two": two})
		time.Sleep(time.Hour)
		synctest.Wait()
		fetched(3)
		admit("one", one, live.ErrUnauthorized)
		admit("two", two, nil)
	})
}

// TestKeySetOutage: without keys nothing can be decided, which is soon tried again; with keys an outage harms nobody, not
// even over a reload.
func TestKeySetOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, cache := new(issuer), new(hooks.KeyCache)
		guard, set := i.keySet(t, cache)
		_, err := guard.Admit(t.Context(), sign("one", rsaKey))
		if err == nil || live.Description(err) != "the server could not serve this request" {
			t.Errorf("without keys: %v", err)
		}
		i.publishes(map[string]*rsa.PrivateKey{"one": rsaKey})
		time.Sleep(1500 * time.Millisecond)
		_, err = guard.Admit(t.Context(), sign("one", rsaKey))
		check(t, err, nil)

		i.body.Store("")
		time.Sleep(2 * time.Hour)
		_, err = guard.Admit(t.Context(), sign("one", rsaKey))
		check(t, err, nil)
		next, nextSet := i.keySet(t, cache)
		set.Close()
		_, err = next.Admit(t.Context(), sign("one", rsaKey))
		check(t, err, nil)
		nextSet.Close()
		_, closed := i.keySet(t, nil)
		closed.Close() // without a use
	})
}

// TestKeySetPatience: a slow issuer costs a client its own patience, and the fetch a time-out.
func TestKeySetPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{slow: time.Minute}
		i.publishes(map[string]*rsa.PrivateKey{"one": rsaKey})
		guard, set := i.keySet(t, nil)
		defer set.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := guard.Admit(ctx, sign("one", rsaKey))
		check(t, err, context.DeadlineExceeded)
		if took := time.Since(began); took != time.Second {
			t.Errorf("the client waited %s", took)
		}
		_, err = guard.Admit(t.Context(), sign("one", rsaKey))
		check(t, err, context.DeadlineExceeded)
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("the fetch took %s", took)
		}
	})
}

// TestKeySetContents: what is no key for signatures is left out, and what is no set is refused.
func TestKeySetContents(t *testing.T) {
	secret := base64.RawURLEncoding.EncodeToString([]byte(hmacSecret))
	oct := `{"kty":"oct","kid":"one","alg":"HS256","k":"` + secret + `"}`
	good := jwk("one", rsaKey)
	tests := map[string]struct {
		body string
		want error
	}{
		"with a key for encryption": {`{"keys":[` + strings.Replace(jwk("other", rsaKey), "sig", "enc", 1) + `,` + good + `]}`, nil},
		"with an unknown kind":      {`{"keys":[{"kty":"new","kid":"x"},` + good + `]}`, nil},
		"with a secret":             {`{"keys":[` + oct + `,` + good + `]}`, nil},
		"with another algorithm":    {`{"keys":[` + strings.Replace(good, "RS256", "PS256", 1) + `]}`, live.ErrUnauthorized},
		"for encryption":            {`{"keys":[` + strings.Replace(good, "sig", "enc", 1) + `]}`, errOther},
		"secret only":               {`{"keys":[` + oct + `]}`, errOther},
		"empty":                     {`{"keys":[]}`, errOther},
		"no JSON":                   {`<html>`, errOther},
		"no set":                    {`[]`, errOther},
		"too long":                  {`{"keys":[` + good + `],"x":"` + strings.Repeat("x", 1<<20) + `"}`, errOther},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := new(issuer)
				i.body.Store(test.body)
				guard, set := i.keySet(t, nil)
				defer set.Close()
				_, err := guard.Admit(t.Context(), sign("one", rsaKey))
				if errors.Is(test.want, errOther) {
					if err == nil || live.Description(err) != "the server could not serve this request" {
						t.Errorf("got %v", err)
					}
					return
				}
				check(t, err, test.want)
				_, err = guard.Admit(t.Context(), &live.Request{Key: cam1, Query: "token=" + hmacToken(play(nil))})
				check(t, err, live.ErrUnauthorized)
			})
		})
	}
}

// errOther stands for an error that is no refusal.
var errOther = errors.New("no decision")
