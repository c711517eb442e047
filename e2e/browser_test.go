package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/quic-go/quic-go/http3"
)

// The versions of HTTP, as http.Response.ProtoMajor has them.
const (
	http1 = 1
	http2 = 2
	h3    = 3
)

// browser returns a client that speaks one version of HTTP and trusts the server's own authority only.
func (s *server) browser(version int) *http.Client {
	s.t.Helper()
	if version == h3 {
		tr := &http3.Transport{TLSClientConfig: s.tls()}
		s.t.Cleanup(func() { tr.Close() })
		return &http.Client{Transport: tr}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(version == http1)
	protocols.SetHTTP2(version == http2)
	tr := &http.Transport{TLSClientConfig: s.tls(), Protocols: protocols}
	if s.name != "" { // which no DNS knows
		tr.DialContext = dialHere
	}
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// dialHere connects to a port of this machine, whatever the name.
func dialHere(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
}

// get asks for an URL; the answer must have come in the given version of HTTP. Its body ends with ctx.
func get(ctx context.Context, client *http.Client, version int, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.ProtoMajor != version {
		resp.Body.Close()
		return nil, fmt.Errorf("%s was answered with %s", url, resp.Proto)
	}
	return resp, nil
}

// fetch gets a whole document, and fails unless the status is 200.
func fetch(ctx context.Context, client *http.Client, version int, url string) ([]byte, error) {
	resp, err := get(ctx, client, version, url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return body, fmt.Errorf("%s: %s: %s", url, resp.Status, body)
	}
	return body, nil
}

// A viewer watches a continuous stream and keeps it.
type viewer struct {
	name string
	tape
	done chan struct{}
	err  error // how the stream ended, nil for a clean end, once done is closed
}

// watch begins to watch an URL.
func (s *server) watch(version int, url string) *viewer {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	resp, err := get(ctx, s.browser(version), version, url) //nolint:bodyclose // by the goroutine that reads it
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		s.t.Fatalf("%s: %s: %s", url, resp.Status, text)
	}
	v := &viewer{name: fmt.Sprintf("%s over HTTP/%d", url, version), done: make(chan struct{})}
	go func() {
		defer close(v.done)
		_, v.err = io.Copy(&v.tape, resp.Body)
		resp.Body.Close()
	}()
	s.t.Cleanup(func() {
		cancel()
		<-v.done
	})
	return v
}

// watchSocket begins to watch an URL over a WebSocket.
func (s *server) watchSocket(url string) *viewer {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: s.browser(http1)}) //nolint:bodyclose // the connection is the body
	if err != nil {
		s.t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	v := &viewer{name: url + " over a WebSocket", done: make(chan struct{})}
	go func() {
		defer close(v.done)
		_, v.err = io.Copy(&v.tape, websocket.NetConn(ctx, conn, websocket.MessageBinary))
	}()
	s.t.Cleanup(func() {
		cancel()
		<-v.done
	})
	return v
}

// running returns an error if the stream has ended.
func (v *viewer) running() error {
	select {
	case <-v.done:
		return fmt.Errorf("%s has ended: %w", v.name, v.err)
	default:
		return nil
	}
}

// ended waits for the stream's end, which must be a clean one.
func (v *viewer) ended(t testing.TB, limit time.Duration) {
	t.Helper()
	select {
	case <-v.done:
		if v.err != nil {
			t.Errorf("%s ended with %v", v.name, v.err)
		}
	case <-time.After(limit):
		t.Errorf("%s did not end within %s", v.name, limit)
	}
}
