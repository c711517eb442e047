package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The names that the authority issues for.
const (
	siteName   = "live.example.com"   // of a site, and of RTMPS
	ingestName = "ingest.example.com" // of RTMPS alone
)

// certified is basic with certificates of an authority, for a site and for RTMPS, and a proxy before RTMPS.
func (a *authority) certified() string {
	options := fmt.Sprintf("{\n\tacme_ca %s\n\tacme_ca_root %s\n\trenew_interval 500ms\n", a.directory, a.cert)
	config := strings.Replace(basic, "{\n", options, 1)
	config = with(config, "server :{$RTMPS_PORT}", fmt.Sprintf(behindProxy, "tls"))
	config = with(config, "app live", "\t\t\tpublish {\n\t\t\t\tallow all\n\t\t\t}")
	config = with(config, "server :{$RTMPS_PORT}", "\t\t\ttls "+ingestName+" "+siteName)
	return config + "\nhttps://" + siteName + " {\n\trtmp_play /live/*\n}\n"
}

// issued returns the server for clients that ask for a name and trust the authority alone.
func (a *authority) issued(s *server, name string) *server {
	c := s.named(name)
	c.trust = a.trust
	return c
}

// serial makes a TLS handshake, verifies the certificate and returns its number.
func (s *server) serial(port int) (number string, err error) {
	config := s.tls()
	config.VerifyConnection = func(state tls.ConnectionState) error {
		number = state.PeerCertificates[0].SerialNumber.String()
		return nil
	}
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Second}, Config: config}
	conn, err := dialer.DialContext(s.t.Context(), "tcp", s.address(port))
	if err != nil {
		return "", err
	}
	return number, conn.Close()
}

// TestACME gets certificates from an authority that validates, for a site and for RTMPS. Everybody verifies them: ffmpeg and
// our own client, who publish, and those who play over RTMPS and HTTPS. While they do so the certificates are renewed, which
// nobody notices; who comes later is shown the new ones.
func TestACME(t *testing.T) {
	t.Parallel()
	s := newServer(t, "")
	// The authority lets its clients choose when to renew, within the whole time: after 15 s or so, and 28 s at most.
	a := newAuthority(s, 30*time.Second)
	s.write(a.certified())
	s.run()
	site, ingest := a.issued(s, siteName), a.issued(s, ingestName)
	var old [3]string
	eventually(t, "there are certificates", func() (err error) {
		old, err = serials(site, ingest)
		return err
	})
	if old[0] != old[1] || old[1] == old[2] {
		t.Errorf("certificates %v of the site, of RTMPS by its name, and of RTMPS: want one for each name", old)
	}

	const client = "203.0.113.7"
	proxy := relayTo(t, "127.0.0.1:"+strconv.Itoa(s.rtmps), proxied(client))
	ingest.loop("rtmps://"+proxy.Addr().String()+"/live/ours", film.frames(t))
	ffmpeg := start(t, nil, "ffmpeg", publishWith(a.verifying(ingestName), s.url("rtmps", "/live/test"))...)
	s.awaitStream("ours")
	s.awaitStream("test")
	page := "https://" + net.JoinHostPort(siteName, strconv.Itoa(s.https))
	viewers := []stream{
		site.watch(http1, page+"/live/ours.flv"),
		site.watch(http2, page+"/live/test.flv"),
		ingest.play(s.url("rtmps", "/live/test")),
		site.play(s.url("rtmps", "/live/ours")),
	}
	kinds := map[string]int{"fmle-publish": 2, "flv-play": 2, "rtmp-play": 2}
	rows := s.awaitClients(kinds)
	for _, row := range rows {
		if row.Publish && (row.IP == client) != (row.Name == "ours") {
			t.Errorf("the publisher of %s comes from %s", row.Name, row.IP)
		}
	}

	within(t, time.Minute, "the certificates are renewed", func() error {
		now, err := serials(site, ingest)
		if err == nil && (now[0] == old[0] || now[1] == old[1] || now[2] == old[2]) {
			err = fmt.Errorf("they are %v", now)
		}
		return err
	})
	goesOn(t, viewers...)
	if now := s.awaitClients(kinds); !slices.Equal(slices.Sorted(maps.Keys(now)), slices.Sorted(maps.Keys(rows))) {
		t.Errorf("the clients are %v, before they were %v", now, rows)
	}
	if err := errors.Join(ffmpeg.running(), a.running()); err != nil {
		t.Fatal(err)
	}
	if n := a.validations(); n < 4 {
		t.Errorf("the authority has validated %d times, want once for each certificate", n)
	}
	film.examine(t, append(a.verifying(ingestName), s.url("rtmps", "/live/test"))...)
	a.checkStrangers(s)
}

// verifying are ffmpeg's options with which it checks a certificate of the authority.
func (a *authority) verifying(name string) []string {
	return []string{"-tls_verify", "1", "-ca_file", a.root, "-verifyhost", name}
}

// serials returns the numbers of the certificates that are shown to new connections: of the site, by HTTPS and by RTMPS, and
// of the other name of RTMPS.
func serials(site, ingest *server) (all [3]string, err error) {
	var errs [3]error
	all[0], errs[0] = site.serial(site.https)
	all[1], errs[1] = site.serial(site.rtmps)
	all[2], errs[2] = ingest.serial(ingest.rtmps)
	return all, errors.Join(errs[:]...)
}

// checkStrangers checks that who does not trust the authority, or takes the server for another, turns away.
func (a *authority) checkStrangers(s *server) {
	s.t.Helper()
	if _, err := s.named(ingestName).dial(s.url("rtmps", "/live/test")); err == nil {
		s.t.Error("a client accepts the certificate that does not know the authority")
	}
	verify := a.verifying(ingestName)
	s.mustFail("certificate", publishWith(append(verify, "-ca_file", s.rootCert()), s.url("rtmps", "/live/never"))...)
}

// alone is a server of RTMPS on the port where HTTPS would be, and nothing else.
const alone = `{
	https_port {$HTTPS_PORT}
	cert_issuer acme {
		dir %s
		trusted_roots %s
		disable_http_challenge
	}
	rtmp {
		server :{$HTTPS_PORT} {
			tls ingest.example.com
		}
	}
}
`

// TestACMEWithoutSite lets RTMPS on port 443 answer the authority itself: the challenge comes to it as a TLS handshake.
func TestACMEWithoutSite(t *testing.T) {
	t.Parallel()
	s := newServer(t, "")
	a := newAuthority(s, time.Hour)
	s.write(fmt.Sprintf(alone, a.directory, a.cert))
	s.process = start(t, s.env, s.bin, "run", "--config", s.config, "--adapter", "caddyfile")
	t.Cleanup(s.end)
	ingest := a.issued(s, ingestName)
	ingest.rtmps = s.https
	eventually(t, "there is a certificate", func() error {
		_, err := ingest.serial(ingest.rtmps)
		return errors.Join(err, s.running())
	})
	ingest.loop(ingest.url("rtmps", "/live/test"), film.frames(t))
	goesOn(t, ingest.play(ingest.url("rtmps", "/live/test")))
	if n := a.validations(); n != 1 {
		t.Errorf("the authority has validated %d times", n)
	}
}
