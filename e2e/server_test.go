package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// basic is a Caddyfile in the form of Caddyfile.example, with what tests change where they can find it.
const basic = `{
	http_port {$HTTP_PORT}
	https_port {$HTTPS_PORT}
	skip_install_trust

	rtmp {
		server :{$RTMP_PORT}
		server :{$RTMPS_PORT} {
			tls localhost
		}
		app live {
			hls {
				segment 1s
			}
		}
	}
}

http://localhost {
	rtmp_play /live/*
}

https://localhost {
	rtmp_play /live/*
	rtmp_api /api/* {
		auth loopback
		auth token {env.API_TOKEN}
	}
}
`

// apiToken admits callers of the API that are not on the loopback.
const apiToken = "a secret of the tests"

// in returns the Caddyfile basic with lines added to the block that begins with a line of the given text.
func in(block string, lines ...string) string { return with(basic, block, lines...) }

func with(config, block string, lines ...string) string {
	head, rest, ok := strings.Cut(config, block+" {\n")
	if !ok {
		panic("the Caddyfile has no block " + block)
	}
	return head + block + " {\n" + strings.Join(lines, "\n") + "\n" + rest
}

// lineOf returns the number of the line on which a text stands in a configuration.
func lineOf(config, text string) string {
	before, _, ok := strings.Cut(config, text)
	if !ok {
		panic("the Caddyfile has no " + text)
	}
	return strconv.Itoa(1 + strings.Count(before, "\n"))
}

// A server is a caddy process.
type server struct {
	t      testing.TB
	bin    string // the caddy
	dir    string
	config string // path of the Caddyfile
	env    []string
	*process

	admin, http, https, rtmp, rtmps int // ports

	trust *x509.CertPool
	name  string // that TLS asks for; empty is the one of the URL
}

// newServer prepares a server with folders and ports of its own.
func newServer(t testing.TB, config string) *server {
	t.Helper()
	p := freePorts(t, 5)
	s := &server{t: t, bin: caddyBin, dir: t.TempDir(), admin: p[0], http: p[1], https: p[2], rtmp: p[3], rtmps: p[4]}
	s.config = filepath.Join(s.dir, "Caddyfile")
	s.env = []string{
		"HOME=" + s.dir,
		"XDG_DATA_HOME=" + s.dir + "/data",
		"XDG_CONFIG_HOME=" + s.dir + "/config",
		"CADDY_ADMIN=127.0.0.1:" + strconv.Itoa(s.admin),
		"DOMAIN=localhost",
		"HTTP_PORT=" + strconv.Itoa(s.http),
		"HTTPS_PORT=" + strconv.Itoa(s.https),
		"RTMP_PORT=" + strconv.Itoa(s.rtmp),
		"RTMPS_PORT=" + strconv.Itoa(s.rtmps),
		"API_TOKEN=" + apiToken,
		"GORACE=halt_on_error=1",
	}
	s.write(config)
	s.skipCleaning()
	return s
}

// skipCleaning tells Caddy that its storage was cleaned just now. It would do so when it starts, and now and then take away
// the folder of a certificate that it is about to write there (certmagic v0.25.6), and try again after a minute only.
func (s *server) skipCleaning() {
	s.t.Helper()
	dir := filepath.Join(s.dir, "data", "caddy")
	cleaned := `{"tls":{"timestamp":"` + time.Now().UTC().Format(time.RFC3339) + `"}}`
	err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "last_clean.json"), []byte(cleaned), 0o600))
	if err != nil {
		s.t.Fatal(err)
	}
}

// serve starts a server and waits until it serves.
func serve(t testing.TB, config string) *server {
	t.Helper()
	s := newServer(t, config)
	s.run()
	return s
}

// write puts a Caddyfile in place of the one there is.
func (s *server) write(config string) {
	s.t.Helper()
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// run starts the process and waits until it listens and has its certificate.
func (s *server) run() {
	s.t.Helper()
	s.process = start(s.t, s.env, s.bin, "run", "--config", s.config, "--adapter", "caddyfile")
	s.t.Cleanup(s.end)
	eventually(s.t, "caddy is up", func() error {
		if err := s.running(); err != nil {
			return err
		}
		pem, err := os.ReadFile(s.rootCert())
		if err != nil {
			return err
		}
		s.trust = x509.NewCertPool()
		if !s.trust.AppendCertsFromPEM(pem) {
			return errors.New("no certificate in " + s.rootCert())
		}
		return errors.Join(s.greet(s.https), s.greet(s.rtmps))
	})
}

// rootCert is the path of the certificate of Caddy's own authority.
func (s *server) rootCert() string {
	return filepath.Join(s.dir, "data", "caddy", "pki", "authorities", "local", "root.crt")
}

// greet makes a TLS handshake.
func (s *server) greet(port int) error {
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Second}, Config: s.tls()}
	conn, err := dialer.DialContext(s.t.Context(), "tcp", s.address(port))
	if err == nil {
		conn.Close()
	}
	return err
}

// tls returns a configuration that trusts the server's own authority and no other.
func (s *server) tls() *tls.Config { return &tls.Config{RootCAs: s.trust, ServerName: s.name} }

// named returns the server for clients that ask for a name by TLS, whatever the URL says.
func (s *server) named(name string) *server {
	c := *s
	c.name = name
	return &c
}

// trusting is the environment of a program that is to verify the server's certificate and has no option for it.
func (s *server) trusting() []string {
	return []string{"LD_PRELOAD=" + trust, "TEST_CA_FILE=" + s.rootCert()}
}

// end stops the server, if it runs, and looks for what it must not have said.
func (s *server) end() {
	s.signal(syscall.SIGTERM)
	_ = s.wait(s.t, patience) // whose test it is has looked
	for _, l := range s.log(line{"level": "error"}) {
		if logger, _ := l["logger"].(string); strings.HasPrefix(logger, "rtmp") {
			s.t.Errorf("caddy logged the error %v", l)
		}
	}
	for _, bad := range []string{"DATA RACE", "panic:", `"panic"`, "goroutine "} {
		if strings.Contains(s.out.String(), bad) {
			s.t.Errorf("caddy said %q", bad)
		}
	}
}

// caddy runs another command of the binary.
func (s *server) caddy(args ...string) (output string, err error) {
	s.t.Helper()
	stdout, stderr, err := command(s.t, s.env, s.bin, args...)
	return string(stdout) + string(stderr), err
}

// reload puts a Caddyfile in force as a user does.
func (s *server) reload(config string) (output string, err error) {
	s.t.Helper()
	s.write(config)
	return s.caddy("reload", "--config", s.config, "--adapter", "caddyfile")
}

func (s *server) address(port int) string { return net.JoinHostPort("localhost", strconv.Itoa(port)) }

// url returns an URL of the server: its scheme says which of the ports.
func (s *server) url(scheme, path string) string {
	ports := map[string]int{"http": s.http, "https": s.https, "wss": s.https, "rtmp": s.rtmp, "rtmps": s.rtmps}
	return scheme + "://" + s.address(ports[scheme]) + path
}

// A line is one of Caddy's log.
type line map[string]any

// log returns the lines of the log so far for which all given fields are equal.
func (s *server) log(want line) []line {
	var found []line
	for text := range strings.Lines(s.out.String()) {
		var l line
		if json.Unmarshal([]byte(text), &l) == nil && l.has(want) {
			found = append(found, l)
		}
	}
	return found
}

func (l line) has(want line) bool {
	for k, v := range want {
		if l[k] != v {
			return false
		}
	}
	return true
}

// awaitLog waits for n lines.
func (s *server) awaitLog(n int, want line) []line {
	s.t.Helper()
	var lines []line
	eventually(s.t, fmt.Sprintf("%d log lines with %v", n, want), func() error {
		if lines = s.log(want); len(lines) != n {
			return fmt.Errorf("there are %d", len(lines))
		}
		return nil
	})
	return lines
}

var ports struct {
	sync.Mutex
	taken map[int]bool
}

// freePorts returns ports that nobody uses, by TCP and UDP. They are below those that the system gives to clients.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	if ports.taken == nil {
		ports.taken = make(map[int]bool)
	}
	var found []int
	for range 1000 {
		if p := 10000 + rand.IntN(20000); !ports.taken[p] && isFree(p) {
			ports.taken[p] = true
			if found = append(found, p); len(found) == n {
				return found
			}
		}
	}
	t.Fatal("no free ports")
	return nil
}

func isFree(port int) bool {
	address := ":" + strconv.Itoa(port)
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	udp.Close()
	return true
}

// api asks the API over HTTPS and decodes the answer into v. The error holds a status other than 200.
func (s *server) api(method, path string, v any) error {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url("https", "/api/v1"+path), nil)
	if err != nil {
		return err
	}
	client := s.browser(http1)
	defer client.CloseIdleConnections() // one that is kept would count as the server's load
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(v)
}
