package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// authenticated is a Caddyfile with an app for each authenticator. It needs the URL of a login and the file of its CA.
const authenticated = `{
	http_port {$HTTP_PORT}
	https_port {$HTTPS_PORT}
	skip_install_trust

	rtmp {
		on_reload reauthorize
		server :{$RTMP_PORT}
		server :{$RTMPS_PORT} {
			tls localhost
		}
		app token {
			publish {
				RULE
			}
			play {
				RULE
			}
		}
	}
}

http://localhost {
	rtmp_play
}

https://localhost {
	rtmp_play
	rtmp_api /api/* {
		auth loopback
	}
}
`

// rules are the authenticators by app. LOGIN is the login's URL, CA the file of its authority.
var rules = map[string]string{
	"token":  "authenticate token {\nsecret master\nkey cam1 right\nkey cam2 other\n}",
	"jwt":    "authenticate jwt {\njwks LOGIN/jwks {\ntls {\ntrust_pool file CA\n}\n}\nissuer e2e\ncookie session\n}",
	"signed": "authenticate signed_url {\nsecret old right\n}",
	// The password is "hiccup".
	"basic":   "authenticate basic alice $2a$04$tf.sNvo5z5bceqSnlnqaR.Xd6pIMNCU/J1ABorAXgK4i1QW2.LcuW",
	"forward": "authenticate forward LOGIN/verify {\ntls {\ntrust_pool file CA\n}\n}",
}

// A door is a login of a site, over HTTPS with an authority of its own, that issues tokens as well.
type door struct {
	*httptest.Server
	key *rsa.PrivateKey
	ca  string
}

func newDoor(t *testing.T) *door {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	d := &door{key: key, ca: filepath.Join(t.TempDir(), "ca.pem")}
	mux := http.NewServeMux()
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		encode := base64.RawURLEncoding.EncodeToString
		_, _ = fmt.Fprintf(w, `{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"1","n":%q,"e":%q}]}`,
			encode(key.N.Bytes()), encode(big.NewInt(int64(key.E)).Bytes()))
	})
	mux.HandleFunc("/verify", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.Header.Get("X-Forwarded-Uri"), "door=open"), r.Header.Get("Cookie") == "door=open":
			w.Header().Set("Remote-User", "alice")
		case strings.Contains(r.Header.Get("X-Forwarded-Uri"), "door=shut"):
			w.WriteHeader(http.StatusForbidden)
		default:
			http.Redirect(w, r, "/login", http.StatusFound)
		}
	})
	d.Server = httptest.NewTLSServer(mux)
	t.Cleanup(d.Close)
	block := &pem.Block{Type: "CERTIFICATE", Bytes: d.Certificate().Raw}
	if err := os.WriteFile(d.ca, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// token issues a token.
func (d *door) token(t *testing.T, action, stream string, lifetime time.Duration) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": "e2e", "action": action, "stream": stream, "exp": time.Now().Add(lifetime).Unix(), "sub": "alice",
	})
	token.Header["kid"] = "1"
	signed, err := token.SignedString(d.key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// config returns the Caddyfile with an app for each of the rules.
func (d *door) config(rules map[string]string) string {
	head, rest, _ := strings.Cut(authenticated, "\t\tapp token {")
	app, foot, _ := strings.Cut(rest, "\n\t\t}\n")
	var apps strings.Builder
	for name, rule := range rules {
		rule = strings.NewReplacer("LOGIN", d.URL, "CA", d.ca).Replace(rule)
		apps.WriteString("\t\tapp " + name + " {" + strings.ReplaceAll(app, "RULE", rule) + "\n\t\t}\n")
	}
	return head + apps.String() + foot
}

// signed returns what "caddy rtmp sign-url" adds to a URL.
func (s *server) signed(secret string, args ...string) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		s.t.Fatal(err)
	}
	output, err := s.caddy(append([]string{"rtmp", "sign-url", "--secret-file", file}, args...)...)
	if err != nil {
		s.t.Fatalf("%v: %s", err, output)
	}
	_, query, _ := strings.Cut(strings.TrimSpace(output), "?")
	return query
}

// An entrance is what opens an app for publishing and for playing cam1, what does not, and how a client is told.
type entrance struct {
	publish, play string   // queries that are right
	header        []string // a header that is right for playing, by name and value
	wrong         []string // queries that are not authenticated
	denied        []string // queries that are authenticated, but not for this
	why           string   // what a client is told that brings nothing
	challenge     string
}

// TestAuthenticate opens an app for each authenticator, by all protocols, with what is right and with what is not.
func TestAuthenticate(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	s := serve(t, d.config(rules))
	basicHeader := "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:hiccup"))
	entrances := map[string]entrance{
		"token": {
			publish: "token=right", play: "token=master", header: []string{"Authorization", "Bearer right"},
			wrong: []string{"token=other", "token=", "token=rightt", "key=right"}, why: "a token is needed", challenge: "Bearer",
		},
		"jwt": {
			publish: "token=" + d.token(t, "publish", "cam1", time.Hour), play: "token=" + d.token(t, "play", "/jwt/cam*", time.Hour),
			header: []string{"Cookie", "session=" + d.token(t, "publish play", "*", time.Hour)},
			wrong:  []string{"token=x.y.z", "token=" + d.token(t, "*", "cam1", -time.Hour)},
			denied: []string{"token=" + d.token(t, "*", "cam2", time.Hour), "token=" + d.token(t, "none", "cam1", time.Hour)},
			why:    "a token is needed", challenge: "Bearer",
		},
		"signed": {
			publish: s.signed("right", "--publish", "rtmp://localhost/signed/cam1"), play: s.signed("old", "rtmp://localhost/signed/cam1"),
			wrong: []string{s.signed("wrong", "rtmp://localhost/signed/cam1"), s.signed("right", "rtmp://localhost/signed/cam2"), "exp=1&sig=00"},
			why:   "a signed URL is needed", challenge: "Bearer",
		},
		"basic": {
			publish: "user=alice&pass=hiccup", play: "user=alice&pass=hiccup", header: []string{"Authorization", basicHeader},
			wrong: []string{"user=alice&pass=cough", "user=alice"}, why: "you must log in", challenge: `Basic realm="stream"`,
		},
		"forward": {
			publish: "door=open", play: "door=open", header: []string{"Cookie", "door=open"},
			wrong: []string{"door=ajar"}, denied: []string{"door=shut"}, why: "you must log in", challenge: "Bearer",
		},
	}
	for app, e := range entrances {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			s.on(t).tryEntrance(app, e)
		})
	}
}

func (s *server) tryEntrance(app string, e entrance) {
	address := s.url("rtmp", "/"+app+"/cam1")
	for _, query := range append(append([]string{""}, e.wrong...), e.denied...) {
		why := ""
		if query == "" {
			why = e.why
		}
		checkRefusal(s.t, s.publishOnce(address+"?"+query), "NetStream.Publish.Denied", why)
		checkRefusal(s.t, s.playOnce(address+"?"+query), "NetStream.Play.Failed", why)
	}
	s.publish(address + "?" + e.publish)
	if err := s.playOnce(s.url("rtmps", "/"+app+"/cam1?"+e.play)); err != nil {
		s.t.Errorf("RTMP: %v", err)
	}
	for _, ending := range []string{".flv", ".ts", ".m3u8", "/index.m3u8"} {
		path := "/" + app + "/cam1" + ending
		s.isAnswered(path+"?"+e.play, http.StatusOK)
		if len(e.header) > 0 {
			s.isAnswered(path, http.StatusOK, e.header...)
		}
		for _, query := range append([]string{""}, e.wrong...) {
			header := s.isAnswered(path+"?"+query, http.StatusUnauthorized)
			if !strings.HasPrefix(header.Get("WWW-Authenticate"), e.challenge) || header.Get("Access-Control-Allow-Origin") != "*" {
				s.t.Errorf("%s: the header is %v", path, header)
			}
		}
		for _, query := range e.denied {
			s.isAnswered(path+"?"+query, http.StatusForbidden)
		}
	}
	if app == "jwt" || app == "signed" { // of which publishing is not playing
		s.isAnswered("/"+app+"/cam1.flv?"+e.publish, map[string]int{"jwt": http.StatusForbidden, "signed": http.StatusUnauthorized}[app])
	}
	for _, secret := range []string{"=right", "hiccup", "master"} {
		if strings.Contains(s.out.String(), secret) {
			s.t.Errorf("the log holds %q", secret)
		}
	}
}

// isAnswered checks the status of an answer, and returns its header.
func (s *server) isAnswered(path string, want int, header ...string) http.Header {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url("https", path), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.browser(http1).Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != want {
		s.t.Errorf("%s with %q is answered %d, want %d", path, header, resp.StatusCode, want)
	}
	return resp.Header
}

// TestLifetimes: a publisher ends with its URL, a viewer with its token, and both with what a reload takes away.
func TestLifetimes(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	s := serve(t, d.config(rules))
	brief := s.publish(s.url("rtmp", "/signed/cam1?"+s.signed("right", "--publish", "--for", "6s", "rtmp://localhost/signed/cam1")))
	s.publish(s.url("rtmp", "/jwt/cam1?token="+d.token(t, "publish", "cam1", time.Hour)))
	viewer := s.watch(http1, s.url("https", "/jwt/cam1.flv?token="+d.token(t, "play", "cam1", 4*time.Second)))
	viewer.ended(t, patience)
	if err := brief.wait(t, patience); err == nil {
		t.Error("the encoder did not hear that its URL has expired")
	}
	for _, want := range []line{
		{"msg": "play ended", "app": "jwt", "reason": "permission expired"},
		{"msg": "publish ended", "app": "signed", "reason": "permission expired"},
	} {
		s.awaitLog(1, want)
	}

	fired, stays := s.publish(s.url("rtmp", "/token/cam1?token=right")), s.publish(s.url("rtmp", "/token/cam2?token=other"))
	with := strings.Replace(d.config(rules), "key cam1 right", "key cam1 changed", 2)
	blocked := fmt.Sprintf("http://localhost:%d {\n\trespond hello\n}\n", occupy(t))
	if _, err := s.reload(with + blocked); err == nil {
		t.Error("it loads with a port that is taken")
	}
	if n := len(s.log(line{"msg": "publish ended", "app": "token"})); n != 0 {
		t.Errorf("a reload that failed has ended %d publishers", n)
	}
	if output, err := s.reload(with); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if err := fired.wait(t, patience); err == nil {
		t.Error("the encoder did not hear that its key is gone")
	}
	lines := s.awaitLog(1, line{"msg": "publish ended", "app": "token"})
	if reason, _ := lines[0]["reason"].(string); !strings.Contains(reason, "the token is no longer valid") {
		t.Errorf("the reason is %q", reason)
	}
	if err := stays.running(); err != nil {
		t.Errorf("its neighbour: %v", err)
	}
	s.isAnswered("/jwt/cam1.flv?token="+d.token(t, "play", "cam1", time.Hour), http.StatusOK)
}

// TestSignedURLExample runs examples/signed-url.
func TestSignedURLExample(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile("../examples/signed-url/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, string(config))
	s.env = append(s.env, "SIGNING_SECRET=right")
	s.run()
	s.mustFail("a signed URL is needed", encoder(s.url("rtmp", "/live/test"))...)
	start(t, nil, "ffmpeg", encoder(s.url("rtmp", "/live/test?"+s.signed("right", "--publish", "rtmp://localhost/live/test")))...)
	s.awaitLog(1, line{"msg": "publish started"})
	s.isAnswered("/live/test.flv", http.StatusUnauthorized)
	s.isAnswered("/live/test.m3u8?"+s.signed("right", "--client", "127.0.0.1", "https://localhost/live/test.m3u8"), http.StatusOK)
}
