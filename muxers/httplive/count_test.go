package httplive_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// TestCountOfACutWrite ends a viewer over HTTP/2 who has stopped to read. What was counted is at least what it can still
// read, and at most one piece more, which was on its way.
func TestCountOfACutWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const piece = 64 << 10
		s := newSite(t, func(r *live.Rules) { r.Lag.Bytes = 64 << 20 }, nil)
		client := s.serve(protocols["HTTP2"])
		pub := s.onAir()
		resp := s.open(client)
		defer resp.Body.Close()
		flood(t, pub)
		s.kick()
		pass(time.Second)
		b, err := io.ReadAll(resp.Body)
		if err == nil {
			t.Error("the viewer has received all")
		}
		sent := s.ended(1)[0].Session.Totals.Sent
		if got := int64(len(b)); sent < got || sent > got+piece || got < piece {
			t.Errorf("the viewer has received %d bytes, %d were counted", got, sent)
		}
		pub.Close(nil)
	})
}
