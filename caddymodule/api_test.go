package caddymodule_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/caddymodule"
)

// A call is a request to the API and the status that answers it.
type call struct {
	url    string // what follows the host; with a scheme and a host only where they matter
	header string // "Name: value", several with a line each
	want   int
}

// passwordHash is that of "pass:with:colon", as cheap as bcrypt can be.
const passwordHash = "$2a$04$xwNulD27Qv6K2FOr69aupubHXz/XIA64SgIIsorCzyGatw/TqLGKC"

const streamsPath = "/api/v1/streams/"

// do makes a call over http, from the loopback.
func (b *bed) do(method string, c call) *answer {
	b.t.Helper()
	url := c.url
	if strings.HasPrefix(url, "/") {
		url = "http://localhost:" + b.http + url
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, strings.ReplaceAll(url, "$HTTPS", b.https), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for line := range strings.Lines(c.header) {
		name, value, _ := strings.Cut(strings.ReplaceAll(line, "$HTTP", b.http), ":")
		value = strings.TrimSpace(value)
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Add(name, value)
	}
	client := httpClient(b.t)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return ask(b.t, client, req)
}

// apiSites mounts the API with the given options on two sites: http for any host name, and https for localhost.
func apiSites(options string) string {
	site := "\nrtmp_api {\n" + options + "\n}\nrespond next 299\n}\n"
	return "{\n$OPTIONS\nrtmp {\nserver 127.0.0.1:$RTMP\n}\n}\nhttp://:$HTTP {" + site + "https://localhost:$HTTPS {\n$TLS" + site
}

// basic returns the header of basic authentication.
func basic(user, password string) string {
	req := &http.Request{Header: make(http.Header)}
	req.SetBasicAuth(user, password)
	return "Authorization: " + req.Header.Get("Authorization")
}

func TestAPIAuth(t *testing.T) {
	t.Setenv("API_TOKEN", "t0ken")
	tests := map[string]struct {
		options string
		calls   []call
	}{
		"loopback": {"auth loopback", []call{
			{streamsPath, "", 200},
			{"/api", "", 200},
			{"https://localhost:$HTTPS" + streamsPath, "", 200},
			{streamsPath, "Host: localhost:$HTTP", 200},
			{streamsPath, "Host: 127.0.0.1:$HTTP", 200},
			{streamsPath, "Host: [::1]:$HTTP", 200},
			{streamsPath, "Host: console.localhost", 200},
			{streamsPath, "Origin: http://localhost:$HTTP", 200},
			{streamsPath, "Sec-Fetch-Site: same-origin", 200},
			{streamsPath, "Sec-Fetch-Site: none", 200},
			{streamsPath, "X-Forwarded-For: 127.0.0.1", 403},
			{streamsPath, "X-Forwarded-For: ", 403},
			{streamsPath, "Forwarded: for=127.0.0.1", 403},
			{streamsPath, "X-Forwarded-Host: localhost", 403},
			{streamsPath, "X-Forwarded-Proto: https", 403},
			{streamsPath, "X-Real-IP: 127.0.0.1", 403},
			{streamsPath, "Via: 1.1 proxy", 403},
			{streamsPath, "Host: evil.example.com", 403},
			{streamsPath, "Host: localhost.evil.example.com", 403},
			{streamsPath, "Host: 192.0.2.1", 403},
			{streamsPath, "Origin: https://evil.example.com", 403},
			{streamsPath, "Origin: https://localhost:$HTTP", 403}, // another origin than http
			{streamsPath, "Origin: null", 403},
			{streamsPath, "Sec-Fetch-Site: cross-site", 403},
			{streamsPath, "Sec-Fetch-Site: same-site", 403},
			{streamsPath + "?callback=f", "", 403},
			{streamsPath + "?callback=", "", 403},
		}},
		"token": {"auth token {env.API_TOKEN} second", []call{
			{streamsPath, "", 401},
			{streamsPath, "Authorization: Bearer t0ken", 200},
			{streamsPath, "Authorization: bearer t0ken", 200},
			{streamsPath, "Authorization: Bearer second", 200},
			{streamsPath + "?token=t0ken", "", 200},
			{streamsPath, "Authorization: Bearer wrong", 401},
			{streamsPath, "Authorization: Bearer", 401},
			{streamsPath, "Authorization: Basic t0ken", 401},
			{streamsPath + "?token=T0KEN", "", 401},
			{streamsPath + "?token=", "", 401},
			{streamsPath + "?token={env.API_TOKEN}", "", 401},
			{streamsPath + "?callback=f", "", 401},
			{streamsPath + "?callback=f&token=t0ken", "", 200},
			{streamsPath, "X-Forwarded-For: 198.51.100.7\nAuthorization: Bearer t0ken", 200},
			{streamsPath, "Origin: https://console.example.com\nAuthorization: Bearer t0ken", 200},
		}},
		"an empty token": {"auth token {env.NOT_SET_AT_ALL}", []call{
			{streamsPath, "", 401},
			{streamsPath + "?token=", "", 401},
			{streamsPath, "Authorization: Bearer ", 401},
			{streamsPath + "?token={env.NOT_SET_AT_ALL}", "", 401},
		}},
		"loopback or token": {"auth loopback\nauth token {env.API_TOKEN}", []call{
			{streamsPath, "", 200},
			{streamsPath, "X-Forwarded-For: 198.51.100.7", 401},
			{streamsPath, "X-Forwarded-For: 198.51.100.7\nAuthorization: Bearer t0ken", 200},
		}},
		"loopback or no token": {"auth loopback\nauth token {env.NOT_SET_AT_ALL}", []call{
			{streamsPath, "", 200},
			{streamsPath + "?token=", "X-Forwarded-For: 198.51.100.7", 403},
		}},
		"basic": {"auth basic alice " + passwordHash, []call{
			{streamsPath, "", 401},
			{streamsPath, basic("alice", "pass:with:colon"), 200},
			{streamsPath, basic("alice", "pass"), 401},
			{streamsPath, basic("bob", "pass:with:colon"), 401},
			{streamsPath, basic("alice", ""), 401},
			{streamsPath + "?token=", "", 401},
		}},
		"basic or token": {"auth basic {\nalice " + passwordHash + "\n}\nauth token t0ken", []call{
			{streamsPath, "", 401},
			{streamsPath, basic("alice", "pass:with:colon"), 200},
			{streamsPath, "Authorization: Bearer t0ken", 200},
			{streamsPath + "?token=t0ken", "", 200},
		}},
		"by_site": {"auth by_site", []call{
			{streamsPath, "", 200},
			{streamsPath, "X-Forwarded-For: 198.51.100.7\nOrigin: https://example.com", 200},
			{"/api/v1/none", "", 404},
		}},
		"paths of others": {"auth token t0ken", []call{
			{"/", "", 299},
			{"/apis/v1/streams", "", 299},
			{"/live/demo.flv", "", 299},
			{"/api", "", 401},
			{"/api/anything", "", 401},
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.load(apiSites(test.options))
			for _, c := range test.calls {
				resp := b.do(http.MethodGet, c)
				if resp.StatusCode != c.want {
					t.Errorf("%s with %q: %s, want %d", c.url, c.header, resp.Status, c.want)
				}
				if c.want == http.StatusUnauthorized && resp.Header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s with %q: 401 without a challenge", c.url, c.header)
				}
				if c.want != 299 && resp.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s with %q: the answer may be cached", c.url, c.header)
				}
			}
		})
	}
}

// TestAPIEmptyTokenIsWarnedOf: an API that answers nobody is hardly meant.
func TestAPIEmptyTokenIsWarnedOf(t *testing.T) {
	for options, want := range map[string]int{"auth token {env.NOT_SET_AT_ALL}": 2, "auth loopback\nauth token {env.NOT_SET_AT_ALL}": 0} {
		b := newBed(t)
		b.load(apiSites(options))
		if n := len(b.logged("token is empty and admits nobody")); n != want {
			t.Errorf("%q: %d warnings, want %d, one of each site", options, n, want)
		}
	}
}

// TestAPIPreflight: a browser asks without credentials whether it may send them.
func TestAPIPreflight(t *testing.T) {
	b := newBed(t)
	b.load(apiSites("auth token t0ken"))
	resp := b.do(http.MethodOptions, call{
		url:    "/api/v1/clients/abc",
		header: "Origin: https://console.example.com\nAccess-Control-Request-Method: DELETE\nAccess-Control-Request-Headers: authorization",
	})
	if resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Access-Control-Allow-Methods"), "DELETE") ||
		!strings.Contains(resp.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("the preflight is answered %s with %v", resp.Status, resp.Header)
	}
	if _, body := text(t, resp); body != "" {
		t.Errorf("the preflight shows %q", body)
	}
	resp = b.do(http.MethodGet, call{url: streamsPath, header: "Origin: https://console.example.com"})
	if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("without a token: %s with %v, want a refusal that the page can read", resp.Status, resp.Header)
	}
}

// TestAPIKick: clients are ended by who proves something, and by JSONP, which any page can send, only with a token.
func TestAPIKick(t *testing.T) {
	b := newBed(t)
	b.load(apiSites("auth loopback\nauth token t0ken\nauth basic alice " + passwordHash))
	p := publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 1)
	path := "/api/v1/clients/" + slices.Collect(maps.Keys(b.sessions()))[0]
	for _, c := range []call{
		{path, "X-Forwarded-For: 198.51.100.7", 401},
		{path, "Sec-Fetch-Site: cross-site", 401},
		{path, "X-Forwarded-For: 198.51.100.7\nAuthorization: Bearer wrong", 401},
	} {
		if resp := b.do(http.MethodDelete, c); resp.StatusCode != c.want {
			t.Errorf("DELETE with %q: %s, want %d", c.header, resp.Status, c.want)
		}
	}
	for _, c := range []call{
		{path + "?callback=f&method=DELETE", "", 401},
		{path + "?callback=f&method=DELETE&token=wrong", "", 401},
		{path + "?method=DELETE", "", 200}, // which is a GET
	} {
		if resp := b.do(http.MethodGet, c); resp.StatusCode != c.want {
			t.Errorf("GET %s: %s, want %d", c.url, resp.Status, c.want)
		}
	}
	if len(b.sessions()) != 1 {
		t.Fatal("somebody has ended the publisher")
	}
	resp := b.do(http.MethodGet, call{url: path + "?callback=f&method=DELETE&token=t0ken"})
	if status, body := text(t, resp); status != http.StatusOK || !strings.HasPrefix(body, `f({"code":0`) {
		t.Errorf("JSONP with a token: %d %s", status, body)
	}
	p.awaitEnd()
}

// TestAPIBySiteJSONP: a page that makes a browser send the site's own credentials must not change anything.
func TestAPIBySiteJSONP(t *testing.T) {
	b := newBed(t)
	b.load(apiSites("auth by_site"))
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 1)
	for id := range b.sessions() {
		resp := b.do(http.MethodGet, call{url: "/api/v1/clients/" + id + "?callback=f&method=DELETE"})
		if resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("JSONP: %s", resp.Status)
		}
	}
	if len(b.sessions()) != 1 || caddymodule.References() != 1 {
		t.Error("the publisher was ended")
	}
}
