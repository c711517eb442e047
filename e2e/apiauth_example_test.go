package e2e

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
)

// loginSecret is what the tests' login wants to see, as a token in the header or in the URL.
const loginSecret = "s3cret"

// login is a site's login, by the rules of forward_auth. It counts nobody in but by what callers send of their own accord.
func login(t *testing.T) string {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uri, err := url.ParseRequestURI(r.Header.Get("X-Forwarded-Uri"))
		inURL := err == nil && uri.Query().Get("token") == loginSecret
		if r.URL.Path == "/api/verify" && (inURL || r.Header.Get("Authorization") == "Bearer "+loginSecret) {
			w.Header().Set("Remote-User", "alice")
			return
		}
		http.Error(w, "log in first", http.StatusUnauthorized)
	}))
	t.Cleanup(site.Close)
	return site.URL
}

// TestAPIAuthExamples runs the Caddyfiles of examples/api-auth, but those that want a plugin: without credentials, with
// wrong and with right ones, with a preflight, by JSONP, and kicks.
func TestAPIAuthExamples(t *testing.T) {
	t.Parallel()
	const password, hash = "pass:with:colon", "$2a$04$xwNulD27Qv6K2FOr69aupubHXz/XIA64SgIIsorCzyGatw/TqLGKC"
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	site := login(t)
	for name, c := range map[string]struct {
		right  string // Authorization
		wrong  string
		token  string // by which JSONP comes in
		refuse int
		kicks  bool // by JSONP too
	}{
		"loopback":        {refuse: http.StatusForbidden},
		"token":           {"Bearer " + apiToken, "Bearer " + apiToken + "!", apiToken, http.StatusUnauthorized, true},
		"basic":           {basic("alice:" + password), basic("alice:pass"), "", http.StatusUnauthorized, false},
		"forward":         {"Bearer " + loginSecret, "Bearer other", loginSecret, http.StatusUnauthorized, false},
		"by-site-basic":   {basic("alice:" + password), basic("alice:pass"), "", http.StatusUnauthorized, false},
		"by-site-forward": {"Bearer " + loginSecret, "Bearer other", loginSecret, http.StatusUnauthorized, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := os.ReadFile("../examples/api-auth/" + name + ".Caddyfile")
			if err != nil {
				t.Fatal(err)
			}
			s := newServer(t, string(config))
			where := site
			if name == "forward" {
				where += "/api/verify"
			}
			s.env = append(s.env, "API_USER=alice", "API_HASH="+hash, "LOGIN="+where)
			s.run()
			page := "https://console.example.com"
			s.callAPI(http.MethodGet, "/streams/", "", page, c.refuse, "")
			s.callAPI(http.MethodOptions, "/streams/", "", page, http.StatusOK, "")
			if c.right == "" {
				s.callAPI(http.MethodGet, "/streams/", "", "", http.StatusOK, `{"code":0,`)
				return
			}
			s.callAPI(http.MethodGet, "/streams/", "", "", c.refuse, "")
			s.callAPI(http.MethodGet, "/streams/", c.wrong, page, c.refuse, "")
			s.callAPI(http.MethodGet, "/streams/", c.right, page, http.StatusOK, `{"code":0,`)
			s.callAPI(http.MethodDelete, "/clients/nobody99?ban=10m", c.right, page, http.StatusOK, `{"code":2049}`)
			s.callAPI(http.MethodDelete, "/clients/nobody99", c.wrong, page, c.refuse, "")
			s.callAPI(http.MethodGet, "/streams/?callback=cb", "", page, c.refuse, "")
			if c.token == "" {
				return
			}
			query := "?callback=cb&token=" + url.QueryEscape(c.token)
			s.callAPI(http.MethodGet, "/streams/"+query, "", page, http.StatusOK, `cb({"code":0,`)
			s.callAPI(http.MethodGet, "/streams/"+query+"x", "", page, c.refuse, "")
			if c.kicks {
				s.callAPI(http.MethodGet, "/clients/nobody99"+query+"&method=DELETE", "", page, http.StatusOK, `cb({"code":2049})`)
			} else {
				s.callAPI(http.MethodGet, "/clients/nobody99"+query+"&method=DELETE", "", page, http.StatusMethodNotAllowed, "")
			}
		})
	}
}

// callAPI makes a request as a page of an origin does, and checks the status and how the answer begins.
func (s *server) callAPI(method, path, authorization, origin string, status int, prefix string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url("https", "/api/v1"+path), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, value := range map[string]string{"Authorization": authorization, "Origin": origin} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if origin != "" {
		req.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	resp, err := s.browser(http2).Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != status || !strings.HasPrefix(string(body), prefix) {
		s.t.Errorf("%s %s with %q: %s %.200s, want %d %s", method, path, authorization, resp.Status, body, status, prefix)
	}
	if status == http.StatusOK && origin != "" && resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		s.t.Errorf("%s %s: the page may not read it", method, path)
	}
}
