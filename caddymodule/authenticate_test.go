package caddymodule_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	"github.com/golang-jwt/jwt/v5"

	"github.com/caddy-rtmp/caddy-rtmp/caddymodule"
	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

func init() {
	caddy.RegisterModule(new(doorman))
}

// A doorman is an authentication provider of a plugin: it lets in those whose header X-Name it is given.
type doorman struct {
	Name string `json:"name,omitempty"`
}

func (*doorman) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.authentication.providers.doorman", New: func() caddy.Module { return new(doorman) }}
}

func (p *doorman) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.AllArgs(&p.Name) {
		return d.ArgErr()
	}
	return nil
}

func (p *doorman) Authenticate(w http.ResponseWriter, r *http.Request) (caddyauth.User, bool, error) {
	name := r.Header.Get("X-Name")
	if name == "fault" {
		return caddyauth.User{}, false, errors.New("the doorman is ill")
	}
	if name == p.Name {
		return caddyauth.User{ID: "guest " + name}, true, nil
	}
	w.Header().Set("WWW-Authenticate", "Door")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte("go away"))
	return caddyauth.User{ID: "guest " + name}, false, nil
}

// hash is that of the password "hiccup", made with the least cost.
const hash = "$2a$04$tf.sNvo5z5bceqSnlnqaR.Xd6pIMNCU/J1ABorAXgK4i1QW2.LcuW"

const jwtSecret = "a secret that signs tokens, of 32 bytes"

func tokenOf(claims jwt.MapClaims) string {
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(jwtSecret))
	must(err)
	return signed
}

// TestAuthenticators asks each kind of authenticator, with what is right and with what is not.
func TestAuthenticators(t *testing.T) {
	dir := t.TempDir()
	must(os.WriteFile(filepath.Join(dir, "keys"), []byte("cam1 filed\nradio other\n"), 0o600))
	must(os.WriteFile(filepath.Join(dir, "secret"), []byte("s3cret\n"), 0o600))
	must(os.WriteFile(filepath.Join(dir, "revoked"), []byte("7\n8\n"), 0o600))
	end := time.Now().Add(time.Hour)
	good := jwt.MapClaims{"action": "play", "stream": "cam1", "exp": end.Unix(), "sub": "alice"}
	revoked := jwt.MapClaims{"action": "play", "stream": "cam1", "exp": end.Unix(), "jti": "8"}
	signature := hooks.Signature("s3cret", live.ActionPlay, live.Key{App: "live", Name: "cam1"}, end, netip.Addr{})
	signed := "exp=" + strconv.FormatInt(end.Unix(), 10) + "&sig=" + signature
	jwtOptions := "jwt {\nsecret " + jwtSecretArg + "\nrevoked {file." + dir + "/revoked}\n}"
	type attempt struct {
		query, header, value string
		user, password       string // of RTMP
		want                 error
		grant                live.Grant
	}
	tests := map[string]struct {
		authenticator string
		attempts      []attempt
	}{
		"token": {"token {\nsecret {file." + dir + "/secret}\nkey cam* {env.NOT_THERE} b\nkey radio c\nkey_file " + dir + "/keys\n}", []attempt{
			{query: "token=s3cret"},
			{query: "token=b"},
			{query: "token=filed"},
			{header: "Authorization", value: "Bearer b"},
			{query: "token=c", want: live.ErrUnauthorized},
			{query: "token=other", want: live.ErrUnauthorized},
			{query: "token=", want: live.ErrUnauthorized},
		}},
		"jwt": {jwtOptions, []attempt{
			{query: "token=" + tokenOf(good), grant: live.Grant{User: "alice", Expires: time.Unix(end.Unix(), 0)}},
			{header: "Authorization", value: "Bearer " + tokenOf(good), grant: live.Grant{User: "alice", Expires: time.Unix(end.Unix(), 0)}},
			{query: "token=" + tokenOf(revoked), want: live.ErrUnauthorized},
			{query: "token=x", want: live.ErrUnauthorized},
		}},
		"jwt, kept": {strings.Replace(jwtOptions, "{\n", "{\non_expiry keep\n", 1), []attempt{
			{query: "token=" + tokenOf(good), grant: live.Grant{User: "alice"}},
		}},
		"signed_url": {"signed_url {\nsecret old s3cret\n}", []attempt{
			{query: signed, grant: live.Grant{Expires: time.Unix(end.Unix(), 0)}},
			{query: strings.Replace(signed, "exp=", "exp=1", 1), want: live.ErrUnauthorized},
		}},
		"basic": {"basic alice " + hash, []attempt{
			{user: "alice", password: "hiccup", grant: live.Grant{User: "alice"}},
			{query: "user=alice&pass=hiccup", grant: live.Grant{User: "alice"}},
			{header: "Authorization", value: basicHeader("alice", "hiccup"), grant: live.Grant{User: "alice"}},
			{user: "alice", password: "cough", want: live.ErrUnauthorized},
			{user: "alice", password: "cough", want: live.ErrUnauthorized}, // out of the cache
			{query: "user=alice", want: live.ErrUnauthorized},
			{query: "user=alice&pass=" + strings.Repeat("x", 1100), want: live.ErrUnauthorized},
			{header: "Authorization", value: "Bearer hiccup", want: live.ErrUnauthorized},
			{want: live.ErrUnauthorized},
		}},
		"provider": {"provider doorman bob", []attempt{
			{header: "X-Name", value: "bob", grant: live.Grant{User: "guest bob"}},
			{header: "X-Name", value: "eve", want: live.ErrUnauthorized},
			{want: live.ErrUnauthorized},
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.load(inBed("play {\nauthenticate " + test.authenticator + "\n}"))
			for _, a := range test.attempts {
				r := request(live.ActionPlay, "198.51.100.7", a.query)
				r.Username, r.Password = a.user, a.password
				if a.header != "" {
					r.Header = http.Header{a.header: {a.value}}
				}
				grant, err := visitAs(t, r)
				if !errors.Is(err, a.want) {
					t.Errorf("%.30q %q %q: %v, want %v", a.query, a.value, a.user, err, a.want)
				}
				if grant.Basis = ""; err == nil && grant != a.grant {
					t.Errorf("%.30q %q %q: the grant is %+v, want %+v", a.query, a.value, a.user, grant, a.grant)
				}
			}
		})
	}
}

// TestUnknownUser: a user that is not there is refused as one with a wrong password is. (Not with bcrypt, for the tests'
// sake: the comparison that hides whether there is the user takes as long as Caddy's own hashes do.)
func TestUnknownUser(t *testing.T) {
	b := newBed(t)
	config := b.json(inBed("play {\nauthenticate basic alice $argon2id$v=19$m=47104,t=1,p=1$P2nzckEdTZ3bxCiBCkRTyA$xQL3Z32eo5jKl7u5tcIsnEKObYiyNZQQf5/4sAau6Pg\n}"))
	config = bytes.Replace(config, []byte(`"authenticator":"basic"`), []byte(`"authenticator":"basic","hash":{"algorithm":"argon2id"}`), 1)
	must(caddy.Load(config, true))
	told := make(map[string]bool)
	for _, user := range []string{"alice", "bob"} {
		_, err := visitAs(t, request(live.ActionPlay, "198.51.100.7", "user="+user+"&pass=wrong"))
		if !errors.Is(err, live.ErrUnauthorized) {
			t.Errorf("%s: %v", user, err)
		}
		told[live.Description(err)] = true
	}
	if len(told) != 1 {
		t.Errorf("they are told %v", told)
	}
}

// jwtSecretArg is jwtSecret in a Caddyfile.
const jwtSecretArg = "`" + jwtSecret + "`"

func basicHeader(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// TestRefusals: what a client is told when several authenticators refuse it, and when one of them fails.
func TestRefusals(t *testing.T) {
	b := newBed(t)
	b.load(inBed("play {\nauthenticate token {\nsecret x\n}\nauthenticate basic alice " + hash +
		"\nauthenticate provider doorman bob\nauthenticate jwt {\nsecret " + jwtSecretArg + "\n}\n}"))
	refusal := func(r *live.Request) (description, challenge string, kind error) {
		_, err := visitAs(t, r)
		told, ok := errors.AsType[*live.Refusal](err)
		if !ok {
			return live.Description(err), "", nil
		}
		return told.Description, told.Challenge, told.Kind
	}
	r := request(live.ActionPlay, "198.51.100.7", "")
	description, challenge, kind := refusal(r)
	if !errors.Is(kind, live.ErrUnauthorized) || challenge != `Basic realm="stream", Door` || !strings.Contains(description, "a token is needed") {
		t.Errorf("without anything: %v %q %q", kind, description, challenge)
	}
	r.Query = "token=" + tokenOf(jwt.MapClaims{"action": "play", "stream": "cam2", "exp": 1 << 40})
	if description, _, kind = refusal(r); !errors.Is(kind, live.ErrDenied) || description != "the token is not for this" {
		t.Errorf("with a token for another stream: %v %q", kind, description)
	}
	r.Header = http.Header{"X-Name": {"fault"}}
	if description, _, kind = refusal(r); kind != nil || strings.Contains(description, "ill") {
		t.Errorf("with a fault: %v %q", kind, description)
	}
	r.Query = "token=x"
	if _, err := visitAs(t, r); err != nil {
		t.Errorf("with a fault, but a token: %v", err)
	}
}

// visitAs is admit with the grant.
func visitAs(t *testing.T, r *live.Request) (live.Grant, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return caddymodule.CurrentHub().Policy().Guard.Admit(ctx, r)
}

// TestReferers is SRS's referer rule, for each kind of session, with its dot boundary.
func TestReferers(t *testing.T) {
	b := newBed(t)
	b.load(inBed("publish {\nallow all\nreferer studio.example.com\n}\nplay {\nreferer example.com none\n}"))
	tests := []struct {
		page          string
		publish, play error
	}{
		{"https://studio.example.com/a", nil, nil},
		{"https://STUDIO.example.com:8443/", nil, nil},
		{"https://studio.example.com.", nil, nil},
		{"https://www.example.com/", live.ErrDenied, nil},
		{"https://example.com", live.ErrDenied, nil},
		{"https://evilexample.com/", live.ErrDenied, live.ErrDenied},
		{"https://example.com.evil.org/", live.ErrDenied, live.ErrDenied},
		{"https://evil.org/?example.com", live.ErrDenied, live.ErrDenied},
		{"https://example.com@evil.org/", live.ErrDenied, live.ErrDenied},
		{"", live.ErrDenied, nil},
		{"null", live.ErrDenied, nil},
		{"://", live.ErrDenied, nil},
	}
	for _, test := range tests {
		for action, want := range map[live.Action]error{live.ActionPublish: test.publish, live.ActionPlay: test.play} {
			r := request(action, "198.51.100.7", "")
			r.PageURL = test.page
			if err := admit(t, r); !errors.Is(err, want) {
				t.Errorf("%s from %q: %v, want %v", action, test.page, err, want)
			}
		}
	}
}
