package caddymodule_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
)

// many is a server of RTMPS with certificates of each kind: of names, of a wildcard, and on demand, which is how a site
// gets those of the names below its own. It is asked about those on demand itself.
const many = `{
	$OPTIONS
	on_demand_tls {
		ask http://localhost:$HTTP/
	}
	rtmp {
		server 127.0.0.1:$RTMPS {
			tls studio.internal second.internal *.cam.internal *.named.internal
		}
	}
}
http://localhost:$HTTP {
	@denied query domain=denied.later.internal
	respond @denied 403
	respond 200
}
https://*.later.internal:$HTTPS, https://*.named.internal:$HTTPS {
	tls internal {
		on_demand
	}
	respond "hello"
}
`

// certificate returns the certificate that the RTMPS port has for a name, or for none.
func (b *bed) certificate(name string) (shown *x509.Certificate, err error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{ServerName: name, InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
		shown = s.PeerCertificates[0]
		return nil
	}}}
	conn, err := dialer.DialContext(ctx, "tcp", "127.0.0.1:"+b.rtmps)
	if err != nil {
		return nil, err
	}
	return shown, conn.Close()
}

// TestCertificates asks an RTMPS port for many names: each client gets the certificate that Caddy manages for its own.
func TestCertificates(t *testing.T) {
	b := newBed(t)
	cmd := b.spawn(many)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	serials := make(map[string]string)
	for name, want := range map[string]string{
		"studio.internal":    "studio.internal",
		"second.internal":    "second.internal",
		"one.cam.internal":   "*.cam.internal",
		"two.cam.internal":   "*.cam.internal",
		"one.later.internal": "one.later.internal",
		"one.named.internal": "one.named.internal",
		"two.named.internal": "two.named.internal",
		"":                   "studio.internal", // the first of the server's
	} {
		eventually(t, "there is a certificate for "+want, func() bool {
			c, err := b.certificate(name)
			if err != nil {
				return false
			}
			if !slices.Equal(c.DNSNames, []string{want}) {
				t.Fatalf("who asks for %q gets %v, want %s", name, c.DNSNames, want)
			}
			serial := c.SerialNumber.String()
			if old := serials[want]; old != "" && old != serial {
				t.Errorf("there is more than one certificate for %s", want)
			}
			serials[want] = serial
			return true
		})
	}
	for _, name := range []string{"denied.later.internal", "unknown.internal", "deep.one.cam.internal"} {
		if c, err := b.certificate(name); err == nil {
			t.Errorf("who asks for %s gets %v", name, c.DNSNames)
		}
	}
	b.publishUnnamed()
}

// publishUnnamed publishes as an encoder does that names no server.
func (b *bed) publishUnnamed() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	c, err := rtmpapp.Dial(ctx, "rtmps://127.0.0.1:"+b.rtmps+"/live/demo", &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Publish(ctx); err != nil {
		b.t.Error(err)
	}
}

// TestUnknownName: a name that is a placeholder of nothing is refused, not left out.
func TestUnknownName(t *testing.T) {
	err := caddy.Load([]byte(`{"admin":{"disabled":true,"config":{"persist":false}},"apps":{"rtmp":{"servers":{"a":{
		"listen":["127.0.0.1:1"],"tls_connection_policies":[{}],"automate_names":["{nothing.of.this}"]}}}}}`), true)
	if err == nil || !strings.Contains(err.Error(), "nothing.of.this") {
		t.Errorf("%v, want an error that names it", err)
	}
}
