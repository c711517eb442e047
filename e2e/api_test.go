package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
)

// behindProxy are servers' listener wrappers that believe a proxy on this machine.
const behindProxy = `listener_wrappers {
	proxy_protocol {
		timeout 5s
		allow 127.0.0.0/8
	}
	%s
}`

// TestAPI looks at a publisher and a viewer of each kind through the API, and ends them one by one.
func TestAPI(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	encoder := s.publish(s.url("rtmp", "/live/test"))
	rtmp := s.play(s.url("rtmp", "/live/test"))
	flv := s.watch(http2, s.url("https", "/live/test.flv"))
	ts := s.watch(http1, s.url("http", "/live/test.ts"))
	hls := s.tune(http1, s.url("https", "/live/test.m3u8"))

	rows := s.awaitClients(map[string]int{"fmle-publish": 1, "rtmp-play": 1, "flv-play": 2, "hls-play": 1})
	stream := s.awaitStream("test")
	s.checkStream(stream, rows)
	s.checkClients(stream, rows)
	s.checkGrowth(rows)

	s.kickWithin(rows, "rtmp-play", func() error { return gone(rtmp.running()) })
	if status, ok := errors.AsType[*rtmpapp.StatusError](rtmp.ended(t, patience)); !ok || status.Description != "kicked" {
		t.Errorf("the RTMP viewer that was kicked saw %v", rtmp.err)
	}
	s.kickWithin(rows, "flv-play", func() error { return errors.Join(gone(flv.running()), gone(ts.running())) })
	s.kickWithin(rows, "hls-play", func() error { return gone(hls.running()) })
	s.kickWithin(rows, "fmle-publish", func() error { return gone(encoder.running()) })
	s.awaitClients(map[string]int{})
	s.awaitLog(5, line{"logger": "rtmp.session", "reason": "kicked"})
}

// gone turns the error of somebody who has ended into none.
func gone(ended error) error {
	if ended == nil {
		return errors.New("it goes on")
	}
	return nil
}

// checkStream checks what the API says of the stream.
func (s *server) checkStream(row streamRow, clients map[string]clientRow) {
	s.t.Helper()
	if row.App != "live" || row.Clients != len(clients) || row.Got == 0 || row.Sent == 0 {
		s.t.Errorf("the stream is %+v", row)
	}
	if v := row.Video; v.Codec != "H264" || v.Width != width || v.Height != height {
		s.t.Errorf("the picture is %+v", v)
	}
	if a := row.Audio; a.Codec != "AAC" || a.SampleRate != sampleRate || a.Channel != 2 {
		s.t.Errorf("the sound is %+v", a)
	}
	if !clients[row.Publish.CID].Publish {
		s.t.Errorf("the publisher %q is not among the clients", row.Publish.CID)
	}
}

// checkClients checks what the API says of each client, in the list and alone.
func (s *server) checkClients(stream streamRow, rows map[string]clientRow) {
	s.t.Helper()
	for id, row := range rows {
		ip, err := netip.ParseAddr(row.IP)
		if err != nil || !ip.IsLoopback() || row.Stream != stream.ID || row.Name != "test" || row.URL != "/live/test" ||
			row.Publish != (row.Type == "fmle-publish") || !strings.Contains(row.TCURL, "://localhost") {
			s.t.Errorf("client %+v", row)
		}
		var one struct {
			Code   int       `json:"code"`
			Client clientRow `json:"client"`
		}
		if err := s.api(http.MethodGet, "/clients/"+id, &one); err != nil || one.Code != 0 || one.Client.ID != id || one.Client.Type != row.Type {
			s.t.Errorf("client %s alone is %+v, %v", id, one, err)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		var unknown struct {
			Code int `json:"code"`
		}
		if err := s.api(method, "/clients/nobody99", &unknown); err != nil || unknown.Code != 2049 {
			s.t.Errorf("%s of an unknown client gave %+v, %v", method, unknown, err)
		}
	}
}

// checkGrowth checks that the bytes of all clients grow.
func (s *server) checkGrowth(before map[string]clientRow) {
	s.t.Helper()
	eventually(s.t, "all clients' bytes grow", func() error {
		now, err := s.clients()
		if err != nil {
			return err
		}
		for id, old := range before {
			row := now[id]
			if old.Publish && row.Got <= old.Got || !old.Publish && row.Sent <= old.Sent {
				return fmt.Errorf("%s sent %d and received %d bytes", row.Type, row.Sent, row.Got)
			}
		}
		return nil
	})
}

// kickWithin ends all clients of a type, which must see their end and be off the list within a second.
func (s *server) kickWithin(rows map[string]clientRow, kind string, ended func() error) {
	s.t.Helper()
	for id, row := range rows {
		if row.Type != kind {
			continue
		}
		if code := s.kick(id); code != 0 {
			s.t.Errorf("kicking a client of type %s: code %d", kind, code)
		}
	}
	within(s.t, time.Second, kind+" ends when it is kicked", func() error {
		now, err := s.clients()
		if err != nil {
			return err
		}
		for _, row := range now {
			if row.Type == kind {
				return errors.New("it is on the list")
			}
		}
		return ended()
	})
}

// TestAPIAuth calls the API from elsewhere, with and without a token.
func TestAPIAuth(t *testing.T) {
	t.Parallel()
	config := strings.Replace(basic, "{\n", "{\n\tservers {\n"+fmt.Sprintf(behindProxy, "tls")+"\n\t}\n", 1)
	s := serve(t, with(config, "http://localhost", "\trtmp_api /api/* {\n\t\tauth loopback\n\t}"))
	stranger := s.from("203.0.113.9", s.https)
	unencrypted := s.from("203.0.113.9", s.http)
	for _, c := range []struct {
		name   string
		client *http.Client
		scheme string
		path   string
		header string
		status int
	}{
		{"on this machine", s.browser(http1), "https", "/api/v1/streams/", "", http.StatusOK},
		{"on this machine without TLS", s.browser(http1), "http", "/api/v1/streams/", "", http.StatusOK},
		{"a stranger", stranger, "https", "/api/v1/streams/", "", http.StatusUnauthorized},
		{"a stranger asks for the index", stranger, "https", "/api/", "", http.StatusUnauthorized},
		{"a stranger where there is no token", unencrypted, "http", "/api/v1/streams/", "", http.StatusForbidden},
		{"a wrong token", stranger, "https", "/api/v1/clients/", "Bearer " + apiToken + "!", http.StatusUnauthorized},
		{"an empty token", stranger, "https", "/api/v1/clients/", "Bearer ", http.StatusUnauthorized},
		{"the token", stranger, "https", "/api/v1/clients/", "Bearer " + apiToken, http.StatusOK},
		{"the token in the URL", stranger, "https", "/api/v1/clients/?token=" + strings.ReplaceAll(apiToken, " ", "+"), "", http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) { s.on(t).call(c.client, c.scheme, c.path, c.header, c.status) })
	}
	// Kicking is not for strangers either.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, s.url("https", "/api/v1/clients/any"), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := stranger.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger that kicks is answered %s", resp.Status)
	}
}

// call asks for a path; the answer must have the status, and be JSON of code 0 if that is 200.
func (s *server) call(client *http.Client, scheme, path, authorization string, status int) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url(scheme, path), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		s.t.Fatalf("%s: %s, %v", resp.Status, body, err)
	}
	answer := struct {
		Code int `json:"code"`
	}{-1}
	if err := json.Unmarshal(body, &answer); (err == nil && answer.Code == 0) != (status == http.StatusOK) {
		s.t.Errorf("%s: %s", resp.Status, body)
	}
}

// from returns a client that comes through a proxy, for somebody at another address.
func (s *server) from(address string, port int) *http.Client {
	s.t.Helper()
	proxy := relayTo(s.t, "127.0.0.1:"+strconv.Itoa(port), proxied(address))
	tr := &http.Transport{
		TLSClientConfig: s.tls(),
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, proxy.Addr().String())
		},
	}
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}
