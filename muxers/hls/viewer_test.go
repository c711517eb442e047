package hls

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// viewers returns the sessions that play.
func (s *site) viewers() (list []live.SessionInfo) {
	for _, info := range s.hub.Snapshot().Sessions {
		if info.Action == live.ActionPlay {
			list = append(list, info)
		}
	}
	return list
}

// A viewer is on the list with its player's data, and every byte of its objects counts, the entry playlist's too.
func TestSession(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(20)
		sleep(5 * time.Second)
		r := httptest.NewRequest(http.MethodGet, "https://a.example:8443"+folder+"index.m3u8?key=1&hls_ctx=mine&_HLS_msn=3&x", nil)
		r.Header.Set("User-Agent", "player/1")
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		sum := w.Body.Len()
		uri := s.multivariant(w.Body.Bytes()).Variants[0].URI
		if !strings.HasSuffix(uri, "&key=1&x") {
			s.Errorf("media playlist at %s", uri)
		}
		media := folder + uri
		sum += len(s.ok(media))
		for _, seg := range s.media(media).Segments {
			sum += len(s.ok(folder + seg.URI))
			w := s.do(http.MethodGet, folder+seg.URI, http.Header{"Range": {"bytes=0-99"}})
			sum += w.Body.Len()
			s.do(http.MethodHead, folder+seg.URI, nil)
		}
		sum += len(s.ok(media))
		v := s.viewers()
		if len(v) != 1 {
			s.Fatalf("%d viewers", len(v))
		}
		got := v[0]
		if got.Protocol != "hls" || got.Query != "key=1&x" || got.UserAgent != "player/1" || got.Host != "a.example" || got.TLS == nil {
			s.Errorf("session %+v", got)
		}
		// What media looked at once more is in it too.
		if again := len(s.ok(media)); got.Totals.Sent != int64(sum+again) {
			s.Errorf("%d bytes counted, %d written", got.Totals.Sent, sum+again)
		}
		if strings.Contains(uri, "hls_ctx="+got.ID+"&") || strings.Contains(uri, "mine") {
			s.Errorf("the token is the id or the client's: %s", uri)
		}
	})
}

// Two viewers are two sessions, and who brings a valid token to the entry playlist is none anew.
func TestEntries(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(20)
		sleep(5 * time.Second)
		a, b := s.enter(""), s.enter("")
		_, query, _ := strings.Cut(a, "?")
		if again := s.enter("?" + query); again != a || a == b {
			s.Errorf("%s and %s became %s", a, b, again)
		}
		if n := len(s.viewers()); n != 2 {
			s.Errorf("%d viewers", n)
		}
	})
}

// A token opens the stream that it was made for and nothing else, and nobody else can make one.
func TestTokens(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(30)
		other := livetest.Publish(s.T, s.hub, live.Key{App: "live", Name: "other"})
		livetest.Write(s.T, other, livetest.GOPs(5)...)
		sleep(5 * time.Second)
		media := s.enter("")
		s.ok("/live/other/index.m3u8")
		_, token, _ := strings.Cut(media, "=")
		segment := s.media(media).Segments[0].URI
		name, _, _ := strings.Cut(segment, "?")
		id := s.viewers()[0].ID
		for _, forged := range []string{"", id, id + ".", id + "." + strings.Repeat("A", 24), token + "A", token[:len(token)-1]} {
			s.status(folder+"media.m3u8?hls_ctx="+forged, http.StatusForbidden)
			s.status(folder+name+"?hls_ctx="+forged, http.StatusForbidden)
		}
		s.status(folder+name, http.StatusForbidden)
		s.status("/live/other/media.m3u8?hls_ctx="+token, http.StatusForbidden)
		if n := len(s.viewers()); n != 2 {
			s.Errorf("%d viewers", n)
		}
	})
}

// A viewer that falls silent is gone after two target durations and five seconds, told once; any request keeps it.
func TestExpiry(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(60)
		sleep(5 * time.Second)
		media := s.enter("")
		segments := s.media(media).Segments
		segment := folder + segments[len(segments)-1].URI
		for range 3 {
			sleep(7 * time.Second)
			s.ok(segment)
		}
		sleep(7900 * time.Millisecond)
		if got := s.told(); got != "play" {
			s.Errorf("told %s too early", got)
		}
		sleep(1100 * time.Millisecond)
		if got := s.told(); got != "play stop" || !errors.Is(s.events[1].Err, io.EOF) {
			s.Errorf("told %s", got)
		}
		s.status(segment, http.StatusForbidden)

		// The same URLs come to life again, with the guard's consent, once for all requests of that moment.
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { s.ok(media) })
		}
		wg.Wait()
		s.ok(folder + s.media(media).Segments[0].URI)
		if got := s.told(); got != "play stop play" || len(s.asked) != 2 {
			s.Errorf("told %s, asked %d times", got, len(s.asked))
		}
	})
}

// A refused viewer gets the reason's status and leaves nothing behind; the next try asks again.
func TestRefusal(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(60)
		sleep(5 * time.Second)
		for kind, status := range map[error]int{live.ErrDenied: 403, live.ErrUnauthorized: 401, live.ErrGuard: 503} {
			s.refuse = live.Refuse(kind, "no")
			s.status(folder+"index.m3u8?key=wrong", status)
		}
		if n := len(s.server.channels); n != 0 || len(s.viewers()) != 0 || len(s.asked) != 3 || s.asked[0].Query != "key=wrong" {
			s.Errorf("%d channels, %d viewers, asked %v", n, len(s.viewers()), s.asked)
		}
		s.refuse = nil
		media := s.enter("?key=right")
		sleep(10 * time.Second)
		s.refuse = live.Refuse(live.ErrDenied, "no longer")
		s.status(media, http.StatusForbidden)
		s.status(media, http.StatusForbidden)
		if last := s.asked[len(s.asked)-1]; last.Query != "key=right" || len(s.asked) != 6 {
			s.Errorf("asked %d times, at last %q", len(s.asked), last.Query)
		}
		if ch := s.server.channels[live.Key{Vhost: live.DefaultVhost, App: "live", Name: "demo"}]; len(ch.viewers) != 0 {
			s.Errorf("%d viewers left behind", len(ch.viewers))
		}
		s.refuse = nil
		s.ok(media)
	})
}

// A kicked viewer finds nothing from then on, and its session ends at once.
func TestKick(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(60)
		sleep(5 * time.Second)
		media := s.enter("")
		segment := folder + s.media(media).Segments[0].URI
		if !s.hub.Kick(s.viewers()[0].ID) {
			s.Fatal("nobody to kick")
		}
		if got := s.told(); got != "play stop play stop"[:9] || !errors.Is(s.events[1].Err, live.ErrKicked) {
			s.Errorf("told %s", got)
		}
		for range 3 {
			s.status(media, http.StatusNotFound)
			s.status(segment, http.StatusNotFound)
			_, query, _ := strings.Cut(media, "?")
			s.status(folder+"index.m3u8?"+query, http.StatusNotFound)
			sleep(15 * time.Second)
		}
		if len(s.asked) != 1 || len(s.viewers()) != 0 {
			s.Errorf("asked %d times, %d viewers", len(s.asked), len(s.viewers()))
		}
		s.enter("") // who begins anew is a new viewer
		sleep(2 * kickedFor)
		if n := len(s.server.channels); n != 0 {
			s.Errorf("%d channels left", n)
		}
	})
}

// A client that takes nothing more while it is kicked gets no more than the piece that was under way.
func TestKickWhileWriting(t *testing.T) {
	inBubble(t, func(s *site) {
		livetest.Publish(s.T, s.hub, livetest.Key)
		v := newViewer("x")
		if err := v.ask(s.T.Context(), s.hub, live.Request{Key: s.hub.Resolve(livetest.Key)}, 0); err != nil {
			s.Fatal(err)
		}
		w := &countedWriter{ResponseWriter: httptest.NewRecorder(), sent: v.sent}
		if n, err := w.Write(make([]byte, 100_000)); n != 100_000 || err != nil {
			s.Errorf("%d %v", n, err)
		}
		v.ses.End(live.ErrKicked)
		if n, err := w.Write(make([]byte, 100_000)); n != pieceBytes || !errors.Is(err, live.ErrKicked) {
			s.Errorf("%d %v", n, err)
		}
	})
}

// Each viewer of many is told of once when it comes and once when it goes, whatever it does, and nothing stays.
func TestManyViewers(t *testing.T) {
	inBubble(t, func(s *site) {
		p := s.publish(300)
		sleep(5 * time.Second)
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				media := s.enter(fmt.Sprintf("?n=%d", i))
				for range i % 7 {
					pause(time.Duration(i%5) * time.Second)
					s.get(media)
				}
			})
		}
		wg.Wait()
		if n := len(s.viewers()); n == 0 {
			s.Error("no viewers")
		}
		sleep(20 * time.Second)
		plays, stops := strings.Count(s.told(), "play"), strings.Count(s.told(), "stop")
		if plays < 200 || plays != stops || len(s.viewers()) != 0 {
			s.Errorf("%d came, %d went, %d stay", plays, stops, len(s.viewers()))
		}
		leave(p)
		sleep(time.Minute)
		if n := len(s.server.channels); n != 0 {
			s.Errorf("%d channels left", n)
		}
	})
}

// Whoever runs the handler is told which session is behind each object, for its access log.
func TestBegan(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(10)
		sleep(5 * time.Second)
		var told []string
		s.handler.Began = func(_ *http.Request, ses *live.Session) { told = append(told, ses.ID) }
		media := s.enter("")
		s.ok(folder + s.media(media).Segments[0].URI)
		id := s.viewers()[0].ID
		if want := []string{id, id, id}; !slices.Equal(told, want) {
			s.Errorf("told of %v, want %v", told, want)
		}
	})
}
