package httplive_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/flv"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/httplive"
)

// All viewers get the same bytes from the key frame to the last picture, each is counted to the byte, and the end is a
// clean one.
func TestPlay(t *testing.T) {
	over(t, nil, func(t *testing.T, s *site, client *http.Client) {
		pub := s.onAir()
		const viewers = 3
		var bodies []<-chan []byte
		for range viewers {
			bodies = append(bodies, s.watch(client))
		}
		more := livetest.Media(1, 3)
		isErr(t, "pace", livetest.Pace(t.Context(), pub, more[:len(more)/2]...), nil) // not up to the next key frame
		pub.Close(nil)
		first := <-bodies[0]
		for _, body := range bodies[1:] {
			equal(t, "all the same", bytes.Equal(<-body, first), true)
		}
		for _, e := range s.ended(viewers) {
			equal(t, "sent", e.Session.Totals.Sent, int64(len(first)))
			isErr(t, "reason", e.Err, live.ErrEnded)
			equal(t, "protocol", e.Session.Protocol, live.ProtocolFLV)
		}
		want := append(livetest.GOPs(1), more[:len(more)/2]...)
		check(t, first, want)
	})
}

// check reads a response and compares it with the frames that were published.
func check(t *testing.T, b []byte, want []*live.Frame) {
	t.Helper()
	r, err := flv.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range want {
		got, err := r.ReadFrame(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.Kind != f.Kind || got.Time != f.Time || !bytes.Equal(got.Body, f.Body) {
			t.Fatalf("got %s at %d, want %s at %d", got.Kind, got.Time, f.Kind, f.Time)
		}
	}
	_, err = r.ReadFrame(t.Context())
	isErr(t, "behind the last frame", err, io.EOF)
}

func TestHeaders(t *testing.T) {
	over(t, nil, func(t *testing.T, s *site, client *http.Client) {
		pub := s.onAir()
		resp := s.open(client)
		for name, want := range map[string]string{
			"Content-Type":                "video/x-flv",
			"Cache-Control":               "no-store, no-transform",
			"Access-Control-Allow-Origin": "*",
			"X-Accel-Buffering":           "no",
			"Transfer-Encoding":           "",
			"Content-Length":              "",
		} {
			equal(t, name, resp.Header.Get(name), want)
		}
		equal(t, "chunks", len(resp.TransferEncoding), 0)
		pub.Close(nil)
		readAll(t, resp)
	})
}

func TestHead(t *testing.T) {
	over(t, nil, func(t *testing.T, s *site, client *http.Client) {
		s.onAir()
		resp, err := client.Head("http://example.com/live/demo.flv")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "status", resp.StatusCode, http.StatusOK)
		equal(t, "type", resp.Header.Get("Content-Type"), "video/x-flv")
		equal(t, "body", len(readAll(t, resp)), 0)
		equal(t, "sent", s.ended(1)[0].Session.Totals.Sent, 0)
	})
}

// TestAnswers is what gets no stream.
func TestAnswers(t *testing.T) {
	refuse := func(kind error) live.GuardFunc {
		return func(context.Context, *live.Request) (live.Grant, error) {
			return live.Grant{}, live.Refuse(kind, "because")
		}
	}
	for _, c := range []struct {
		method, path string
		guard        live.GuardFunc
		status       int
		text         string
	}{
		{"GET", "/live/none.flv", nil, 404, "no publisher"},
		{"HEAD", "/live/none.flv", nil, 404, ""},
		{"GET", "/other/demo.flv", nil, 404, "there is no app other"},
		{"GET", "/live/demo.ts", nil, 404, "no such file"},
		{"GET", "/live/sub/demo.flv", nil, 404, "no such file"},
		{"GET", "/demo.flv", nil, 404, "no such file"},
		{"GET", "/", nil, 404, "no such file"},
		{"POST", "/live/demo.flv", nil, 405, "method not allowed"},
		{"DELETE", "/live/demo.flv", nil, 405, "method not allowed"},
		{"GET", "/live/.flv", nil, 400, "is empty"},
		{"GET", "/live/...flv", nil, 400, ". or .."},
		{"GET", "/live/a%00.flv", nil, 400, "control character"},
		{"GET", "/live/a%0a.flv", nil, 400, "control character"},
		{"GET", "/live/a%ff.flv", nil, 400, "UTF-8"},
		{"GET", "/live/" + strings.Repeat("x", 129) + ".flv", nil, 400, "longer than 128"},
		{"GET", "/live/demo.ts.flv", nil, 400, "must not end"},
		{"GET", "/live/demo.flv", refuse(live.ErrUnauthorized), 401, "because"},
		{"GET", "/live/demo.flv", refuse(live.ErrDenied), 403, "because"},
		{"GET", "/live/demo.flv", refuse(live.ErrGuard), 503, "because"},
		{"GET", "/live/demo.flv", func(context.Context, *live.Request) (live.Grant, error) { return live.Grant{}, errors.New("secret") }, 503, "could not decide"},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			s := newSite(t, func(r *live.Rules) { r.Wait = 0 }, c.guard)
			w := httptest.NewRecorder()
			r := httptest.NewRequest(c.method, c.path, http.NoBody)
			r.Header.Set("Origin", "https://player.example.com")
			s.ServeHTTP(w, r)
			equal(t, "status", w.Code, c.status)
			equal(t, "text", strings.Contains(w.Body.String(), c.text), true)
			equal(t, "no secret", strings.Contains(w.Body.String(), "secret"), false)
			equal(t, "CORS", w.Header().Get("Access-Control-Allow-Origin") == "*", !strings.Contains(c.text, "no such file"))
			equal(t, "cache", w.Header().Get("Cache-Control"), "no-store")
			equal(t, "Allow", w.Header().Get("Allow") != "", c.status == 405)
			equal(t, "WWW-Authenticate", w.Header().Get("WWW-Authenticate") != "", c.status == 401)
		})
	}
}

func TestClosing(t *testing.T) {
	s := newSite(t, nil, nil)
	isErr(t, "close", s.hub.Close(t.Context()), nil)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/live/demo.flv", http.NoBody))
	equal(t, "status", w.Code, http.StatusServiceUnavailable)
}

func TestOptions(t *testing.T) {
	s := newSite(t, nil, nil)
	s.onAir()
	for _, origin := range []string{"", "https://player.example.com"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodOptions, "/live/demo.flv", http.NoBody)
		if origin != "" {
			r.Header.Set("Origin", origin)
			r.Header.Set("Access-Control-Request-Method", "GET")
		}
		s.ServeHTTP(w, r)
		equal(t, "status", w.Code, http.StatusNoContent)
		equal(t, "origin", w.Header().Get("Access-Control-Allow-Origin"), "*")
		equal(t, "methods", w.Header().Get("Access-Control-Allow-Methods"), "GET, HEAD, OPTIONS")
		equal(t, "Allow", w.Header().Get("Allow"), "GET, HEAD, OPTIONS")
		equal(t, "body", w.Body.Len(), 0)
	}
	equal(t, "sessions", len(s.hub.Snapshot().Sessions), 1) // the publisher's
}

func TestWait(t *testing.T) {
	over(t, func(r *live.Rules) { r.Wait = 3 * time.Second }, func(t *testing.T, s *site, client *http.Client) {
		begun := time.Now()
		resp, err := client.Get("http://example.com/live/demo.flv")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "status", resp.StatusCode, http.StatusNotFound)
		equal(t, "after", time.Since(begun), 3*time.Second)
		readAll(t, resp)

		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(2 * time.Second)
			s.onAir()
		})
		body := s.watch(client)
		wg.Wait()
		s.kick()
		<-body
	})
}

// A publisher that leaves before a viewer has got anything leaves a 404, not an empty stream.
func TestStreamWithoutPictures(t *testing.T) {
	over(t, nil, func(t *testing.T, s *site, client *http.Client) {
		pub := livetest.Publish(t, s.hub, livetest.Key)
		go func() {
			time.Sleep(time.Second)
			pub.Close(nil)
		}()
		resp, err := client.Get("http://example.com/live/demo.flv")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "status", resp.StatusCode, http.StatusNotFound)
		readAll(t, resp)
		isErr(t, "reason", s.ended(1)[0].Err, live.ErrEnded)
	})
}

func TestKick(t *testing.T) {
	over(t, nil, func(t *testing.T, s *site, client *http.Client) {
		pub := s.onAir()
		body := s.watch(client)
		isErr(t, "pace", livetest.Pace(t.Context(), pub, livetest.Media(1, 2)...), nil)
		begun := time.Now()
		s.kick()
		b := <-body
		equal(t, "at once", time.Since(begun) < time.Second, true)
		e := s.ended(1)[0]
		isErr(t, "reason", e.Err, live.ErrKicked)
		equal(t, "sent", e.Session.Totals.Sent, int64(len(b)))
	})
}

func TestKickOfAStuckViewer(t *testing.T) {
	over(t, func(r *live.Rules) { r.WriteTimeout = 0 }, func(t *testing.T, s *site, client *http.Client) {
		pub := s.onAir()
		resp := s.open(client)
		defer resp.Body.Close()
		flood(t, pub)
		time.Sleep(time.Hour)
		s.ended(0)
		s.kick()
		time.Sleep(time.Second)
		isErr(t, "reason", s.ended(1)[0].Err, live.ErrKicked)
	})
}

func TestSlowViewer(t *testing.T) {
	for _, limit := range []time.Duration{300 * time.Millisecond, 3 * time.Second} {
		over(t, func(r *live.Rules) { r.WriteTimeout = limit }, func(t *testing.T, s *site, client *http.Client) {
			pub := s.onAir()
			resp := s.open(client)
			defer resp.Body.Close()
			flood(t, pub)
			time.Sleep(limit + 2*time.Second)
			isErr(t, "reason", s.ended(1)[0].Err, live.ErrSlow)
		})
	}
}

// A viewer that keeps up but is given nothing for long is not slow.
func TestIdleViewer(t *testing.T) {
	over(t, func(r *live.Rules) { r.WriteTimeout = time.Second }, func(t *testing.T, s *site, client *http.Client) {
		pub := s.onAir()
		body := s.watch(client)
		for n := range 5 {
			time.Sleep(time.Minute)
			livetest.Write(t, pub, livetest.Video(livetest.GOPFrames+1+n))
		}
		pub.Close(nil)
		equal(t, "sent", s.ended(0) == nil, true)
		b := <-body
		equal(t, "sent", s.ended(1)[0].Session.Totals.Sent, int64(len(b)))
	})
}

func TestViewerLeaves(t *testing.T) {
	over(t, nil, func(t *testing.T, s *site, client *http.Client) {
		pub := s.onAir()
		resp := s.open(client)
		_ = resp.Body.Close()
		synctest.Wait()
		livetest.Write(t, pub, livetest.Video(livetest.GOPFrames))
		time.Sleep(time.Second)
		isErr(t, "reason", s.ended(1)[0].Err, io.EOF)
	})
}

// The hub's end ends every response, of viewers who read and of those who do not.
func TestHubClose(t *testing.T) {
	over(t, nil, func(t *testing.T, s *site, client *http.Client) {
		pub := s.onAir()
		stuck := s.open(client)
		defer stuck.Body.Close()
		body := s.watch(client)
		flood(t, pub)
		begun := time.Now()
		go func() {
			<-pub.Session().Done()
			pub.Close(nil)
		}()
		isErr(t, "close", s.hub.Close(t.Context()), nil)
		equal(t, "in time", time.Since(begun) <= time.Second, true)
		<-body
		for _, e := range s.ended(2) {
			equal(t, "reason", errors.Is(e.Err, live.ErrClosing) || errors.Is(e.Err, live.ErrEnded), true)
		}
	})
}

// The same over real sockets and TLS.
func TestHTTPS(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		overTLS(t, http2)
	}
}

func overTLS(t *testing.T, http2 bool) {
	t.Helper()
	s := newSite(t, nil, nil)
	pub := s.onAir()
	srv := httptest.NewUnstartedServer(s)
	srv.EnableHTTP2 = http2
	srv.StartTLS()
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL + "/live/demo.flv")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "HTTP/2", resp.ProtoMajor == 2, http2)
	info := s.hub.Snapshot().Sessions
	for _, ses := range info {
		if ses.Action == live.ActionPlay {
			equal(t, "TLS", ses.TLS != nil, true)
			equal(t, "tcUrl", ses.TCURL, srv.URL+"/live")
			equal(t, "remote", ses.Remote.Addr().IsLoopback(), true)
		}
	}
	pub.Close(nil)
	check(t, readAll(t, resp), livetest.GOPs(1))
}

func TestBegan(t *testing.T) {
	s := newSite(t, nil, nil)
	pub := s.onAir()
	var told string
	s.Began = func(r *http.Request, ses *live.Session) {
		told = r.URL.Path + " " + ses.Query + " " + ses.UserAgent + " " + ses.PageURL + " " + ses.Host
		pub.Close(nil)
	}
	r := httptest.NewRequest(http.MethodGet, "http://example.com:8080/live/demo.flv?key=1", http.NoBody)
	r.Header.Set("User-Agent", "test")
	r.Header.Set("Referer", "https://page.example.com/")
	s.ServeHTTP(httptest.NewRecorder(), r)
	equal(t, "told", told, "/live/demo.flv key=1 test https://page.example.com/ example.com")
}

func TestMatch(t *testing.T) {
	h := httplive.Handler{Format: flv.Format()}
	for path, want := range map[string]bool{
		"/live/demo.flv": true, "/live/.flv": true, "/live/demo.ts": false, "/live/a/demo.flv": false, "/demo.flv": false, "": false,
	} {
		equal(t, path, h.Match(&http.Request{URL: httptest.NewRequest(http.MethodGet, "/"+strings.TrimPrefix(path, "/"), http.NoBody).URL}), want)
	}
	for path, want := range map[string]string{
		"/live/demo/index.m3u8": "/live/demo index.m3u8",
		"/live/demo/":           "", "/live/demo": "", "/live/demo/a/b": "", "/live": "",
	} {
		got := ""
		if key, file, ok := httplive.MatchFolder(path); ok {
			got = key.URL() + " " + file
		}
		equal(t, path, got, want)
	}
}
