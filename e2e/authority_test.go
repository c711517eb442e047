package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// An authority is Pebble, the ACME authority that Let's Encrypt tests clients with, beside a DNS in which every name is this
// machine. It validates as Let's Encrypt does: it asks the DNS where a name is, and comes there.
type authority struct {
	*process
	directory string // the URL for ACME clients
	cert      string // path of the certificate of that URL
	root      string // path of the certificate that it issues with
	trust     *x509.CertPool
}

// pebbleTools builds what an authority is made of, of the version that the module pebble names, into a folder.
func pebbleTools(dir string) (string, error) {
	const module = "github.com/letsencrypt/pebble/v2/cmd/"
	cmd := exec.Command("go", "build", "-trimpath", "-o", dir+string(filepath.Separator), module+"pebble", module+"pebble-challtestsrv")
	cmd.Dir = "pebble"
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building Pebble; the first time it needs Go's module proxy: %w\n%s", err, out)
	}
	return dir, nil
}

// newAuthority starts one whose certificates are valid for so long. It validates names at the ports of a server, where the
// Internet has 80 and 443.
func newAuthority(s *server, validity time.Duration) *authority {
	s.t.Helper()
	bin, err := pebbleBin()
	if err != nil {
		s.t.Fatal(err)
	}
	dir, ports := s.t.TempDir(), freePorts(s.t, 4)
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	a := &authority{directory: "https://" + at(0) + "/dir", cert: filepath.Join(dir, "cert.pem"), root: filepath.Join(dir, "root.pem")}
	key := filepath.Join(dir, "key.pem")
	makeCertificate(s.t, a.cert, key)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": at(0), "managementListenAddress": at(1), "certificate": a.cert, "privateKey": key,
		"httpPort": s.http, "tlsPort": s.https, "keyAlgorithm": "ecdsa",
		"profiles": map[string]any{"default": map[string]any{"validityPeriod": int(validity.Seconds())}},
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	start(s.t, nil, filepath.Join(bin, "pebble-challtestsrv"), "-dnsserver", at(2), "-management", at(3),
		"-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "")
	// Without these it waits up to 15 s before it validates, and asks but half of the time for what it has validated.
	env := []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0", "PEBBLE_VA_ALWAYS_VALID=0"}
	a.process = start(s.t, env, filepath.Join(bin, "pebble"), "-config", file(s.t, "pebble.json", config), "-dnsserver", at(2))
	eventually(s.t, "the authority answers", func() error { return a.learnRoot("https://" + at(1) + "/roots/0") })
	return a
}

// learnRoot gets the certificate that the authority issues with, which it makes anew with each start.
func (a *authority) learnRoot(url string) error {
	if err := a.running(); err != nil {
		return err
	}
	own, err := os.ReadFile(a.cert)
	if err != nil {
		return err
	}
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM(own)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr, Timeout: time.Second}).Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	root, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	a.trust = x509.NewCertPool()
	if !a.trust.AppendCertsFromPEM(root) {
		return fmt.Errorf("%s: %s: no certificate", url, resp.Status)
	}
	return os.WriteFile(a.root, root, 0o600)
}

// validations returns how many names the authority has found to be the server's.
func (a *authority) validations() int {
	return strings.Count(a.out.String(), "set VALID by completed challenge")
}

// makeCertificate writes a certificate for this machine, signed by itself, and its key.
func makeCertificate(t testing.TB, cert, key string) {
	t.Helper()
	if err := selfSign(&x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Minute),
		NotAfter:     time.Now().Add(time.Hour),
	}, cert, key); err != nil {
		t.Fatal(err)
	}
}

// selfSign writes a certificate that is signed by itself, and its key, as PEM files.
func selfSign(template *x509.Certificate, cert, key string) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	for path, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: signed},
		key:  {Type: "PRIVATE KEY", Bytes: encoded},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}
