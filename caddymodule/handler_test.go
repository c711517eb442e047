package caddymodule_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-rtmp/caddy-rtmp/caddymodule"
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
)

// onSite puts directives into a site, beside an app live that makes nobody wait and refuses those who play /live/secret.
func onSite(directives string) string {
	return `{
	$OPTIONS
	servers {
		trusted_proxies static 127.0.0.0/8
	}
	rtmp {
		server 127.0.0.1:$RTMP
		app live {
			wait 0
			play {
				match not path /live/secret
			}
		}
		app token {
			wait 0
			play {
				authenticate token {
					secret x
				}
			}
		}
		app radio
	}
}
http://localhost:$HTTP {
	log
	` + directives + `
}
`
}

func TestHandlersPassOn(t *testing.T) {
	b := newBed(t)
	b.load(onSite("rtmp_play {\napp live\n}\nrespond next 299"))
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 3)
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/radio/demo", 3)
	for path, want := range map[string]int{
		"/live/demo.flv":         200,
		"/live/demo.ts":          200,
		"/live/demo.m3u8":        200,
		"/live/none.flv":         404,
		"/live/none.ts":          404,
		"/live/none.m3u8":        404,
		"/live/none/index.m3u8":  404,
		"/radio/demo.flv":        299,
		"/radio/demo.ts":         299,
		"/radio/demo.m3u8":       299,
		"/radio/demo/index.m3u8": 299,
		"/":                      299,
		"/live":                  299,
		"/live/demo":             299,
		"/live/page.html":        299,
		"/live/demo/page.html":   299,
		"/a/b/c.flv":             299,
		"/demo.flv":              299,
	} {
		if resp := b.do(http.MethodGet, call{url: path}); resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, resp.Status, want)
		}
	}
}

// TestHandlePath: the handlers look at the path as it was handed on.
func TestHandlePath(t *testing.T) {
	b := newBed(t)
	b.load(onSite("handle_path /tv/* {\nrtmp_play\n}"))
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 7)
	playHTTP(t, "http://localhost:"+b.http+"/tv/live/demo.flv")
	if playHLS(t, "http://localhost:"+b.http+"/tv/live/demo.m3u8").newest() == "" {
		t.Error("no HLS below a prefix")
	}
}

func TestErrors(t *testing.T) {
	tests := map[string]struct {
		path   string
		status int
		says   string
	}{
		"no publisher":    {"/live/none.flv", 404, "no publisher"},
		"no publisher TS": {"/live/none.ts", 404, "no publisher"},
		"no publisher M3": {"/live/none.m3u8", 404, "no publisher"},
		"no app":          {"/none/demo.flv", 404, `no app "none"`},
		"denied":          {"/live/secret.flv", 403, "no rule lets you play"},
		"denied HLS":      {"/live/secret.m3u8", 403, "no rule lets you play"},
		"no token":        {"/token/demo.flv", 401, "a token is needed"},
		"wrong token":     {"/token/demo.ts?token=y", 401, "is wrong"},
		"bad name":        {"/live/%01.flv", 400, "control character"},
		"long name":       {"/live/" + strings.Repeat("x", 129) + ".flv", 400, "longer than 128 bytes"},
	}
	b := newBed(t)
	b.load(onSite("rtmp_play"))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			resp := b.do(http.MethodGet, call{url: test.path})
			status, body := text(t, resp)
			if status != test.status || !strings.Contains(body, test.says) {
				t.Errorf("%d %q, want %d with %q", status, body, test.status, test.says)
			}
			if resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control: %q", resp.Header.Get("Cache-Control"))
			}
		})
	}
	b.load(onSite("rtmp_play\nhandle_errors {\nrespond \"our page for {err.status_code}\"\n}"))
	for name, test := range tests {
		t.Run(name+" with pages of the site", func(t *testing.T) {
			resp := b.do(http.MethodGet, call{url: test.path})
			status, body := text(t, resp)
			if want := fmt.Sprintf("our page for %d", test.status); status != test.status || body != want {
				t.Errorf("%d %q, want %q", status, body, want)
			}
			if resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control: %q", resp.Header.Get("Cache-Control"))
			}
		})
	}
}

// TestClientLeavesWhileWaiting: a viewer that does not wait for the publisher is no fault of the server's.
func TestClientLeavesWhileWaiting(t *testing.T) {
	for _, pages := range []string{"", "\nhandle_errors {\nrespond page\n}"} {
		b := newBed(t)
		b.load(strings.Replace(onSite("rtmp_play"+pages), "app radio", "app radio {\nwait 1m\n}", 1))
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost:"+b.http+"/radio/none.flv", nil)
		if err != nil {
			t.Fatal(err)
		}
		left := make(chan struct{})
		go func() {
			defer close(left)
			if resp, err := httpClient(t).Do(req); err == nil {
				_ = resp.Body.Close()
			}
		}()
		eventually(t, "the viewer waits", func() bool { return len(b.sessions()) == 1 })
		cancel()
		<-left
		eventually(t, "the access log has it", func() bool { return len(b.logged("/radio/none.flv")) > 0 })
		for _, line := range b.logged("handled request") {
			if line["status"] != 499.0 || line["level"] != "info" {
				t.Errorf("%v %v, want 499", line["level"], line["status"])
			}
		}
	}
}

// TestClientAddress: the address that a trusted proxy tells is that of the session.
func TestClientAddress(t *testing.T) {
	b := newBed(t)
	b.load(onSite("rtmp_play"))
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 3)
	for _, address := range []string{"198.51.100.7", "2001:db8::7"} {
		for _, ending := range []string{".flv", ".ts", ".m3u8"} {
			get(t, httpClient(t), "http://localhost:"+b.http+"/live/demo"+ending, "X-Forwarded-For", address)
		}
		seen := 0
		for _, s := range b.sessions() {
			if s.Remote.Addr() == netip.MustParseAddr(address) {
				seen++
			}
		}
		if seen != 3 {
			t.Errorf("%d sessions from %s, want 3", seen, address)
		}
	}
}

// TestUnixSockets: publishers and viewers of a Unix socket are on this machine; a trusted proxy behind one names another.
func TestUnixSockets(t *testing.T) {
	b := newBed(t)
	dir := t.TempDir()
	site := filepath.Join(dir, "http.sock")
	config := strings.Replace(onSite("bind unix/"+site+"\nrtmp_play"), "127.0.0.1:$RTMP", "unix/"+filepath.Join(dir, "rtmp.sock"), 1)
	b.load(strings.Replace(config, "servers {", "servers {\ntrusted_proxies_unix", 1))
	pipe, err := net.Dial("unix", filepath.Join(dir, "rtmp.sock"))
	if err != nil {
		t.Fatal(err)
	}
	publishOver(t, pipe, "live/demo")
	dialer := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", site)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dialer}}
	t.Cleanup(client.CloseIdleConnections)
	for _, header := range [][]string{nil, {"X-Forwarded-For", "198.51.100.7"}} {
		if resp := get(t, client, "http://localhost:"+b.http+"/live/demo.flv", header...); resp.StatusCode != http.StatusOK {
			t.Errorf("with %v: %s", header, resp.Status)
		}
	}
	seen := make(map[string]bool)
	for _, s := range b.sessions() {
		seen[s.Remote.Addr().String()] = true
	}
	if !seen["198.51.100.7"] || !seen["127.0.0.1"] || len(seen) != 2 {
		t.Errorf("sessions from %v, want some from 127.0.0.1 and one from 198.51.100.7", seen)
	}
}

// TestAccessLog: one line in the access log tells which stream a viewer has had.
func TestAccessLog(t *testing.T) {
	b := newBed(t)
	b.load(onSite("rtmp_play"))
	p := publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 3)
	v := playHTTP(t, "http://localhost:"+b.http+"/live/demo.flv")
	var id string
	for _, s := range b.sessions() {
		if s.Protocol == live.ProtocolFLV {
			id = s.ID
		}
	}
	_ = p.client.Close()
	eventually(t, "the viewer has ended", v.ended)
	eventually(t, "the access log has it", func() bool { return len(b.logged("handled request")) == 1 })
	line := b.logged("handled request")[0]
	if line["rtmp_app"] != "live" || line["rtmp_stream"] != "demo" || line["rtmp_session"] != id || line["size"] != float64(v.got.Load()) {
		t.Errorf("the access log says %v, want session %s and %d bytes", line, id, v.got.Load())
	}
	eventually(t, "both ends are logged", func() bool { return len(b.logged("publish ended"))+len(b.logged("play ended")) == 2 })
	for _, message := range []string{"publish started", "play started", "publish ended", "play ended"} {
		if lines := b.logged(message); len(lines) != 1 || lines[0]["stream"] != "demo" || lines[0]["level"] != "info" {
			t.Errorf("%q: %v, want one line", message, lines)
		}
	}
}

const secure = `{
	$OPTIONS
	rtmp {
		server 127.0.0.1:$RTMP {
			listener_wrappers {
				proxy_protocol {
					allow 127.0.0.0/8
				}
			}
		}
		server 127.0.0.1:$RTMPS {
			tls
			listener_wrappers {
				proxy_protocol {
					allow 127.0.0.0/8
				}
				tls
			}
		}
		app live {
			publish {
				allow all
			}
		}
	}
}
https://localhost:$HTTPS {
	$TLS
	rtmp_play
}
`

func TestRTMPS(t *testing.T) {
	b := newBed(t)
	b.load(secure)
	publish(t, "rtmps://127.0.0.1:"+b.rtmps+"/live/demo", 2)
	v := playRTMP(t, "rtmps://127.0.0.1:"+b.rtmps+"/live/demo")
	eventually(t, "the viewer is given something", func() bool { return v.got.Load() > 0 })
	for _, s := range b.sessions() {
		if s.TLS == nil {
			t.Errorf("the %s session knows of no TLS", s.Action)
		}
	}
	b.checkALPN()
}

// checkALPN checks that who wants to speak HTTP is refused at the RTMPS port, and returns the certificate that is there.
func (b *bed) checkALPN() *x509.Certificate {
	b.t.Helper()
	var certificate *x509.Certificate
	for alpn, ok := range map[string]bool{"": true, "rtmp": true, "h2": false, "http/1.1": false} {
		config := insecure.Clone()
		if alpn != "" {
			config.NextProtos = []string{alpn}
		}
		conn, err := tls.Dial("tcp", "127.0.0.1:"+b.rtmps, config)
		if (err == nil) != ok {
			b.t.Errorf("ALPN %q: %v", alpn, err)
		}
		if err == nil {
			certificate = conn.ConnectionState().PeerCertificates[0]
			_ = conn.Close()
		}
	}
	return certificate
}

// TestProxyProtocol: the address in a PROXY header is the client's, before TLS too.
func TestProxyProtocol(t *testing.T) {
	b := newBed(t)
	b.load(secure)
	for port, address := range map[string]string{b.rtmp: "198.51.100.7", b.rtmps: "198.51.100.8"} {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "PROXY TCP4 %s 192.0.2.1 5555 1935\r\n", address); err != nil {
			t.Fatal(err)
		}
		if port == b.rtmps {
			conn = tls.Client(conn, insecure)
		}
		publishOver(t, conn, "live/"+port)
	}
	for _, s := range b.sessions() {
		if want := map[string]string{b.rtmp: "198.51.100.7:5555", b.rtmps: "198.51.100.8:5555"}[s.Key.Name]; s.Remote.String() != want {
			t.Errorf("the publisher of %s comes from %s, want %s", s.Key, s.Remote, want)
		}
	}
	if n := len(b.sessions()); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}

// publishOver publishes over a connection: it stands between it and a client.
func publishOver(t *testing.T, conn net.Conn, path string) *publisher {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		client, err := ln.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		go func() { _, _ = io.Copy(client, conn) }()
		_, _ = io.Copy(conn, client)
	}()
	return publish(t, "rtmp://"+ln.Addr().String()+"/"+path, 3)
}

// TestRefusedConfigurations: what cannot work is refused when it is loaded, with the reason, and leaves nothing.
func TestRefusedConfigurations(t *testing.T) {
	rtmp := func(app string) string { return `{"rtmp":` + app + `}` }
	server := func(s string) string { return rtmp(`{"servers":{"a":` + s + `}}`) }
	live := func(app string) string { return rtmp(`{"applications":{"live":` + app + `}}`) }
	site := func(apps, handler string) string {
		return `{` + apps + `"http":{"servers":{"a":{"listen":["127.0.0.1:1"],"routes":[{"handle":[` + handler + `]}]}}}}`
	}
	tests := map[string]struct{ apps, says string }{
		"no port":               {server(`{"listen":["127.0.0.1"]}`), "has no port"},
		"datagrams":             {server(`{"listen":["udp/127.0.0.1:1935"]}`), "datagrams"},
		"no range":              {server(`{"listen":["127.0.0.1:1936-1935"]}`), "1936-1935"},
		"address twice":         {server(`{"listen":["127.0.0.1:1935","127.0.0.1:1935"]}`), "both listen on 127.0.0.1:1935"},
		"ranges overlap":        {server(`{"listen":["127.0.0.1:1935-1937","127.0.0.1:1937-1938"]}`), "both listen on 127.0.0.1:1937"},
		"address of two":        {rtmp(`{"servers":{"a":{"listen":["127.0.0.1:1935"]},"b":{"listen":["127.0.0.1:1935"]}}}`), `"a" and "b" both listen`},
		"unknown placeholder":   {server(`{"listen":["{nothing.of.this}:1935"]}`), "nothing.of.this"},
		"tls wrapper first":     {server(`{"listener_wrappers":[{"wrapper":"tls"}]}`), "not first"},
		"tls wrapper twice":     {server(`{"listener_wrappers":[{"wrapper":"proxy_protocol"},{"wrapper":"tls"},{"wrapper":"tls"}]}`), "may stand once"},
		"names without policy":  {server(`{"automate_names":["localhost"]}`), "needs tls_connection_policies"},
		"null policy":           {server(`{"tls_connection_policies":[null]}`), "is null"},
		"unknown field":         {live(`{"gopcache":{}}`), "gopcache"},
		"small commands":        {rtmp(`{"limits":{"command_size":100}}`), "command_size is 100; it must be from 1024"},
		"long media":            {rtmp(`{"limits":{"admitted_media_size":16777217}}`), "admitted_media_size is 16777217"},
		"few chunk streams":     {rtmp(`{"limits":{"chunk_streams":1}}`), "chunk_streams is 1"},
		"negative depth":        {rtmp(`{"limits":{"amf_depth":-1}}`), "amf_depth is -1"},
		"negative grace":        {rtmp(`{"shutdown_grace":"-1s"}`), "negative"},
		"negative wait":         {live(`{"wait":"-1s"}`), "negative"},
		"negative idle_timeout": {live(`{"idle_timeout":"-1s"}`), "negative"},
		"latency":               {live(`{"latency":"lowest"}`), "neither low"},
		"time_jitter":           {live(`{"time_jitter":"on"}`), "neither full"},
		"on_conflict":           {live(`{"on_conflict":"kill"}`), "neither auto"},
		"short segment":         {live(`{"hls":{"segment":"500ms"}}`), "not between 1s and 1m"},
		"small window":          {live(`{"hls":{"window":2}}`), "not between 3 and 1000"},
		"long window":           {live(`{"hls":{"window_duration":"2h"}}`), "not between 0 and 1h"},
		"short part":            {live(`{"hls":{"part":"20ms"}}`), "not between 100ms and half a segment"},
		"long part":             {live(`{"hls":{"part":"2s"}}`), "not between 100ms and half a segment"},
		"long dvr":              {live(`{"hls":{"dvr":"48h"}}`), "not between 0 and 24h"},
		"no folder":             {live(`{"hls":{"storage":{}}}`), "no folder"},
		"no such word":          {live(`{"hls":{"storage":{"folder":"x","segment":"[stream]-[seq]-[x]"}}}`), "no such word"},
		"one playlist for two":  {live(`{"hls":{"storage":{"folder":"x","playlist":"[stream].m3u8"}}}`), "no [variant]"},
		"parts in clear":        {live(`{"hls":{"variants":["ll"],"encrypt":{}}}`), "exclude each other"},
		"long key":              {live(`{"hls":{"encrypt":{"rotate":5000}}}`), "not for 1 to 1000"},
		"no such variant":       {live(`{"hls":{"variants":["dash"]}}`), "neither ts, fmp4 nor ll"},
		"bad range":             {live(`{"play":{"allow":["10.0.0.0/99"]}}`), "neither an address range"},
		"unknown matcher":       {live(`{"play":{"match":[{"weather":{}}]}}`), "weather"},
		"unknown authenticator": {live(`{"play":{"authenticate":[{"authenticator":"magic"}]}}`), "magic"},
		"token without secret":  {live(`{"play":{"authenticate":[{"authenticator":"token"}]}}`), "needs a secret"},
		"flv without app":       {site("", `{"handler":"rtmp_flv"}`), `add the global option "rtmp"`},
		"hls without app":       {site("", `{"handler":"rtmp_hls"}`), `add the global option "rtmp"`},
		"api without app":       {site("", `{"handler":"rtmp_api","auth":{"by_site":true}}`), `add the global option "rtmp"`},
		"api without auth":      {site(`"rtmp":{},`, `{"handler":"rtmp_api"}`), "needs an auth"},
		"api with empty auth":   {site(`"rtmp":{},`, `{"handler":"rtmp_api","auth":{}}`), "needs an auth"},
		"api unknown provider":  {site(`"rtmp":{},`, `{"handler":"rtmp_api","auth":{"providers":{"magic":{}}}}`), "magic"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := caddy.Load([]byte(`{"admin":{"disabled":true,"config":{"persist":false}},"apps":`+test.apps+`}`), true)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want an error that says %q", err, test.says)
			}
			if n := caddymodule.References(); n != 0 {
				t.Errorf("%d references to the engine", n)
			}
		})
	}
}

// TestNull: null in JSON means the defaults.
func TestNull(t *testing.T) {
	b := newBed(t)
	config := `{"admin":{"disabled":true,"config":{"persist":false}},"apps":{"rtmp":{
		"servers":{"a":{"listen":["127.0.0.1:` + b.rtmp + `"]}},"applications":{"live":null}}}}`
	if err := caddy.Load([]byte(config), true); err != nil {
		t.Fatal(err)
	}
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 1)
	if _, err := rtmpapp.Dial(t.Context(), "rtmp://127.0.0.1:"+b.rtmp+"/other/demo", nil); err == nil {
		t.Error("there is another app")
	}
}
