package hooks_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

const hmacSecret = "a secret that signs tokens, of 32 bytes"

// Keys of all kinds.
var (
	rsaKey     = must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey      = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	_, edKey   = generateEd25519()
	publicKeys = []crypto.PublicKey{&rsaKey.PublicKey, &ecKey.PublicKey, edKey.Public()}
)

func generateEd25519() (ed25519.PublicKey, ed25519.PrivateKey) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return public, private
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// play are the claims of a token for playing cam1, with changes: nil takes a claim out.
func play(changes jwt.MapClaims) jwt.MapClaims {
	c := jwt.MapClaims{"action": "play", "stream": "cam1", "exp": time.Now().Add(time.Hour).Unix(), "sub": "alice"}
	for name, v := range changes {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	return c
}

// token signs claims.
func token(method jwt.SigningMethod, key any, c jwt.MapClaims) string {
	return must(jwt.NewWithClaims(method, c).SignedString(key))
}

func hmacToken(c jwt.MapClaims) string { return token(jwt.SigningMethodHS256, []byte(hmacSecret), c) }

func guardOf(t *testing.T, o hooks.JWTOptions) *hooks.JWT {
	t.Helper()
	guard, err := hooks.NewJWT(o)
	if err != nil {
		t.Fatal(err)
	}
	return guard
}

// TestJWTClaims asks to play /live/cam1 with tokens of all kinds of claims.
func TestJWTClaims(t *testing.T) {
	list := func(v ...any) []any { return append([]any{}, v...) }
	own := hooks.Claims{
		Action: hooks.Claim{Name: "scope"}, Stream: hooks.Claim{Name: "https://example.com/rooms"},
		App: hooks.Claim{Name: "media.app"}, User: hooks.Claim{Name: "name"}, Expiry: hooks.Claim{Name: "until"},
	}
	lax := hooks.Claims{Action: hooks.Claim{Optional: true}, Stream: hooks.Claim{Optional: true}, Expiry: hooks.Claim{Optional: true}}
	soon := time.Now().Add(time.Minute).Unix()
	mine := jwt.MapClaims{
		"action": nil, "stream": nil, "exp": nil, "scope": "openid play", "https://example.com/rooms": list("cam2", "cam1"),
		"media": map[string]any{"app": "live"}, "until": soon,
	}
	with := func(name string, v any) jwt.MapClaims {
		c := play(mine)
		c[name] = v
		return c
	}
	tests := map[string]struct {
		options hooks.JWTOptions
		claims  jwt.MapClaims
		want    error
	}{
		"right":                     {claims: play(nil)},
		"list of actions":           {claims: play(jwt.MapClaims{"action": list("publish", "play")})},
		"actions in a text":         {claims: play(jwt.MapClaims{"action": "publish play"})},
		"any action":                {claims: play(jwt.MapClaims{"action": "*"})},
		"pattern of streams":        {claims: play(jwt.MapClaims{"stream": "cam*"})},
		"list of streams":           {claims: play(jwt.MapClaims{"stream": list("cam2", "/live/cam1")})},
		"app":                       {claims: play(jwt.MapClaims{"app": "li*"})},
		"vhost":                     {claims: play(jwt.MapClaims{"vhost": live.DefaultVhost})},
		"other action":              {claims: play(jwt.MapClaims{"action": "publish"}), want: live.ErrDenied},
		"part of an action":         {claims: play(jwt.MapClaims{"action": "player"}), want: live.ErrDenied},
		"no action":                 {claims: play(jwt.MapClaims{"action": nil}), want: live.ErrDenied},
		"empty list of actions":     {claims: play(jwt.MapClaims{"action": list()}), want: live.ErrDenied},
		"number for an action":      {claims: play(jwt.MapClaims{"action": 1}), want: live.ErrDenied},
		"number among actions":      {claims: play(jwt.MapClaims{"action": list("play", 1)}), want: live.ErrDenied},
		"other stream":              {claims: play(jwt.MapClaims{"stream": "cam2"}), want: live.ErrDenied},
		"empty stream":              {claims: play(jwt.MapClaims{"stream": ""}), want: live.ErrDenied},
		"no stream":                 {claims: play(jwt.MapClaims{"stream": nil}), want: live.ErrDenied},
		"stream of another app":     {claims: play(jwt.MapClaims{"stream": "/vod/cam1"}), want: live.ErrDenied},
		"other app":                 {claims: play(jwt.MapClaims{"app": "vod"}), want: live.ErrDenied},
		"no app of a list":          {claims: play(jwt.MapClaims{"app": list()}), want: live.ErrDenied},
		"other vhost":               {claims: play(jwt.MapClaims{"vhost": "tv.example.com"}), want: live.ErrDenied},
		"own names":                 {options: hooks.JWTOptions{Claims: own}, claims: play(mine)},
		"own names, other action":   {options: hooks.JWTOptions{Claims: own}, claims: with("scope", "openid"), want: live.ErrDenied},
		"own names, other app":      {options: hooks.JWTOptions{Claims: own}, claims: with("media", map[string]any{"app": "vod"}), want: live.ErrDenied},
		"own names, no object":      {options: hooks.JWTOptions{Claims: own}, claims: with("media", "live")},
		"own names, no end":         {options: hooks.JWTOptions{Claims: own}, claims: with("until", nil), want: live.ErrUnauthorized},
		"own names, past end":       {options: hooks.JWTOptions{Claims: own}, claims: with("until", 1), want: live.ErrUnauthorized},
		"own names, usual end too":  {options: hooks.JWTOptions{Claims: own}, claims: with("exp", 1), want: live.ErrUnauthorized},
		"optional, not there":       {options: hooks.JWTOptions{Claims: lax}, claims: jwt.MapClaims{}},
		"optional, but other":       {options: hooks.JWTOptions{Claims: lax}, claims: jwt.MapClaims{"stream": "cam2"}, want: live.ErrDenied},
		"no end":                    {claims: play(jwt.MapClaims{"exp": nil}), want: live.ErrUnauthorized},
		"end at 0":                  {claims: play(jwt.MapClaims{"exp": 0}), want: live.ErrUnauthorized},
		"end that is no number":     {claims: play(jwt.MapClaims{"exp": "tomorrow"}), want: live.ErrUnauthorized},
		"end beyond time":           {claims: play(jwt.MapClaims{"exp": -math.MaxFloat64}), want: live.ErrUnauthorized},
		"expired":                   {claims: play(jwt.MapClaims{"exp": time.Now().Unix() - 5}), want: live.ErrUnauthorized},
		"expired within the leeway": {options: hooks.JWTOptions{Leeway: time.Minute}, claims: play(jwt.MapClaims{"exp": time.Now().Unix() - 5})},
		"not yet":                   {claims: play(jwt.MapClaims{"nbf": time.Now().Unix() + 60}), want: live.ErrUnauthorized},
		"issuer":                    {options: hooks.JWTOptions{Issuers: []string{"a", "b"}}, claims: play(jwt.MapClaims{"iss": "b"})},
		"other issuer":              {options: hooks.JWTOptions{Issuers: []string{"a", "b"}}, claims: play(jwt.MapClaims{"iss": "c"}), want: live.ErrUnauthorized},
		"no issuer":                 {options: hooks.JWTOptions{Issuers: []string{"a"}}, claims: play(nil), want: live.ErrUnauthorized},
		"audience":                  {options: hooks.JWTOptions{Audiences: []string{"a", "b"}}, claims: play(jwt.MapClaims{"aud": list("x", "b")})},
		"other audience":            {options: hooks.JWTOptions{Audiences: []string{"a", "b"}}, claims: play(jwt.MapClaims{"aud": "x"}), want: live.ErrUnauthorized},
		"no audience":               {options: hooks.JWTOptions{Audiences: []string{"a"}}, claims: play(nil), want: live.ErrUnauthorized},
		"revoked":                   {options: hooks.JWTOptions{Revoked: []string{"1", "2"}}, claims: play(jwt.MapClaims{"jti": "2"}), want: live.ErrUnauthorized},
		"not revoked":               {options: hooks.JWTOptions{Revoked: []string{"1", "2"}}, claims: play(jwt.MapClaims{"jti": "3"})},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.options.Secrets = []string{hmacSecret}
			given := hmacToken(test.claims)
			_, err := guardOf(t, test.options).Admit(t.Context(), &live.Request{Key: cam1, Query: "token=" + given})
			check(t, err, test.want)
			if err != nil && (strings.Contains(err.Error(), given) || strings.Contains(err.Error(), hmacSecret)) {
				t.Errorf("%q tells a secret", err)
			}
		})
	}
}

// TestJWTSignatures gives tokens that are signed in all ways to guards with keys of all kinds.
func TestJWTSignatures(t *testing.T) {
	pemOfRSA := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(&rsaKey.PublicKey))})
	otherRSA := must(rsa.GenerateKey(rand.Reader, 2048))
	secret, public := hooks.JWTOptions{Secrets: []string{"old", hmacSecret}}, hooks.JWTOptions{PublicKeys: publicKeys}
	both := hooks.JWTOptions{Secrets: secret.Secrets, PublicKeys: publicKeys}
	only := hooks.JWTOptions{PublicKeys: publicKeys, Algorithms: []string{"ES256"}}
	none := token(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, play(nil))
	good := hmacToken(play(nil))
	critical := jwt.NewWithClaims(jwt.SigningMethodHS256, play(nil))
	critical.Header["crit"] = []string{"b64"}
	wrongType := hooks.JWTOptions{Secrets: []string{string(pemOfRSA)}, PublicKeys: publicKeys}
	tests := map[string]struct {
		options hooks.JWTOptions
		token   string
		ok      bool
	}{
		"HS256":                       {secret, good, true},
		"HS512":                       {secret, token(jwt.SigningMethodHS512, []byte(hmacSecret), play(nil)), true},
		"RS256":                       {public, token(jwt.SigningMethodRS256, rsaKey, play(nil)), true},
		"PS384":                       {public, token(jwt.SigningMethodPS384, rsaKey, play(nil)), true},
		"ES256":                       {public, token(jwt.SigningMethodES256, ecKey, play(nil)), true},
		"EdDSA":                       {public, token(jwt.SigningMethodEdDSA, edKey, play(nil)), true},
		"both, HMAC":                  {both, good, true},
		"both, RSA":                   {both, token(jwt.SigningMethodRS256, rsaKey, play(nil)), true},
		"only one, this":              {only, token(jwt.SigningMethodES256, ecKey, play(nil)), true},
		"only one, another":           {only, token(jwt.SigningMethodRS256, rsaKey, play(nil)), false},
		"HMAC without secret":         {public, good, false},
		"HMAC with the public key":    {public, token(jwt.SigningMethodHS256, pemOfRSA, play(nil)), false},
		"the same beside a secret":    {both, token(jwt.SigningMethodHS256, pemOfRSA, play(nil)), false},
		"RSA with a secret":           {secret, token(jwt.SigningMethodRS256, rsaKey, play(nil)), false},
		"RSA beside its PEM":          {wrongType, token(jwt.SigningMethodRS256, otherRSA, play(nil)), false},
		"another key":                 {public, token(jwt.SigningMethodRS256, otherRSA, play(nil)), false},
		"another secret":              {secret, token(jwt.SigningMethodHS256, []byte("x"), play(nil)), false},
		"empty secret":                {hooks.JWTOptions{Secrets: []string{""}}, token(jwt.SigningMethodHS256, []byte{}, play(nil)), false},
		"none":                        {both, none, false},
		"None":                        {both, strings.Replace(none, header64("none"), header64("None"), 1), false},
		"no signature":                {secret, good[:strings.LastIndexByte(good, '.')+1], false},
		"two parts":                   {secret, good[:strings.LastIndexByte(good, '.')], false},
		"changed signature":           {secret, good[:len(good)-4] + "AAAA", false},
		"bits behind the signature":   {secret, good[:len(good)-1] + string(good[len(good)-1]+1), false},
		"critical extensions":         {secret, must(critical.SignedString([]byte(hmacSecret))), false},
		"no token":                    {secret, "x", false},
		"null":                        {secret, raw("null", "null"), false},
		"header without an algorithm": {secret, raw("{}", "{}"), false},
		"too long":                    {secret, hmacToken(play(jwt.MapClaims{"x": strings.Repeat("x", 20<<10)})), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := guardOf(t, test.options).Admit(t.Context(), &live.Request{Key: cam1, Query: "token=" + test.token})
			if test.ok != (err == nil) || err != nil && !errors.Is(err, live.ErrUnauthorized) {
				t.Errorf("%v", err)
			}
		})
	}
}

func header64(alg string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + alg + `","typ":"JWT"}`))
}

func raw(header, claims string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".AAAA"
}

// TestJWTGrant: what the token says of the session.
func TestJWTGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(time.Minute)
		r := &live.Request{Key: cam1, Header: header("Authorization", "Bearer "+hmacToken(play(jwt.MapClaims{"exp": end.Unix(), "jti": "7"})))}
		options := hooks.JWTOptions{Secrets: []string{hmacSecret}, Leeway: 10 * time.Second}
		grant, err := guardOf(t, options).Admit(t.Context(), r)
		check(t, err, nil)
		if want := (live.Grant{Expires: end.Add(10 * time.Second), User: "alice", Basis: "7"}); grant != want {
			t.Errorf("got %+v, want %+v", grant, want)
		}
		session := &live.SessionInfo{Grant: grant}
		check(t, guardOf(t, options).Review(session), nil)
		options.Outlive, options.Revoked = true, []string{"6", "7"}
		check(t, guardOf(t, options).Review(session), live.ErrUnauthorized)
		options.Revoked = nil
		grant, err = guardOf(t, options).Admit(t.Context(), r)
		check(t, err, nil)
		if !grant.Expires.IsZero() {
			t.Errorf("the session ends at %s", grant.Expires)
		}
		time.Sleep(70 * time.Second)
		_, err = guardOf(t, options).Admit(t.Context(), r)
		if live.Description(err) != "the token has expired; get a new one" {
			t.Errorf("the client is told %q", live.Description(err))
		}
	})
}

func TestNewJWT(t *testing.T) {
	for _, o := range []hooks.JWTOptions{
		{},
		{Algorithms: []string{"HS256"}},
		{Secrets: []string{"x"}, Algorithms: []string{"none"}},
		{Secrets: []string{"x"}, Algorithms: []string{"RS256"}},
		{PublicKeys: publicKeys, Algorithms: []string{"RS256", "HS256"}},
		{PublicKeys: []crypto.PublicKey{"key"}},
	} {
		if _, err := hooks.NewJWT(o); err == nil {
			t.Errorf("%v is accepted", o)
		}
	}
}

func TestParsePublicKeys(t *testing.T) {
	var all []byte
	for _, key := range publicKeys {
		all = append(all, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key))})...)
	}
	all = append(all, pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)})...)
	template := &x509.Certificate{SerialNumber: rsaKey.N}
	certificate := must(x509.CreateCertificate(rand.Reader, template, template, ecKey.Public(), ecKey))
	all = append(all, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})...)
	keys, err := hooks.ParsePublicKeys(all)
	if err != nil || len(keys) != 5 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(ecKey))})
	for _, bad := range [][]byte{nil, []byte("x"), private, all[:100], pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})} {
		if _, err := hooks.ParsePublicKeys(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// FuzzJWT: whatever the token is, it is refused, but for one that is right.
func FuzzJWT(f *testing.F) {
	good := hmacToken(jwt.MapClaims{"action": "play", "stream": "cam1", "exp": int64(1) << 40})
	f.Add(good)
	f.Add(token(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, jwt.MapClaims{"stream": "cam1"}))
	f.Add(raw("null", "null"))
	f.Add(raw(`{"alg":"ES256","kid":1}`, `{"exp":1e300,"action":[[]]}`))
	guard := must(hooks.NewJWT(hooks.JWTOptions{Secrets: []string{hmacSecret}, PublicKeys: publicKeys}))
	f.Fuzz(func(t *testing.T, given string) {
		r := &live.Request{Key: cam1, Header: header("Authorization", "Bearer "+given)}
		if _, err := guard.Admit(t.Context(), r); err == nil && strings.TrimSpace(given) != good {
			t.Errorf("%q is admitted", given)
		}
	})
}
