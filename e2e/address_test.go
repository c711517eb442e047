package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// The addresses of this machine from which tests connect: the server believes what the first says of others.
const (
	trustedPeer = "127.0.0.2"
	otherPeer   = "127.0.0.3"
)

// TestAddress looks which address the API shows of clients that come through proxies, and of clients that pretend to.
func TestAddress(t *testing.T) {
	t.Parallel()
	wrappers := "listener_wrappers {\nproxy_protocol {\ntimeout 5s\nallow " + trustedPeer + "/32\n}\n%s\n}"
	config := strings.Replace(in("app live", "wait 1m"), "{\n", "{\nservers {\n"+fmt.Sprintf(wrappers, "tls")+
		"\ntrusted_proxies static "+trustedPeer+"/32\n}\n", 1)
	config = strings.Replace(config, "server :{$RTMP_PORT}", "server :{$RTMP_PORT} {\n"+fmt.Sprintf(wrappers, "")+"\n}", 1)
	s := serve(t, config)
	s.publish(s.url("rtmp", "/live/test"))
	t.Run("HTTP", func(t *testing.T) { s.on(t).tryAddresses() })
	t.Run("RTMP", func(t *testing.T) { s.on(t).tryRTMPAddresses() })
}

// tryAddresses comes by HTTP.
func (s *server) tryAddresses() {
	for i, c := range []struct {
		peer, proxied string
		header        string // "name: value"
		want          string
	}{
		{otherPeer, "", "X-Forwarded-For: 203.0.113.7", otherPeer},
		{otherPeer, "", "X-Forwarded-For: 127.0.0.1", otherPeer},
		{otherPeer, "", "X-Real-Ip: 203.0.113.7", otherPeer},
		{otherPeer, "", "Forwarded: for=203.0.113.7", otherPeer},
		{otherPeer, "203.0.113.9", "X-Forwarded-For: 203.0.113.7", otherPeer},
		{trustedPeer, "", "", trustedPeer},
		{trustedPeer, "", "X-Forwarded-For: 203.0.113.7", "203.0.113.7"},
		{trustedPeer, "", "X-Forwarded-For: nonsense", trustedPeer},
		{trustedPeer, "", "X-Real-Ip: 203.0.113.7", trustedPeer},
		{trustedPeer, "203.0.113.9", "", "203.0.113.9"},
		{trustedPeer, "203.0.113.9", "X-Forwarded-For: 203.0.113.7", "203.0.113.9"}, // whom the server does not know
	} {
		preface := ""
		if c.proxied != "" {
			preface = proxied(c.proxied)
		}
		for j, path := range []string{"http/live/test.flv", "https/live/test.ts", "https/live/test.m3u8", "http/live/test.flv+socket"} {
			name := fmt.Sprintf("caller-%d-%d", i, j)
			scheme, path, _ := strings.Cut(path, "/")
			path, _, socket := strings.Cut(path, "+")
			port := map[string]int{"http": s.http, "https": s.https}[scheme]
			relay := relayFrom(s.t, c.peer, "127.0.0.1:"+strconv.Itoa(port), preface)
			header := http.Header{"User-Agent": {name}, "Referer": {"https://page.example.com/" + name}}
			if key, value, ok := strings.Cut(c.header, ": "); ok {
				header.Set(key, value)
			}
			if socket {
				for key, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
					header.Set(key, value)
				}
			}
			s.comeBy(relay, s.url(scheme, "/"+path), header)
			row := s.rowOf(line{"user_agent": name})
			if row.IP != c.want || row.PageURL != "https://page.example.com/"+name || row.URL != "/live/test" {
				s.t.Errorf("%s by %s, proxied for %q with %q: %+v, want the ip %s", path, c.peer, c.proxied, c.header, row, c.want)
			}
		}
	}
}

// comeBy asks for an URL through a relay. The answer goes on until the test ends.
func (s *server) comeBy(through *relay, url string, header http.Header) {
	s.t.Helper()
	tr := &http.Transport{
		TLSClientConfig: s.tls(),
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, through.Addr().String())
		},
	}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header = header
	resp, err := tr.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		resp.Body.Close()
		tr.CloseIdleConnections()
	})
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusSwitchingProtocols {
		s.t.Fatalf("%s: %s", url, resp.Status)
	}
}

// rowOf returns what the API says of a client of whose beginning the log tells.
func (s *server) rowOf(begun line) (row clientRow) {
	s.t.Helper()
	begun["msg"] = "play started"
	id, _ := s.awaitLog(1, begun)[0]["session"].(string)
	var answer struct{ Client clientRow }
	if err := s.api(http.MethodGet, "/clients/"+id, &answer); err != nil {
		s.t.Fatal(err)
	}
	return answer.Client
}

// tryRTMPAddresses comes by RTMP, and waits for streams that nobody publishes.
func (s *server) tryRTMPAddresses() {
	for i, c := range []struct{ peer, proxied, want string }{
		{otherPeer, "", otherPeer},
		{otherPeer, "203.0.113.9", otherPeer},
		{trustedPeer, "203.0.113.9", "203.0.113.9"},
		{trustedPeer, "", trustedPeer},
	} {
		preface := ""
		if c.proxied != "" {
			preface = proxied(c.proxied)
		}
		name := fmt.Sprintf("none-%d", i)
		relay := relayFrom(s.t, c.peer, "127.0.0.1:"+strconv.Itoa(s.rtmp), preface)
		ctx, cancel := context.WithCancel(s.t.Context())
		done := make(chan error, 1)
		go func() {
			client, err := s.dial("rtmp://" + relay.Addr().String() + "/live/" + name)
			if err == nil {
				_, err = client.Play(ctx)
			}
			done <- err
		}()
		row := s.rowOf(line{"stream": name})
		if row.IP != c.want || row.Type != "rtmp-play" {
			s.t.Errorf("%s, proxied for %q: %+v, want the ip %s", c.peer, c.proxied, row, c.want)
		}
		cancel()
		if err := <-done; err == nil {
			s.t.Errorf("%s, proxied for %q, plays what nobody publishes", c.peer, c.proxied)
		}
	}
}
