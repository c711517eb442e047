package wire_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

func TestHandshake(t *testing.T) {
	client, server := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- wire.Accept(server) }()
	isErr(t, "client", wire.Connect(client), nil)
	isErr(t, "server", <-done, nil)
}

// peer plays a peer that says what it has to say and takes everything.
type peer struct {
	io.Reader
	heard bytes.Buffer
}

func (p *peer) Write(b []byte) (int, error) { return p.heard.Write(b) }

func TestAccept(t *testing.T) {
	hello := "\x03" + strings.Repeat("h", 1536)
	p := &peer{Reader: strings.NewReader(hello + long(1536))}
	isErr(t, "any echo", wire.Accept(p), nil)
	s := p.heard.Bytes()
	equal(t, "bytes said", len(s), 1+2*1536)
	equal(t, "version", s[0], 3)
	equal(t, "zero", string(s[5:9]), "\x00\x00\x00\x00")
	equal(t, "echo", string(s[1+1536:]), hello[1:])

	for name, said := range map[string]string{
		"HTTP":             "GET / HTTP/1.1\r\nHost: a\r\n\r\n" + long(4000),
		"TLS":              "\x16\x03\x01" + long(4000),
		"version 2":        "\x02" + long(4000),
		"nothing":          "",
		"half of C1":       hello[:800],
		"half of C2":       hello + long(100),
		"no C2":            hello,
		"text in any case": "\x20" + long(4000),
	} {
		t.Run(name, func(t *testing.T) {
			p := &peer{Reader: strings.NewReader(said)}
			err := wire.Accept(p)
			if name == "TLS" { // 22 could be a version to come: it is heard out as any
				isErr(t, "the peer", err, nil)
				return
			}
			isErr(t, "the peer", err, wire.ErrHandshake)
			if strings.Contains(name, "C2") != (p.heard.Len() > 0) {
				t.Errorf("it was told %d bytes", p.heard.Len())
			}
		})
	}
}

// An HTTP request is refused at its first byte, not when 1537 have come.
func TestAcceptRefusesAtOnce(t *testing.T) {
	client, server := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- wire.Accept(server) }()
	if _, err := client.Write([]byte("G")); err != nil {
		t.Fatal(err)
	}
	err := <-done
	isErr(t, "the peer", err, wire.ErrHandshake)
	equal(t, "the reason", strings.Contains(err.Error(), "speaks no RTMP (first byte 0x47)"), true)
}

func TestConnectRefuses(t *testing.T) {
	for name, said := range map[string]string{
		"another version": "\x06" + long(2*1536),
		"HTTP":            "HTTP/1.1 400 Bad Request\r\n\r\n" + long(4000),
		"half":            "\x03" + long(1536),
		"nothing":         "",
	} {
		t.Run(name, func(t *testing.T) {
			isErr(t, "the server", wire.Connect(&peer{Reader: strings.NewReader(said)}), wire.ErrHandshake)
		})
	}
}
