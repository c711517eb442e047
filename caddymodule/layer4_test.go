package caddymodule_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/mholt/caddy-l4"

	"github.com/caddy-rtmp/caddy-rtmp/caddymodule"
	_ "github.com/caddy-rtmp/caddy-rtmp/caddymodule/l4"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// shared has the rtmp app listen nowhere: layer4 gives it what is RTMP of one port, and all of another, behind TLS.
// What is HTTP goes to the site.
const shared = `{
	$OPTIONS
	layer4 {
		127.0.0.1:$RTMP {
			@rtmp rtmp
			route @rtmp {
				rtmp
			}
			@http http
			route @http {
				proxy 127.0.0.1:$HTTP
			}
		}
		127.0.0.1:$RTMPS {
			route {
				tls {
					connection_policy {
						alpn rtmp
						default_sni localhost
						fallback_sni localhost
					}
				}
				rtmp
			}
		}
	}
	rtmp {
		server off
		app live {
			publish {
				allow all
			}
		}
	}
}
` + players

// TestLayer4 shares a port between RTMP and HTTP.
func TestLayer4(t *testing.T) {
	b := newBed(t)
	b.load(shared)
	a := gather(b)
	a.goesOn()
	beside := playHTTP(t, "http://localhost:"+b.rtmp+"/live/demo.flv")
	eventually(t, "HTTP is served on RTMP's port", func() bool { return beside.got.Load() > 0 })
	for _, s := range b.sessions() {
		if s.Protocol == live.ProtocolRTMP && (!s.Remote.Addr().IsLoopback() || s.TLS != nil) {
			t.Errorf("the %s session comes from %s, with TLS %v", s.Action, s.Remote, s.TLS)
		}
	}
}

// TestLayer4Reload: nobody notices a reload, one that fails, and one that takes the port away from layer4.
func TestLayer4Reload(t *testing.T) {
	b := newBed(t)
	b.load(shared)
	a := gather(b)
	b.load(strings.Replace(shared, "app live {", "app live {\nlatency low", 1))
	a.goesOn()
	if s, ok := caddymodule.CurrentHub().Stream(demo); !ok || s.Rules().Latency.Milliseconds() != 20 {
		t.Error("the new rules are not in force")
	}
	if err := b.tryLoad(strings.Replace(shared, "server off", "server 203.0.113.9:1", 1)); err == nil {
		t.Error("a configuration that cannot be started was loaded")
	}
	a.goesOn()
	b.load(sites(""))
	a.goesOn()
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/other", 1)
}

// TestLayer4Stop: everybody is sent home with the reason, and nothing is left.
func TestLayer4Stop(t *testing.T) {
	for name, end := range map[string]func(b *bed){
		"stop":        (*bed).stop,
		"app removed": func(b *bed) { b.load("{\n$OPTIONS\n}\nhttp://localhost:$HTTP {\nrespond hello\n}\n") },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.load(shared)
			a := gather(b)
			early, err := net.Dial("tcp", "127.0.0.1:"+b.rtmp)
			if err != nil {
				t.Fatal(err)
			}
			defer early.Close()
			hello := append([]byte{3}, make([]byte, 1536)...)
			if _, err := io.Copy(early, bytes.NewReader(hello)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(early, append(hello, hello[1:]...)); err != nil {
				t.Fatalf("reading S0 to S2: %v", err)
			}
			end(b)
			a.isOver()
			a.told(live.ErrClosing)
			_ = early.SetReadDeadline(time.Now().Add(patience))
			if n, err := early.Read(hello); err == nil || n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("in the handshake: %d bytes, %v; want the end", n, err)
			}
			eventually(t, "no goroutine is left", func() bool { return leftover() == "" })
		})
	}
}

// TestLayer4TLS: the session knows of the TLS that layer4 has terminated.
func TestLayer4TLS(t *testing.T) {
	b := newBed(t)
	b.load(shared)
	b.checkALPN()
	publish(t, "rtmps://127.0.0.1:"+b.rtmps+"/live/demo", 2)
	v := playRTMP(t, "rtmps://127.0.0.1:"+b.rtmps+"/live/demo")
	eventually(t, "the viewer is given something", func() bool { return v.got.Load() > 0 })
	for _, s := range b.sessions() {
		if s.TLS == nil || s.TLS.ServerName != "localhost" || !s.Remote.Addr().IsLoopback() {
			t.Errorf("the %s session comes from %s with %+v", s.Action, s.Remote, s.TLS)
		}
	}
}

// TestLayer4Proxy: the address in a PROXY header before TLS is the publisher's, and who sends none has its own.
func TestLayer4Proxy(t *testing.T) {
	b := newBed(t)
	proxied := strings.Replace(shared, "route {\n\t\t\t\ttls {", `@proxied proxy_protocol
			route @proxied {
				proxy_protocol {
					allow 127.0.0.0/8
				}
			}
			route {
				tls {`, 1)
	b.load(proxied)
	conn, err := net.Dial("tcp", "127.0.0.1:"+b.rtmps)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, "PROXY TCP4 198.51.100.7 192.0.2.1 5555 443\r\n"); err != nil {
		t.Fatal(err)
	}
	publishOver(t, tls.Client(conn, insecure), "live/proxied")
	publish(t, "rtmps://127.0.0.1:"+b.rtmps+"/live/direct", 1)
	for _, s := range b.sessions() {
		if proxied := s.Remote.String() == "198.51.100.7:5555"; proxied != (s.Key.Name == "proxied") || s.TLS == nil {
			t.Errorf("the publisher of %s comes from %s with %+v", s.Key, s.Remote, s.TLS)
		}
	}
	if n := len(b.sessions()); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}

// TestLayer4Refusal: who is refused can read why, through all that layer4 puts around a connection.
func TestLayer4Refusal(t *testing.T) {
	b := newBed(t)
	b.load(strings.Replace(shared, "allow all", "deny all", 1))
	for _, url := range []string{"rtmp://127.0.0.1:" + b.rtmp, "rtmps://127.0.0.1:" + b.rtmps} {
		if _, err := tryPublish(t, url+"/live/demo"); err == nil || !strings.Contains(err.Error(), "may not") {
			t.Errorf("publishing to %s: %v, want the refusal", url, err)
		}
	}
}

// TestLayer4Names: the name that the client asks for by TLS tells RTMPS from the site, which layer4 passes it on to.
func TestLayer4Names(t *testing.T) {
	b := newBed(t)
	b.load(strings.Replace(shared, "route {\n\t\t\t\ttls {", `@site tls sni localhost
			route @site {
				proxy 127.0.0.1:$HTTPS
			}
			@ingest tls sni ingest.localhost
			route @ingest {
				tls {`, 1))
	conn, err := net.Dial("tcp", "127.0.0.1:"+b.rtmps)
	if err != nil {
		t.Fatal(err)
	}
	named := insecure.Clone()
	named.ServerName = "ingest.localhost"
	p := publishOver(t, tls.Client(conn, named), "live/demo")
	v := playHTTP(t, "https://localhost:"+b.rtmps+"/live/demo.flv")
	eventually(t, "the viewer is given something", func() bool { return v.got.Load() > 0 })
	if _, err := dial(t, "rtmps://127.0.0.1:"+b.rtmps+"/live/demo"); err == nil {
		t.Error("RTMP is served at the site's name")
	}
	p.send(1)
}

// TestLayer4Refused: what cannot work is refused when it is loaded, with the reason.
func TestLayer4Refused(t *testing.T) {
	b := newBed(t)
	layer4 := `"layer4":{"servers":{"a":{"listen":["127.0.0.1:` + b.rtmp + `"],"routes":[{"handle":[{"handler":"rtmp"}]}]}}}`
	for name, test := range map[string]struct{ apps, says string }{
		"no rtmp app":    {layer4, `add the global option "rtmp"`},
		"default server": {layer4 + `,"rtmp":{}`, `say "server off"`},
		"unknown field":  {strings.Replace(layer4, `"rtmp"}`, `"rtmp","app":"live"}`, 1) + `,"rtmp":{"servers":{}}`, "app"},
	} {
		t.Run(name, func(t *testing.T) {
			err := caddy.Load([]byte(`{"admin":{"disabled":true,"config":{"persist":false}},"apps":{`+test.apps+`}}`), true)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want an error that says %q", err, test.says)
			}
			if n := caddymodule.References(); n != 0 {
				t.Errorf("%d references to the engine", n)
			}
		})
	}
}
