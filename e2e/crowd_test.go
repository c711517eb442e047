package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bluenviron/gohlslib/v2/pkg/playlist"
	"github.com/coder/websocket"
)

// A member of a crowd counts the body bytes that it receives, and keeps none. The server knows it by its user agent.
type member struct {
	name string
	got  atomic.Int64
	done chan struct{} // closed when it has received the last
	err  error         // how that was, nil for a clean end, once done is closed
	quit context.CancelFunc
}

// Write implements io.Writer.
func (m *member) Write(b []byte) (int, error) {
	m.got.Add(int64(len(b)))
	return len(b), nil
}

func (s *server) newMember(kind string, i int) (*member, context.Context) {
	ctx, cancel := context.WithCancel(s.t.Context())
	m := &member{name: fmt.Sprintf("%s-%d", kind, i), done: make(chan struct{}), quit: cancel}
	s.t.Cleanup(func() {
		cancel()
		<-m.done
	})
	return m, ctx
}

// A wish is a kind of viewers of a crowd.
type wish struct {
	kind    string // of the crowd
	scheme  string
	version int
	ending  string
	count   int
	socket  bool
}

// crowd makes viewers of continuous streams over HTTP. Its name tells them from others.
func (s *server) crowd(name, stream string, wishes ...wish) (all []*member) {
	s.t.Helper()
	for _, w := range wishes {
		for i := range w.count {
			m, ctx := s.newMember(name+"-"+w.kind, i)
			all = append(all, m)
			body, err := s.body(ctx, w, m.name, s.url(w.scheme, "/live/"+stream+w.ending))
			if err != nil {
				close(m.done)
				s.t.Fatalf("%s: %v", m.name, err)
			}
			go func() {
				defer close(m.done)
				_, m.err = io.Copy(m, body)
				body.Close()
			}()
		}
	}
	return all
}

// body opens a stream, with a user agent of the given name.
func (s *server) body(ctx context.Context, w wish, name, url string) (io.ReadCloser, error) {
	return s.bodyFor(ctx, w, http.Header{"User-Agent": {name}}, url)
}

// bodyFor opens a stream with the given header.
func (s *server) bodyFor(ctx context.Context, w wish, header http.Header, url string) (io.ReadCloser, error) {
	if w.socket {
		conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{ //nolint:bodyclose // the connection is the body
			HTTPClient: s.browser(http1), HTTPHeader: header,
		})
		if err != nil {
			return nil, err
		}
		conn.SetReadLimit(-1)
		return websocket.NetConn(ctx, conn, websocket.MessageBinary), nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header = header
	resp, err := s.browser(w.version).Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != w.version {
		resp.Body.Close()
		return nil, fmt.Errorf("%s %s", resp.Proto, resp.Status)
	}
	return resp.Body, nil
}

// curlMember watches with curl, which says in the end how much it has received.
func (s *server) curlMember(name string, i int, url string, args ...string) *member {
	s.t.Helper()
	m, ctx := s.newMember(name, i)
	args = append(args, "-sS", "--noproxy", "*", "--cacert", s.rootCert(), "-A", m.name, "-o", os.DevNull, "-w", "%{size_download}", url)
	cmd := exec.CommandContext(ctx, "curl", args...)
	go func() {
		defer close(m.done)
		var said []byte
		if said, m.err = cmd.Output(); m.err == nil {
			n, err := strconv.ParseInt(string(said), 10, 64)
			m.got.Store(n)
			m.err = err
		}
	}()
	return m
}

// hlsMember plays some segments, as a browser does, and then rests.
func (s *server) hlsMember(i, version int, entry string) *member {
	s.t.Helper()
	m, ctx := s.newMember("hls", i)
	go func() {
		defer close(m.done)
		m.err = m.playHLS(ctx, s.browser(version), entry)
	}()
	return m
}

// playHLS gets the playlists and what the media playlist lists.
func (m *member) playHLS(ctx context.Context, client *http.Client, entry string) error {
	base, err := url.Parse(entry)
	if err != nil {
		return err
	}
	var main playlist.Multivariant
	if err := m.unmarshal(ctx, client, base, &main); err != nil {
		return err
	}
	if base, err = base.Parse(main.Variants[0].URI); err != nil {
		return err
	}
	for range 2 {
		var media playlist.Media
		if err := m.unmarshal(ctx, client, base, &media); err != nil {
			return err
		}
		for _, segment := range media.Segments {
			object, err := base.Parse(segment.URI)
			if err != nil {
				return err
			}
			if _, err := m.fetch(ctx, client, object); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *member) unmarshal(ctx context.Context, client *http.Client, u *url.URL, into interface{ Unmarshal([]byte) error }) error {
	body, err := m.fetch(ctx, client, u)
	if err != nil {
		return err
	}
	return into.Unmarshal(body)
}

// fetch gets an object and counts it.
func (m *member) fetch(ctx context.Context, client *http.Client, u *url.URL) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", m.name)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", u, resp.Status)
	}
	m.got.Add(int64(len(body)))
	return body, err
}

// An rtmpMember watches by RTMP through a relay, which counts all bytes of the connection.
type rtmpMember struct {
	*watcher
	relay *relay
}

func (s *server) rtmpMember(stream string) *rtmpMember {
	s.t.Helper()
	relay := relayTo(s.t, "127.0.0.1:"+strconv.Itoa(s.rtmp), "")
	return &rtmpMember{s.play("rtmp://" + relay.Addr().String() + "/live/" + stream), relay}
}

// remote is the address that the server sees.
func (m *rtmpMember) remote() string {
	m.relay.mu.Lock()
	defer m.relay.mu.Unlock()
	for _, conn := range m.relay.conns {
		if addr, ok := conn.LocalAddr().(*net.TCPAddr); ok && addr.String() != m.relay.Addr().String() {
			return addr.String()
		}
	}
	return ""
}

// await waits until each member has received so many bytes.
func await(t testing.TB, members []*member, least int64) {
	t.Helper()
	eventually(t, "all viewers have seen enough", func() error {
		for _, m := range members {
			if n := m.got.Load(); n < least {
				return fmt.Errorf("%s has received %d bytes", m.name, n)
			}
		}
		return nil
	})
}

// gather waits until each member has received the last, and returns how much all have received.
func gather(t testing.TB, members []*member, clean bool) (sum int64) {
	t.Helper()
	eventually(t, "all viewers have ended", func() error {
		for _, m := range members {
			select {
			case <-m.done:
			default:
				return errors.New(m.name + " goes on")
			}
		}
		return nil
	})
	for _, m := range members {
		if clean && m.err != nil && !strings.Contains(m.err.Error(), "StatusPolicyViolation") { // a WebSocket that was kicked
			t.Errorf("%s ended with %v", m.name, m.err)
		}
		sum += m.got.Load()
	}
	return sum
}
