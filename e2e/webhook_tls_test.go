package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// strictName is what the certificate of a strict back end is for. No URL has it.
const strictName = "backend.internal"

// A strictBackend demands a certificate of the authority that its own is from.
type strictBackend struct {
	*backend
	cert, key string // paths of a certificate that it accepts
	said      tape   // why connections came to nothing
}

func newStrictBackend(t testing.TB) *strictBackend {
	t.Helper()
	dir := t.TempDir()
	authority, sign := newPrivateCA(t)
	b := &strictBackend{backend: &backend{t: t, ca: filepath.Join(dir, "ca.pem")}}
	writePEM(t, b.ca, "CERTIFICATE", authority.Raw)

	b.cert, b.key = filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")
	der, private := sign(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, b.cert, "CERTIFICATE", der)
	writePEM(t, b.key, "PRIVATE KEY", encoded)

	der, private = sign(&x509.Certificate{
		DNSNames: []string{strictName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	b.Server = httptest.NewUnstartedServer(b)
	b.EnableHTTP2 = true
	b.Config.ErrorLog = log.New(&b.said, "", 0)
	b.TLS = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    x509.NewCertPool(),
	}
	b.TLS.ClientCAs.AddCert(authority)
	b.StartTLS()
	t.Cleanup(b.Close)
	return b
}

// newPrivateCA returns an authority that nobody knows, and what it signs certificates with.
func newPrivateCA(t testing.TB) (*x509.Certificate, func(*x509.Certificate) ([]byte, crypto.Signer)) {
	t.Helper()
	issue := func(template, parent *x509.Certificate, signer crypto.Signer) ([]byte, crypto.Signer) {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = private
		}
		template.SerialNumber = big.NewInt(time.Now().UnixNano())
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, private.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		return der, private
	}
	root := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, signer := issue(root, root, nil)
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority, func(template *x509.Certificate) ([]byte, crypto.Signer) { return issue(template, authority, signer) }
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestWebhookClientCertificate has a back end that demands a client's certificate, and has one itself of an authority and
// for a name that have to be configured. Where a line of that is missing, nobody comes in.
func TestWebhookClientCertificate(t *testing.T) {
	t.Parallel()
	const noCertificate = "client didn't provide a certificate"
	b := newStrictBackend(t)
	pool, name, client := "trust_pool file "+b.ca, "server_name "+strictName, "client_auth "+b.cert+" "+b.key
	s := serve(t, b.config("/first", pool, name, client))
	s.publish(s.url("rtmp", "/live/cam1"))
	s.tryStrict(b, "/all", "", pool, name, client)
	s.tryStrict(b, "/no-certificate", noCertificate, pool, name)
	s.tryStrict(b, "/no-name", "doesn't contain any IP SANs", pool, client)
	s.tryStrict(b, "/no-pool", "unknown authority", name, client)
	s.tryStrict(b, "/insecure-no-certificate", noCertificate, "insecure_skip_verify")
	s.tryStrict(b, "/insecure", "", client, "insecure_skip_verify")
}

// config is that of a webhook with the given lines in its block tls. Each has a path of its own, since that is what the
// log and the circuit breaker tell back ends by.
func (b *strictBackend) config(path string, lines ...string) string {
	return in("	rtmp", "hook http "+b.URL+path+" {", "tls {", strings.Join(lines, "\n"), "}",
		"events on_publish on_play", "on_error refuse", "}")
}

// tryStrict reloads with the given lines and has a publisher and a viewer come. They must be refused because of why,
// without the back end having heard of them; or get in, if there is no why.
func (s *server) tryStrict(b *strictBackend, path, why string, lines ...string) {
	s.t.Helper()
	if out, err := s.reload(b.config(path, lines...)); err != nil {
		s.t.Fatalf("%s: %v %s", path, err, out)
	}
	calls := func() int { return len(b.heard("on_play")) + len(b.heard("on_publish")) }
	before, silence := calls(), b.said.Len()
	published, played := s.publishOnce(s.url("rtmp", "/live"+path)), s.head("/live/cam1.flv")
	asked := calls() - before
	if why == "" {
		if published != nil || played != nil || asked != 2 {
			s.t.Errorf("%s: publish %v, play %v, asked %d times", path, published, played, asked)
		}
		return
	}
	checkRefusal(s.t, published, "NetStream.Publish.Rejected", "could not decide")
	if played == nil || !strings.HasPrefix(played.Error(), "503") || asked != 0 {
		s.t.Errorf("%s: play %v, asked %d times", path, played, asked)
	}
	undecided := s.awaitLog(2, line{"msg": "a back end could not decide", "target": b.URL + path})
	// That a client's certificate is missing only the back end can say for sure: by TLS 1.3 it says so when the client has
	// gone on already, who then may see no more than a connection that was cut.
	eventually(s.t, path+": who says "+why, func() error {
		said := fmt.Sprint(undecided, b.said.String()[silence:])
		if strings.Count(said, why) < 2 {
			return errors.New(said)
		}
		return nil
	})
}
