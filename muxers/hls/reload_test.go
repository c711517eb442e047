package hls

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// inLowLatency runs f in a bubble on a site with low latency alone, and without sessions.
func inLowLatency(t *testing.T, f func(s *site)) {
	t.Helper()
	inBubble(t, func(s *site) {
		s.config = DefaultConfig()
		s.config.TS, s.config.Sessions = false, SessionsOff
		f(s)
	})
}

// next returns what the player is to wait for that has seen d.
func (d *document) next() string {
	return fmt.Sprintf("_HLS_msn=%d&_HLS_part=%d", d.last().number+1, len(d.open))
}

// A player that waits gets playlist and part at the very moment at which the last frame of the part has come: no later than
// that frame by the stream's own clock, and for each part once.
func TestPartsComeAtOnce(t *testing.T) {
	inLowLatency(t, func(s *site) {
		begun := time.Now()
		s.publish(30)
		sleep(5 * time.Second)
		w := s.watch(s.enter(""))
		d := w.look("")
		for range 60 {
			part := make(chan []byte, 1)
			go func() { part <- s.get(folder + d.hint).Body.Bytes() }()
			hint, known := d.hint, len(d.open)
			d = w.look(d.next())
			if late := time.Since(begun) % (200 * time.Millisecond); late != 160*time.Millisecond { // where the fifth picture comes
				s.Fatalf("answered %v after the end of a part", late-160*time.Millisecond)
			}
			got := <-part
			synctest.Wait()
			if !bytes.Equal(got, s.ok(folder+hint)) || len(got) == 0 {
				s.Errorf("the hinted part has %d bytes", len(got))
			}
			if n := len(d.open); n != known+1 && n != 1 {
				s.Errorf("%d parts after %d", n, known)
			}
		}
	})
}

// What a reload may ask for, and what it is told.
func TestReload(t *testing.T) {
	inLowLatency(t, func(s *site) {
		s.publish(60)
		sleep(9500 * time.Millisecond)
		path := s.enter("")
		d := s.watch(path).look("")
		last := d.last().number
		for _, tt := range []struct {
			query  string
			status int
			wait   time.Duration
		}{
			{"_HLS_part=0", 400, 0},
			{"_HLS_msn=x", 400, 0},
			{"_HLS_msn=-1", 400, 0},
			{"_HLS_msn=99999999999999999999", 400, 0},
			{fmt.Sprintf("_HLS_msn=%d&_HLS_part=y", last), 400, 0},
			{fmt.Sprintf("_HLS_msn=%d", last+3), 400, 0},
			{fmt.Sprintf("_HLS_msn=%d&_HLS_part=40", last+1), 400, 0},
			{"_HLS_msn=0", 200, 0},
			{fmt.Sprintf("_HLS_msn=%d", last), 200, 0},
			{fmt.Sprintf("_HLS_msn=%d&_HLS_part=0", last+1), 200, 0},
			{fmt.Sprintf("_HLS_msn=%d&_HLS_part=99", last), 200, 0},                      // the first part of the next
			{fmt.Sprintf("_HLS_msn=%d&_HLS_part=7", last+1), 200, 60 * time.Millisecond}, // 9.36 and 9.56 s have parts' last pictures
			{fmt.Sprintf("_HLS_msn=%d", last+1), 200, 440 * time.Millisecond},
			{fmt.Sprintf("_HLS_msn=%d&_HLS_part=0", last+2), 200, 160 * time.Millisecond},
		} {
			begun := time.Now()
			w := s.get(path + "?" + tt.query)
			if took := time.Since(begun); w.Code != tt.status || took != tt.wait {
				s.Errorf("%s: %d after %v: %s", tt.query, w.Code, took, w.Body)
			}
		}
		s.config.LowLatency = false
		s.ok(path)
		sleep(5 * time.Second)
		begun := time.Now()
		if b := s.ok(path + "?_HLS_msn=99999999&_HLS_skip=YES"); bytes.Contains(b, []byte("SKIP")) || time.Since(begun) > 0 {
			s.Errorf("without low latency: after %v\n%s", time.Since(begun), b)
		}
	})
}

// Who waits is let go when it leaves, is kicked, the stream ends for good, nothing comes, or the server ends.
func TestBlockedRequests(t *testing.T) {
	type outcome struct {
		status int
		text   string
		wait   time.Duration
	}
	for name, tt := range map[string]struct {
		sessions Sessions
		cause    func(s *site, cancel context.CancelFunc, kick func())
		want     outcome
	}{
		"leaves":            {SessionsOn, func(_ *site, cancel context.CancelFunc, _ func()) { cancel() }, outcome{}},
		"kicked":            {SessionsOn, func(_ *site, _ context.CancelFunc, kick func()) { kick() }, outcome{status: 404}},
		"nothing comes":     {SessionsOn, func(*site, context.CancelFunc, func()) {}, outcome{status: 503, wait: 6 * time.Second}},
		"nothing, openly":   {SessionsOff, func(*site, context.CancelFunc, func()) {}, outcome{status: 503, wait: 6 * time.Second}},
		"the server ends":   {SessionsOn, func(s *site, _ context.CancelFunc, _ func()) { go s.server.Close() }, outcome{status: 503}},
		"the hub ends":      {SessionsOn, func(s *site, _ context.CancelFunc, _ func()) { go s.hub.Close(s.Context()) }, outcome{}},
		"ends, openly":      {SessionsOff, func(s *site, _ context.CancelFunc, _ func()) { go s.hub.Close(s.Context()) }, outcome{}},
		"publisher returns": {SessionsOn, func(s *site, _ context.CancelFunc, _ func()) { s.again() }, outcome{status: 200, text: "#EXT-X-DISCONTINUITY\n", wait: 4 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			inLowLatency(t, func(s *site) {
				s.config.Sessions = tt.sessions
				p := livetest.Publish(s.T, s.hub, livetest.Key)
				livetest.Write(s.T, p, livetest.GOPs(9)...)
				path := s.enter("")
				if tt.want.text != "" {
					leave(p)
				}
				d := s.watch(path).look("")
				join := map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")]
				ctx, cancel := context.WithCancel(s.Context())
				defer cancel()
				answers := make(chan *httptest.ResponseRecorder, 2)
				for _, url := range []string{path + join + d.next(), folder + withQuery(d)} {
					go func() {
						w := httptest.NewRecorder()
						s.handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "http://example.com"+url, nil))
						answers <- w
					}()
				}
				synctest.Wait()
				if len(answers) > 0 {
					s.Fatalf("%d answers at once", len(answers))
				}
				begun := time.Now()
				tt.cause(s, cancel, func() { s.hub.Kick(s.viewers()[0].ID) })
				w := <-answers
				if w2 := <-answers; tt.want.text != "" && bytes.Contains(w2.Body.Bytes(), []byte(tt.want.text)) {
					w = w2
				}
				took := time.Since(begun)
				if tt.want.status == 503 && w.Body.Len() < 1000 { // the part, which is not to come, or has come as the last
					w.Code = 503
				}
				if tt.want.status > 0 && w.Code != tt.want.status || took > tt.want.wait+time.Second || !strings.Contains(w.Body.String(), tt.want.text) {
					s.Errorf("%d after %v: %s", w.Code, took, w.Body)
				}
			})
		})
	}
}

// withQuery returns the URI of the hinted part as the playlist says it.
func withQuery(d *document) string {
	_, rest, _ := strings.Cut(d.text, "TYPE=PART,URI=\"")
	uri, _, _ := strings.Cut(rest, "\"")
	return uri
}

// again publishes anew after a second.
func (s *site) again() {
	sleep(time.Second)
	s.publish(20)
}

// A viewer who waits is not taken for one who has left.
func TestBlockedIsPresent(t *testing.T) {
	inLowLatency(t, func(s *site) {
		s.config.Sessions = SessionsOn
		s.publish(90)
		sleep(5 * time.Second)
		w := s.watch(s.enter(""))
		d := w.look("")
		for range 30 {
			d = w.look(fmt.Sprintf("_HLS_msn=%d", d.last().number+1))
		}
		if got := s.told(); got != "play" {
			s.Errorf("told %s", got)
		}
	})
}
