package hooks_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
)

func TestCheckAddress(t *testing.T) {
	public := []string{"8.8.8.8:443", "203.0.114.1:80", "[2606:4700::1111]:443", "[::ffff:8.8.8.8]:443", "[2003::1]:443"}
	for _, address := range public {
		if err := hooks.CheckAddress(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	inside := []string{
		"127.0.0.1:80", "127.8.8.8:80", "10.1.2.3:80", "172.16.0.1:80", "192.168.1.1:80", "169.254.169.254:80",
		"0.0.0.0:80", "0.1.2.3:80", "100.100.100.200:80", "192.0.0.192:80", "198.18.0.1:80", "224.0.0.1:80",
		"255.255.255.255:80", "[::1]:80", "[::]:80", "[fe80::1]:80", "[fe80::1%25lo]:80", "[fc00::1]:80", "[fd00:ec2::254]:80",
		"[::ffff:127.0.0.1]:80", "[::127.0.0.1]:80", "[64:ff9b::7f00:1]:80", "[2002:7f00:1::]:80", "[ff02::1]:80",
		"localhost:80", "", "8.8.8.8",
	}
	for _, address := range inside {
		if hooks.CheckAddress(address) == nil {
			t.Errorf("%s is said to be public", address)
		}
	}
}

// TestTransport calls a host that is written down on the loopback, another one by way of a redirect, and the first by
// another name.
func TestTransport(t *testing.T) {
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
	defer inside.Close()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, inside.URL, http.StatusTemporaryRedirect)
		}
	}))
	defer backend.Close()

	written, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := hooks.NewTransport(nil, written)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	get := func(address string) error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	if err := get(backend.URL); err != nil {
		t.Error(err)
	}
	for _, address := range []string{backend.URL + "/redirect", "http://localhost:" + written.Port()} {
		if err := get(address); err == nil || !strings.Contains(err.Error(), "not public") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestTransportRebinding lets a name resolve to the loopback, as a hostile name server does at the second look.
func TestTransportRebinding(t *testing.T) {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go answerLoopback(server)
		return client, nil
	}}
	defer func() { net.DefaultResolver = new(net.Resolver) }()
	transport := hooks.NewTransport(nil)
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://rebound.example.com.:1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err == nil {
		resp.Body.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "not public") {
		t.Errorf("got %v", err)
	}
}

// answerLoopback answers questions for addresses with 127.0.0.1, by DNS over a stream.
func answerLoopback(conn net.Conn) {
	defer conn.Close()
	for {
		head := make([]byte, 2)
		if _, err := conn.Read(head); err != nil {
			return
		}
		question := make([]byte, int(head[0])<<8|int(head[1]))
		if _, err := conn.Read(question); err != nil {
			return
		}
		question = question[:len(question)-11] // the EDNS record, which Go appends
		answer := append([]byte(nil), question...)
		answer[2], answer[3], answer[11] = 0x81, 0x80, 0
		if question[len(question)-3] == 1 { // A, not AAAA
			answer[7] = 1
			answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1)
		}
		if _, err := conn.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...)); err != nil {
			return
		}
	}
}
