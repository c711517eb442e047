package caddymodule_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// A loginServer knows who is logged in: who has the cookie or the token of its own, or an URL with it.
type loginServer struct {
	*httptest.Server
	secret string

	mu    sync.Mutex
	asked []*http.Request
}

// newLogin starts a login, with TLS if a certificate is to be verified.
func newLogin(t *testing.T, secret string, start func(http.Handler) *httptest.Server) *loginServer {
	t.Helper()
	l := &loginServer{secret: secret}
	l.Server = start(l)
	t.Cleanup(l.Close)
	return l
}

func (l *loginServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.asked = append(l.asked, r)
	l.mu.Unlock()
	cookie, _ := r.Cookie("login")
	switch {
	case r.Header.Get("X-Fault") != "":
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.Header.Get("X-Slow") != "":
		<-r.Context().Done()
	case cookie != nil && cookie.Value == l.secret,
		r.Header.Get("Authorization") == "Bearer "+l.secret,
		strings.Contains(r.Header.Get("X-Forwarded-Uri"), "token="+l.secret):
		w.Header().Set("Remote-User", "alice")
		w.WriteHeader(http.StatusNoContent)
	case strings.Contains(r.Header.Get("Accept"), "text/html"):
		http.Redirect(w, r, "https://login.example.com/?of="+l.secret, http.StatusFound)
	default:
		w.Header().Set("WWW-Authenticate", "Bearer realm="+l.secret)
		http.Error(w, "log in, "+l.secret, http.StatusUnauthorized)
	}
}

// last returns the newest question, and how many there were.
func (l *loginServer) last() (*http.Request, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.asked) == 0 {
		return nil, 0
	}
	return l.asked[len(l.asked)-1], len(l.asked)
}

// TestAPIForward: a login decides, by the rules of forward_auth, and what it answers but 2xx is the caller's.
func TestAPIForward(t *testing.T) {
	b := newBed(t)
	l := newLogin(t, "s3cret", httptest.NewServer)
	b.load(strings.Replace(apiSites("auth forward "+l.URL+"/verify?of=api {\ntimeout 300ms\n}"), "http://:$HTTP {", "http://:$HTTP {\nlog\n", 1))
	for _, c := range []call{
		{streamsPath, "", 401},
		{streamsPath, "Cookie: login=s3cret", 200},
		{streamsPath, "Authorization: Bearer s3cret", 200},
		{streamsPath, "Authorization: Bearer wrong", 401},
		{streamsPath + "?token=s3cret", "", 200},
		{streamsPath + "?callback=f&token=s3cret", "", 200},
		{streamsPath + "?callback=f", "", 401},
		{streamsPath, "Accept: text/html", 302},
		{streamsPath, "X-Fault: yes", 503},
		{streamsPath, "X-Slow: yes", 504},
		{streamsPath, "Upgrade: websocket\nConnection: Upgrade\nCookie: login=s3cret", 200},
		{"/other", "", 299},
	} {
		resp := b.do(http.MethodGet, c)
		if resp.StatusCode != c.want {
			t.Errorf("%s with %q: %s, want %d", c.url, c.header, resp.Status, c.want)
		}
	}
	resp := b.do(http.MethodGet, call{url: streamsPath, header: "Origin: https://console.example.com"})
	if status, body := text(t, resp); status != 401 || body != "log in, s3cret\n" || resp.Header.Get("WWW-Authenticate") == "" ||
		resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("what the login says arrives as %d %q %v", status, body, resp.Header)
	}
	if resp := b.do(http.MethodGet, call{url: streamsPath, header: "Accept: text/html"}); resp.Header.Get("Location") != "https://login.example.com/?of=s3cret" {
		t.Errorf("the redirect leads to %q", resp.Header.Get("Location"))
	}

	b.do(http.MethodPost, call{url: streamsPath + "?start=1", header: "X-Forwarded-For: 198.51.100.7\nX-Forwarded-Uri: /forged\nX-Forwarded-Method: PUT"})
	q, _ := l.last()
	for name, want := range map[string]string{
		"X-Forwarded-Method": "POST", "X-Forwarded-Uri": streamsPath + "?start=1", "X-Forwarded-For": "127.0.0.1",
		"X-Forwarded-Proto": "http", "X-Forwarded-Host": "localhost:" + b.http, "Upgrade": "",
	} {
		if got := q.Header.Get(name); got != want {
			t.Errorf("the login is told %s: %q, want %q", name, got, want)
		}
	}
	if q.Method != http.MethodGet || q.RequestURI != "/verify?of=api" || q.Host != strings.TrimPrefix(l.URL, "http://") {
		t.Errorf("the login is asked %s %s of %s", q.Method, q.RequestURI, q.Host)
	}
	eventually(t, "the access log names the user", func() bool { return len(b.logged(`"user_id":"alice"`)) > 0 })
}

// TestAPIForwardPreflight: a preflight goes before the login, which is not asked.
func TestAPIForwardPreflight(t *testing.T) {
	b := newBed(t)
	l := newLogin(t, "s3cret", httptest.NewServer)
	b.load(apiSites("auth forward " + l.URL))
	resp := b.do(http.MethodOptions, call{url: "/api/v1/clients/abc", header: "Origin: https://console.example.com\nAccess-Control-Request-Method: DELETE"})
	if _, n := l.last(); resp.StatusCode != http.StatusOK || resp.Header.Get("Access-Control-Allow-Credentials") != "false" || n != 0 {
		t.Errorf("%s %v, the login was asked %d times", resp.Status, resp.Header, n)
	}
}

// TestAPIForwardTLS verifies the login's certificate, against the system's authorities or those of trust_pool.
func TestAPIForwardTLS(t *testing.T) {
	b := newBed(t)
	l := newLogin(t, "s3cret", httptest.NewTLSServer)
	pool := filepath.Join(t.TempDir(), "ca.pem")
	must(os.WriteFile(pool, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.Certificate().Raw}), 0o600))
	for options, want := range map[string]int{
		"": http.StatusBadGateway,
		"tls {\ntrust_pool file " + pool + "\nserver_name example.com\n}": http.StatusOK,
		"tls {\ntrust_pool file " + pool + "\nserver_name example.org\n}": http.StatusBadGateway,
		"tls {\ninsecure_skip_verify\n}":                                  http.StatusOK,
	} {
		b.load(apiSites("auth forward " + l.URL + " {\n" + options + "\n}"))
		if resp := b.do(http.MethodGet, call{url: streamsPath, header: "Cookie: login=s3cret"}); resp.StatusCode != want {
			t.Errorf("%q: %s, want %d", options, resp.Status, want)
		}
	}
}

// TestAPISeveral: any of several kinds admits, and what the last says is the answer to all others.
func TestAPISeveral(t *testing.T) {
	b := newBed(t)
	first, second := newLogin(t, "one", httptest.NewServer), newLogin(t, "two", httptest.NewServer)
	b.load(apiSites(fmt.Sprintf("auth token t0ken\nauth provider doorman bob\nauth basic alice %s\nauth forward %s\nauth forward http://127.0.0.1:1\nauth forward %s",
		passwordHash, first.URL, second.URL)))
	for _, c := range []call{
		{streamsPath, "Authorization: Bearer t0ken", 200},
		{streamsPath, "X-Name: bob", 200},
		{streamsPath, basic("alice", "pass:with:colon"), 200},
		{streamsPath, "Cookie: login=one", 200},
		{streamsPath, "X-Name: fault\nCookie: login=two", 200},
		{streamsPath, "X-Name: eve\nCookie: login=three", 401},
		{streamsPath, "", 401},
	} {
		_, before := second.last()
		resp := b.do(http.MethodGet, c)
		status, body := text(t, resp)
		if status != c.want || status == 401 && body != "log in, two\n" {
			t.Errorf("%q: %d %q, want %d", c.header, status, body, c.want)
		}
		if _, n := second.last(); c.header == "Cookie: login=one" && n != before {
			t.Error("the second login was asked although the first has admitted")
		}
	}
	eventually(t, "the log tells of the login that is not there", func() bool { return len(b.logged("a login could not be asked")) > 0 })
}

// TestAPIProvider: any authentication provider of Caddy's decides.
func TestAPIProvider(t *testing.T) {
	b := newBed(t)
	b.load(apiSites("auth provider doorman bob"))
	for _, c := range []call{
		{streamsPath, "X-Name: bob", 200},
		{streamsPath, "X-Name: eve", 401},
		{streamsPath, "X-Name: fault", 401},
		{streamsPath + "?callback=f", "X-Name: bob", 200},
	} {
		if resp := b.do(http.MethodGet, c); resp.StatusCode != c.want {
			t.Errorf("%q: %s, want %d", c.header, resp.Status, c.want)
		}
	}
	// One that has no form for the Caddyfile is given as JSON.
	b.load(apiSites("auth provider http_basic `{\"accounts\": [{\"username\": \"alice\", \"password\": \"" + passwordHash + "\"}], \"hash_cache\": {}}`"))
	for _, c := range []call{
		{streamsPath, basic("alice", "pass:with:colon"), 200},
		{streamsPath, basic("alice", "pass"), 401},
	} {
		if resp := b.do(http.MethodGet, c); resp.StatusCode != c.want {
			t.Errorf("%q: %s, want %d", c.header, resp.Status, c.want)
		}
	}
}

// TestAPIForgery: a page of another site may make a browser send the credentials that it keeps. They count for nothing
// where the page could read the answer, or change something.
func TestAPIForgery(t *testing.T) {
	const page, own = "\nSec-Fetch-Site: cross-site", "\nSec-Fetch-Site: same-origin"
	cookie, password := "Cookie: login=s3cret", basic("alice", "pass:with:colon")
	b := newBed(t)
	l := newLogin(t, "s3cret", httptest.NewServer)
	for name, test := range map[string]struct {
		options, credential string
		refused             int
	}{
		"forward": {"auth forward " + l.URL, cookie, 401},
		"basic":   {"auth basic alice " + passwordHash, password, 401},
		"by_site": {"auth by_site", password, 403},
	} {
		b.load(apiSites(test.options))
		jsonp := streamsPath + "?callback=f"
		for _, c := range []call{
			{streamsPath, test.credential + page, 200}, // which the page cannot read
			{jsonp, test.credential + page, test.refused},
			{jsonp, test.credential + "\nReferer: https://evil.example.com/", test.refused},
			{jsonp, test.credential + "\nHost: api.example.com", test.refused}, // not encrypted, it might be a browser
			{jsonp, test.credential + own, 200},
			{jsonp, test.credential + "\nReferer: http://localhost:$HTTP/console/", 200},
			{jsonp, test.credential, 200},
		} {
			if resp := b.do(http.MethodGet, c); resp.StatusCode != c.want {
				t.Errorf("%s: GET %s with %q: %s, want %d", name, c.url, c.header, resp.Status, c.want)
			}
		}
		for _, c := range []call{
			{"/api/v1/hooks/deliveries/1/replay", test.credential + "\nOrigin: https://evil.example.com", test.refused},
			{"/api/v1/hooks/deliveries/1/replay", test.credential + page, test.refused},
			{"/api/v1/hooks/deliveries/1/replay", test.credential, 404},
			{"/api/v1/hooks/deliveries/1/replay", test.credential + own, 404},
		} {
			if resp := b.do(http.MethodPost, c); resp.StatusCode != c.want {
				t.Errorf("%s: POST with %q: %s, want %d", name, c.header, resp.Status, c.want)
			}
		}
		if resp := b.do(http.MethodGet, call{jsonp + "&method=DELETE", test.credential, 0}); resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: JSONP that changes: %s", name, resp.Status)
		}
	}
}

// TestAPIPassword: a password that is long is not compared, nor kept in the cache of what was.
func TestAPIPassword(t *testing.T) {
	b := newBed(t)
	b.load(apiSites("auth basic alice " + passwordHash))
	resp := b.do(http.MethodGet, call{url: streamsPath, header: basic("alice", strings.Repeat("x", 4000))})
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("%s", resp.Status)
	}
	began := time.Now()
	for range 20 {
		if resp := b.do(http.MethodGet, call{url: streamsPath, header: basic("alice", "pass:with:colon")}); resp.StatusCode != http.StatusOK {
			t.Fatalf("%s", resp.Status)
		}
	}
	t.Logf("20 requests with the password took %s", time.Since(began))
}

// TestBadAPIAuth: what cannot work does not load.
func TestBadAPIAuth(t *testing.T) {
	b := newBed(t)
	for json, want := range map[string]string{
		`{"forward":[{"url":""}]}`:                                     "needs the URL",
		`{"forward":[null]}`:                                           "needs the URL",
		`{"forward":[{"url":"ftp://x"}]}`:                              "http://",
		`{"forward":[{"url":"http://u:p@x"}]}`:                         "has no user",
		`{"forward":[{"url":"http://x","timeout":"31s"}]}`:             "between 0 and 30s",
		`{"forward":[{"url":"https://x","tls":{"ca":{"x":1}}}]}`:       "TLS client config",
		`{"providers":{"nobody":{}}}`:                                  "loading providers",
		`{"providers":{"http_basic":{"accounts":[{"username":"a"}]}}}`: "loading providers",
		`{}`:                       "needs an auth",
		`null`:                     "needs an auth",
		`{"tokens":[]}`:            "needs an auth",
		`{"loopback":false}`:       "needs an auth",
		`{"providers":{}}`:         "needs an auth",
		`{"unknown":["loopback"]}`: "unknown",
	} {
		config := strings.Replace(string(b.json(apiSites("auth loopback"))), `{"loopback":true}`, json, 1)
		if err := caddy.Load([]byte(config), true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", json, err, want)
		}
	}
}
