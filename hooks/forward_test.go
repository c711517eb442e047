package hooks_test

import (
	"crypto/tls"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// login returns a guard that asks a server.
func login(t *testing.T, s *httptest.Server, timeout time.Duration) *hooks.Forward {
	t.Helper()
	u := must(url.Parse(s.URL + "/verify?secret=1"))
	transport := hooks.NewTransport(nil, u)
	t.Cleanup(transport.CloseIdleConnections)
	return hooks.NewForward(hooks.ForwardOptions{URL: u, Transport: transport, Timeout: timeout})
}

// TestForwardAnswers is what becomes of clients by the server's answer.
func TestForwardAnswers(t *testing.T) {
	tests := map[string]struct {
		status    int
		header    http.Header
		want      error
		user      string
		lifetime  time.Duration
		challenge string
	}{
		"200":               {status: 200},
		"204":               {status: 204},
		"user and lifetime": {status: 200, header: http.Header{"Remote-User": {"alice"}, "X-Rtmp-Expires-In": {"60"}}, user: "alice", lifetime: time.Minute},
		"no lifetime":       {status: 200, header: http.Header{"X-Rtmp-Expires-In": {"-1"}}},
		"huge lifetime":     {status: 200, header: http.Header{"X-Rtmp-Expires-In": {"99999999999999999999"}}},
		"401":               {status: 401, header: http.Header{"Www-Authenticate": {"Basic realm=x", "Bearer"}}, want: live.ErrUnauthorized, challenge: "Basic realm=x, Bearer"},
		"302":               {status: 302, header: http.Header{"Location": {"/login"}}, want: live.ErrUnauthorized},
		"400":               {status: 400, want: live.ErrDenied},
		"403":               {status: 403, want: live.ErrDenied},
		"404":               {status: 404, want: live.ErrDenied},
		"408":               {status: 408, want: errOther},
		"429":               {status: 429, want: errOther},
		"500":               {status: 500, want: errOther},
		"503":               {status: 503, want: errOther},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
				maps.Copy(w.Header(), test.header)
				w.WriteHeader(test.status)
			})
			grant, err := login(t, b.Server, 0).Admit(t.Context(), &live.Request{Key: cam1})
			refusal, refused := errors.AsType[*live.Refusal](err)
			switch {
			case errors.Is(test.want, errOther):
				if err == nil || refused {
					t.Errorf("got %v", err)
				}
			case test.want != nil:
				check(t, err, test.want)
				if refused && refusal.Challenge != test.challenge {
					t.Errorf("the challenge is %q", refusal.Challenge)
				}
			case err != nil:
				t.Error(err)
			default:
				lifetime := time.Until(grant.Expires).Round(10 * time.Second)
				if grant.User != test.user || grant.Expires.IsZero() != (test.lifetime == 0) || test.lifetime != 0 && lifetime != test.lifetime {
					t.Errorf("the grant is %+v", grant)
				}
			}
			if got := len(b.calls); got != 1 {
				t.Errorf("%d calls", got)
			}
		})
	}
}

// TestForwardedHeader: what the server is told of HTTP viewers and of RTMP publishers, and what it is not.
func TestForwardedHeader(t *testing.T) {
	b := newBackend(t, func(http.ResponseWriter, *http.Request) {})
	guard := login(t, b.Server, 0)
	remote := netip.AddrPortFrom(netip.MustParseAddr("::ffff:203.0.113.7"), 1)
	ask := func(r *live.Request) http.Header {
		t.Helper()
		if _, err := guard.Admit(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		return b.next(t).header
	}
	compare := func(got http.Header, want map[string]string) {
		t.Helper()
		for name, value := range want {
			if got := strings.Join(got.Values(name), "|"); got != value {
				t.Errorf("%s is %q, want %q", name, got, value)
			}
		}
	}
	compare(ask(&live.Request{
		Key: cam1, Protocol: live.ProtocolHLS, Query: "a=b", Host: "live.example.com", Remote: remote, TLS: new(tls.ConnectionState), UserAgent: "VLC",
		Header: http.Header{
			"Cookie": {"session=1"}, "Authorization": {"Bearer x"}, "Accept-Language": {"de", "en"}, "User-Agent": {"VLC"},
			"X-Forwarded-For": {"10.0.0.1"}, "X-Forwarded-User": {"admin"}, "X-Rtmp-Action": {"publish"}, "X-Real-Ip": {"10.0.0.1"},
			"Forwarded": {"for=10.0.0.1"}, "Connection": {"keep-alive, X-Hop"}, "X-Hop": {"1"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Key": {"1"}, "Range": {"bytes=0-"}, "If-None-Match": {"x"},
		},
	}), map[string]string{
		"Cookie": "session=1", "Authorization": "Bearer x", "Accept-Language": "de|en", "User-Agent": "VLC",
		"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "live.example.com", "X-Forwarded-Uri": "/live/cam1?a=b",
		"X-Forwarded-For": "203.0.113.7", "X-Forwarded-User": "", "X-Real-Ip": "", "Forwarded": "", "X-Hop": "", "Upgrade": "",
		"Sec-Websocket-Key": "", "Range": "", "If-None-Match": "",
		"X-Rtmp-Action": "play", "X-Rtmp-Protocol": "hls", "X-Rtmp-Vhost": "__defaultVhost__", "X-Rtmp-App": "live", "X-Rtmp-Stream": "cam1",
	})
	compare(ask(&live.Request{
		Action: live.ActionPublish, Protocol: live.ProtocolRTMP, Key: live.Key{Vhost: "tv.example.com", App: "live", Name: "Käse 1"},
		Username: "alice", Password: "pass:word", UserAgent: "OBS\r\nX-Forwarded-For: 10.0.0.1", PageURL: "https://example.com/", Host: "a\x00b",
	}), map[string]string{
		"X-Forwarded-Method": "POST", "X-Forwarded-Proto": "http", "X-Forwarded-Uri": "/live/K%C3%A4se%201", "X-Forwarded-For": "",
		"X-Forwarded-Host": "ab", "Authorization": "Basic YWxpY2U6cGFzczp3b3Jk", "User-Agent": "OBSX-Forwarded-For: 10.0.0.1", "Referer": "https://example.com/",
		"X-Rtmp-Action": "publish", "X-Rtmp-Protocol": "rtmp", "X-Rtmp-Vhost": "tv.example.com", "X-Rtmp-Stream": "K%C3%A4se%201",
	})
}

// TestForwardFailures: a server that hangs costs its time-out once, one that is gone nothing; neither admits, and no error
// tells the URL.
func TestForwardFailures(t *testing.T) {
	hang := make(chan struct{})
	slow := newBackend(t, func(http.ResponseWriter, *http.Request) { <-hang })
	defer close(hang)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	large := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 160 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	if _, err := login(t, large.Server, 0).Admit(t.Context(), &live.Request{Key: cam1}); err != nil {
		t.Errorf("a long answer: %v", err)
	}
	for name, s := range map[string]*httptest.Server{"slow": slow.Server, "gone": gone} {
		guard := login(t, s, 200*time.Millisecond)
		_, err := guard.Admit(t.Context(), &live.Request{Key: cam1})
		if _, refused := errors.AsType[*live.Refusal](err); err == nil || refused || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
		_, err = guard.Admit(t.Context(), &live.Request{Key: cam1})
		if name == "slow" {
			check(t, err, hooks.ErrOpen)
		}
	}
}
