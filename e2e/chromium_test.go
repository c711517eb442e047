package e2e

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A chromium is a headless Chromium that all tests share, each with windows of its own, the pages that it shows, and the
// authority that it trusts. The pages have another origin than the servers under test, as the players of most sites have.
type chromium struct {
	*devtools
	cmd       *exec.Cmd
	tape      // what it has said
	pages     *httptest.Server
	root, key string // paths of the authority's certificate and key
	ended     chan struct{}
}

// chromiumFlags make it quiet and let pages play sound unasked. Windows that lie below others are to work on like the one on
// top. The sandbox, which root has not, would keep foreign pages from us; there are none.
var chromiumFlags = []string{
	"--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio",
	"--autoplay-policy=no-user-gesture-required", "--no-proxy-server", "--no-first-run", "--password-store=basic",
	"--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-extensions",
	"--disable-sync", "--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows",
	"--disable-renderer-backgrounding",
}

// newChromium starts one that keeps everything in a folder.
func newChromium(dir string) (c *chromium, err error) {
	c = &chromium{root: filepath.Join(dir, "root.crt"), key: filepath.Join(dir, "root.key"), ended: make(chan struct{})}
	if err := c.authorise(dir); err != nil {
		return nil, fmt.Errorf("making an authority that Chromium trusts: %w", err)
	}
	site, err := pages(dir)
	if err != nil {
		return nil, err
	}
	var theirs []*os.File
	if c.devtools, theirs, err = newDevtools(); err != nil {
		return nil, err
	}
	c.cmd = exec.Command("chromium", append(chromiumFlags, "--user-data-dir="+filepath.Join(dir, "profile"), "about:blank")...)
	c.cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir)
	c.cmd.ExtraFiles = theirs
	c.cmd.Stdout, c.cmd.Stderr = &c.tape, &c.tape
	c.cmd.WaitDelay = time.Second
	dieWithUs(c.cmd)
	err = c.cmd.Start()
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		return nil, err
	}
	c.pages = httptest.NewServer(site)
	go c.run()
	go func() {
		defer close(c.ended)
		_ = c.cmd.Wait() // who calls it is told
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if err := c.call(ctx, "", "Browser.getVersion", struct{}{}, nil); err != nil {
		c.close()
		return nil, fmt.Errorf("%w\n%s", err, tail(c.String()))
	}
	return c, nil
}

// close ends it.
func (c *chromium) close() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = c.call(ctx, "", "Browser.close", struct{}{}, nil) // else it is killed
	select {
	case <-c.ended:
	case <-ctx.Done():
	}
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.ended
	c.in.Close()
	c.out.Close()
	c.pages.Close()
}

// authorise makes an authority and lets Chromium, whose home is dir, trust it.
func (c *chromium) authorise(dir string) error {
	known := filepath.Join(dir, ".pki", "nssdb")
	if err := os.MkdirAll(known, 0o700); err != nil {
		return err
	}
	err := selfSign(&x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "The tests' authority"},
		NotBefore:             time.Now().Add(-time.Minute),
		NotAfter:              time.Now().AddDate(10, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, c.root, c.key)
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"-N", "--empty-password"},
		{"-A", "-n", "tests", "-t", "C,,", "-i", c.root},
	} {
		if out, err := exec.Command("certutil", append(args, "-d", "sql:"+known)...).CombinedOutput(); err != nil {
			return fmt.Errorf("certutil: %w\n%s", err, out)
		}
	}
	return nil
}

// serveBrowser starts a server whose certificates Chromium trusts: its own authority is Chromium's.
func serveBrowser(t testing.TB, config string) *server {
	t.Helper()
	c, err := theChromium()
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, config)
	if err := os.MkdirAll(filepath.Dir(s.rootCert()), 0o700); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{c.root: s.rootCert(), c.key: filepath.Join(filepath.Dir(s.rootCert()), "root.key")} {
		if err := os.WriteFile(to, readFile(t, from), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.run()
	return s
}
