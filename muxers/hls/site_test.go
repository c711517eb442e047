package hls

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	m3u8 "github.com/bluenviron/gohlslib/v2/pkg/playlist"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// A site is a hub with a handler, and a record of what the observer was told.
type site struct {
	*testing.T
	hub     *live.Hub
	server  *Server
	handler *Handler
	config  Config

	mu     sync.Mutex
	events []live.Event
	asked  []live.Request
	grant  live.Grant
	refuse error
}

// inBubble runs f on a new site, in a bubble of fake time in which no goroutine may be left.
func inBubble(t *testing.T, f func(s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		defer func() { s.server.Close() }()
		f(s)
	})
}

func newSite(t *testing.T) *site {
	s := &site{T: t, hub: new(live.Hub), config: DefaultConfig()}
	s.config.FMP4, s.config.LowLatency = false, false
	s.hub.Activate(&live.Policy{
		Guard:    live.GuardFunc(s.guard),
		Observer: live.ObserverFunc(s.observe),
		Vhosts:   map[string]string{"tv.example": "tv.example", "www.tv.example": "tv.example"},
	})
	s.server = NewServer(s.hub)
	s.handler = &Handler{Server: s.server, Config: func(live.Key) Config { return s.config }}
	return s
}

func (s *site) guard(_ context.Context, r *live.Request) (live.Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Action == live.ActionPublish {
		return live.Grant{}, nil
	}
	s.asked = append(s.asked, *r)
	return s.grant, s.refuse
}

func (s *site) observe(e live.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Session.Action == live.ActionPlay {
		s.events = append(s.events, e)
	}
}

// told returns what the observer was told of viewers, in one word each.
func (s *site) told() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var words []string
	for _, e := range s.events {
		words = append(words, string(e.Type))
	}
	return strings.Join(words, " ")
}

// publish puts seconds of the synthetic stream on air at their pace, in the background, and returns the publisher.
func (s *site) publish(seconds int) *live.Publisher {
	s.Helper()
	p := livetest.Publish(s.T, s.hub, livetest.Key)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = livetest.Pace(ctx, p, livetest.GOPs(seconds)...)
	}()
	s.Cleanup(func() { cancel(); <-done })
	return p
}

// leave takes the publisher off air and lets everybody notice.
func leave(p *live.Publisher) {
	p.Close(nil)
	synctest.Wait()
}

func (s *site) get(path string) *httptest.ResponseRecorder { return s.do(http.MethodGet, path, nil) }

// getFrom gets a path of another host.
func (s *site) getFrom(host, path string) *httptest.ResponseRecorder {
	s.Helper()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://"+host+path, nil))
	return w
}

func (s *site) do(method, path string, header http.Header) *httptest.ResponseRecorder {
	s.Helper()
	r := httptest.NewRequest(method, "http://example.com"+path, nil)
	maps.Copy(r.Header, header)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// ok gets a path and returns the body; any status but 200 ends the test.
func (s *site) ok(path string) []byte {
	s.Helper()
	w := s.get(path)
	if w.Code != http.StatusOK {
		s.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// status gets a path and checks the status.
func (s *site) status(path string, want int) {
	s.Helper()
	if w := s.get(path); w.Code != want {
		s.Errorf("GET %s: %d %s, want %d", path, w.Code, strings.TrimSpace(w.Body.String()), want)
	}
}

const folder = "/live/demo/"

// enter begins to watch and returns the path of the media playlist.
func (s *site) enter(query string) string {
	s.Helper()
	return folder + s.multivariant(s.ok(folder + "index.m3u8" + query)).Variants[0].URI
}

func (s *site) multivariant(b []byte) *m3u8.Multivariant {
	s.Helper()
	p, err := m3u8.Unmarshal(b)
	if err != nil {
		s.Fatalf("%v in\n%s", err, b)
	}
	m, ok := p.(*m3u8.Multivariant)
	if !ok {
		s.Fatalf("no multivariant playlist:\n%s", b)
	}
	return m
}

// media gets a media playlist and checks what must hold for every one.
func (s *site) media(path string) *m3u8.Media {
	s.Helper()
	b := s.ok(path)
	p, err := m3u8.Unmarshal(b)
	if err != nil {
		s.Fatalf("%v in\n%s", err, b)
	}
	m, ok := p.(*m3u8.Media)
	if !ok {
		s.Fatalf("no media playlist:\n%s", b)
	}
	for i, seg := range m.Segments {
		if seg.Duration.Round(time.Second) > time.Duration(m.TargetDuration)*time.Second {
			s.Errorf("segment of %v, target %d", seg.Duration, m.TargetDuration)
		}
		if seg.DateTime == nil || i > 0 && seg.DateTime.Before(m.Segments[i-1].DateTime.Add(m.Segments[i-1].Duration)) {
			s.Errorf("segment %d begins at %v", i, seg.DateTime)
		}
		if strings.Contains(seg.URI, "/") {
			s.Errorf("segment at %s", seg.URI)
		}
	}
	if !bytes.HasSuffix(b, []byte("\n")) {
		s.Errorf("playlist:\n%s", b)
	}
	return m
}

// numbers returns the absolute place of the newest segment: its media and discontinuity sequence numbers.
func numbers(m *m3u8.Media) (media, seams int) {
	media = m.MediaSequence + len(m.Segments) - 1
	if m.DiscontinuitySequence != nil {
		seams = *m.DiscontinuitySequence
	}
	for _, seg := range m.Segments {
		if seg.Discontinuity {
			seams++
		}
	}
	return media, seams
}

func sleep(d time.Duration) { time.Sleep(d); synctest.Wait() }

// pause is sleep for the goroutines beside the test's, who may not wait for each other.
func pause(d time.Duration) { time.Sleep(d) }
