package caddymodule_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddy-rtmp/caddy-rtmp/caddymodule"
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
)

// TestMain keeps Caddy's data away from the user's. Caddy has read the environment before, for its storage.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "caddymodule")
	must(err)
	defer func() { _ = os.RemoveAll(dir) }()
	for _, name := range []string{"HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"} {
		must(os.Setenv(name, dir))
	}
	caddy.DefaultStorage.Path = dir
	caddy.ConfigAutosavePath = filepath.Join(dir, "autosave.json")
	if config := os.Getenv(serveVariable); config != "" {
		return serve(config)
	}
	makeCertificate(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	return m.Run()
}

// makeCertificate writes a certificate for localhost, signed by itself. Caddy's own are for tests with a process of their
// own: getting them is a data race within Caddy (v2.11.9: tls.Start writes fields of the TLS app, which the certificates'
// events copy).
func makeCertificate(cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"localhost"},
		NotAfter:     time.Now().Add(time.Hour),
	}
	signed, err := x509.CreateCertificate(cryptorand.Reader, template, template, private.Public(), private)
	must(err)
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	must(err)
	must(os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), 0o600))
	must(os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// patience is how long a test waits for what must happen. Nothing waits for it to pass.
const patience = 20 * time.Second

// eventually polls until what is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// freePorts returns ports that nobody uses. They are below those that the system gives to clients, which could take them
// before Caddy does.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var found []string
	for range 1000 {
		port := strconv.Itoa(10000 + rand.IntN(20000))
		if !slices.Contains(found, port) && isFree(port) {
			if found = append(found, port); len(found) == n {
				return found
			}
		}
	}
	t.Fatal("no free ports")
	return nil
}

func isFree(port string) bool {
	tcp, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", ":"+port)
	if err != nil {
		return false
	}
	_ = udp.Close()
	return true
}

// A bed is a Caddy that runs in the test, on ports of its own.
type bed struct {
	t                        *testing.T
	rtmp, rtmps, http, https string
	log                      string // the file that Caddy logs to
}

func newBed(t *testing.T) *bed {
	t.Helper()
	p := freePorts(t, 4)
	b := &bed{t: t, rtmp: p[0], rtmps: p[1], http: p[2], https: p[3], log: filepath.Join(t.TempDir(), "log")}
	t.Cleanup(b.stop)
	return b
}

// stop stops Caddy and checks that nothing of ours is left.
func (b *bed) stop() {
	b.t.Helper()
	if err := caddy.Stop(); err != nil {
		b.t.Errorf("stop: %v", err)
	}
	if n := caddymodule.References(); n != 0 {
		b.t.Errorf("%d references to the engine are left", n)
	}
	eventually(b.t, "no goroutine is left", func() bool { return leftover() == "" })
}

// leftover returns a goroutine of ours that is no test's, or nothing.
func leftover() string {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(stack, "caddy-rtmp/caddy-rtmp/") && !strings.Contains(stack, "caddymodule_test") {
			return stack
		}
	}
	return ""
}

// caddyfile completes a Caddyfile: it puts the ports in for $RTMP, $RTMPS, $HTTP and $HTTPS, a certificate for localhost
// for $TLS, and global options that keep Caddy to itself where it says $OPTIONS.
func (b *bed) caddyfile(text string) string {
	options := "admin off\npersist_config off\nskip_install_trust\nauto_https disable_redirects\nhttps_port $HTTPS\n" +
		"log {\noutput file " + b.log + "\nformat json\nlevel DEBUG\n}\n"
	text = strings.ReplaceAll(text, "$OPTIONS", options)
	dir := caddy.DefaultStorage.Path
	text = strings.ReplaceAll(text, "$TLS", "tls "+filepath.Join(dir, "cert.pem")+" "+filepath.Join(dir, "key.pem"))
	return strings.NewReplacer("$RTMPS", b.rtmps, "$RTMP", b.rtmp, "$HTTPS", b.https, "$HTTP", b.http).Replace(text)
}

func (b *bed) tryLoad(text string) error {
	b.t.Helper()
	return caddy.Load(b.json(text), true)
}

// json returns what the adapter makes of a Caddyfile.
func (b *bed) json(text string) []byte {
	b.t.Helper()
	result, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(b.caddyfile(text)), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		b.t.Fatalf("adapt: %v", err)
	}
	return result
}

func (b *bed) load(text string) {
	b.t.Helper()
	if err := b.tryLoad(text); err != nil {
		b.t.Fatalf("load: %v", err)
	}
}

// logged returns the lines of the log that hold a text.
func (b *bed) logged(text string) []map[string]any {
	b.t.Helper()
	content, err := os.ReadFile(b.log)
	if err != nil {
		return nil
	}
	var lines []map[string]any
	for line := range bytes.Lines(content) {
		var fields map[string]any
		if bytes.Contains(line, []byte(text)) && json.Unmarshal(line, &fields) == nil {
			lines = append(lines, fields)
		}
	}
	return lines
}

// sessions returns all sessions by id.
func (b *bed) sessions() map[string]live.SessionInfo {
	all := make(map[string]live.SessionInfo)
	if hub := caddymodule.CurrentHub(); hub != nil {
		for _, s := range hub.Snapshot().Sessions {
			all[s.ID] = s
		}
	}
	return all
}

// A publisher sends the synthetic stream, second by second, as fast as it is taken.
type publisher struct {
	t      *testing.T
	client *rtmpapp.Client
	out    live.FrameWriter
	second int
}

// insecure trusts everybody, since Caddy's authority is made in the test.
var insecure = &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}

// dial connects to an app.
func dial(t *testing.T, url string) (*rtmpapp.Client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := rtmpapp.Dial(ctx, url, insecure)
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

func tryPublish(t *testing.T, url string) (*publisher, error) {
	t.Helper()
	c, err := dial(t, url)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := c.Publish(ctx)
	return &publisher{t: t, client: c, out: out}, err
}

// publish begins to publish and sends some seconds.
func publish(t *testing.T, url string, seconds int) *publisher {
	t.Helper()
	p, err := tryPublish(t, url)
	if err != nil {
		t.Fatalf("publish %s: %v", url, err)
	}
	for _, f := range livetest.Configs() {
		if err := p.out.WriteFrame(f); err != nil {
			t.Fatal(err)
		}
	}
	p.send(seconds)
	return p
}

func (p *publisher) send(seconds int) {
	p.t.Helper()
	for _, f := range livetest.Media(p.second, p.second+seconds) {
		if err := p.out.WriteFrame(f); err != nil {
			p.t.Fatalf("publishing: %v", err)
		}
	}
	p.second += seconds
}

// awaitEnd waits until the server takes no more.
func (p *publisher) awaitEnd() {
	p.t.Helper()
	eventually(p.t, "the publisher has ended", func() bool { return p.out.WriteFrame(livetest.Audio(0)) != nil })
}

// A viewer counts what it is given.
type viewer struct {
	name string
	got  atomic.Int64
	done chan struct{} // closed when it was given the last
}

func (v *viewer) ended() bool {
	select {
	case <-v.done:
		return true
	default:
		return false
	}
}

// watch makes a viewer of what read gives until it fails.
func watch(name string, read func() (int, error)) *viewer {
	v := &viewer{name: name, done: make(chan struct{})}
	go func() {
		defer close(v.done)
		for {
			n, err := read()
			v.got.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
	return v
}

func playRTMP(t *testing.T, url string) *viewer {
	t.Helper()
	c, err := dial(t, url)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	in, err := c.Play(ctx)
	if err != nil {
		t.Fatalf("play %s: %v", url, err)
	}
	return watch(url, func() (int, error) {
		_, err := in.ReadFrame(context.Background()) //nolint:usetesting // the connection is closed after the test
		return 1, err
	})
}

// httpClient returns a client with connections of its own.
func httpClient(t *testing.T) *http.Client {
	transport := &http.Transport{TLSClientConfig: insecure.Clone(), DisableCompression: true, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// An answer is what is known of a response before its end. Its body is closed after the test.
type answer struct {
	StatusCode int
	Status     string
	Header     http.Header
	Body       io.Reader
}

// ask sends a request and fails the test if it is not answered. Caddy's HTTP server may close a connection in a reload that
// it has not yet read from, so a GET is then asked again, as browsers do.
func ask(t *testing.T, c *http.Client, req *http.Request) *answer {
	t.Helper()
	resp, err := c.Do(req)
	closed := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) // if the request was there, and unread
	if closed && req.Method == http.MethodGet {
		resp, err = c.Do(req)
	}
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return &answer{resp.StatusCode, resp.Status, resp.Header, resp.Body}
}

// get asks for url.
func get(t *testing.T, c *http.Client, url string, header ...string) *answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return ask(t, c, req)
}

// text returns the status and the whole body of an answer.
func text(t *testing.T, resp *answer) (status int, body string) {
	t.Helper()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	return resp.StatusCode, string(all)
}

func playHTTP(t *testing.T, url string) *viewer {
	t.Helper()
	resp := get(t, httpClient(t), url)
	if resp.StatusCode != http.StatusOK {
		_, body := text(t, resp)
		t.Fatalf("%s: %s: %s", url, resp.Status, body)
	}
	buf := make([]byte, 32<<10)
	return watch(url, func() (int, error) { return resp.Body.Read(buf) })
}

// An hlsPlayer asks for playlists and segments when it is told to.
type hlsPlayer struct {
	t      *testing.T
	client *http.Client
	list   string // URL of the media playlist
}

func playHLS(t *testing.T, url string) *hlsPlayer {
	t.Helper()
	p := &hlsPlayer{t: t, client: httpClient(t)}
	status, body := text(t, get(t, p.client, url))
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", url, status, body)
	}
	p.list = resolve(t, url, lines(body)[0])
	return p
}

// resolve returns the URL that a relative one means in a document.
func resolve(t *testing.T, document, relative string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, document, nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := req.URL.Parse(relative)
	if err != nil {
		t.Fatal(err)
	}
	return u.String()
}

// lines returns the URLs in a playlist.
func lines(playlist string) (urls []string) {
	s := bufio.NewScanner(strings.NewReader(playlist))
	for s.Scan() {
		if s.Text() != "" && !strings.HasPrefix(s.Text(), "#") {
			urls = append(urls, s.Text())
		}
	}
	return urls
}

// newest fetches the playlist and its newest segment, and returns the URL of that. Empty is a playlist that is gone.
func (p *hlsPlayer) newest() string {
	p.t.Helper()
	status, body := text(p.t, get(p.t, p.client, p.list))
	urls := lines(body)
	if status != http.StatusOK || len(urls) == 0 {
		return ""
	}
	url := resolve(p.t, p.list, urls[len(urls)-1])
	if status, body := text(p.t, get(p.t, p.client, url)); status != http.StatusOK || len(body) < 188 {
		p.t.Fatalf("%s: %d, %d bytes", url, status, len(body))
	}
	return url
}
