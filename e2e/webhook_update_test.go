package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// TestWebhookUpdate is told what passes of a publisher and a viewer, more each time, and then ends the publisher's session.
func TestWebhookUpdate(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	s := serve(t, in("	rtmp", b.hook("/srs", "events on_unpublish on_stop on_update", "update 1s")))
	p := s.publish(s.url("rtmp", "/live/cam1?secret=s3"))
	viewer := s.watch(http1, s.url("https", "/live/cam1.flv?via=flv"))
	eventually(t, "three updates of each", func() error {
		if n, m := len(b.updates("?secret=s3")), len(b.updates("?via=flv")); n < 3 || m < 3 {
			return fmt.Errorf("%d of the publisher, %d of the viewer", n, m)
		}
		return nil
	})
	checkUpdates(t, b.updates("?secret=s3"), true, func(u update) int64 { return u.Recv })
	checkUpdates(t, b.updates("?via=flv"), false, func(u update) int64 { return u.Send })
	goesOn(t, viewer)

	b.answer(func(w http.ResponseWriter, _ *http.Request, call map[string]any) {
		if call["action"] == "on_update" && call["publish"] == true {
			_, _ = io.WriteString(w, `{"code":1,"msg":"enough"}`)
			return
		}
		_, _ = io.WriteString(w, "0")
	})
	if err := p.wait(t, patience); err == nil {
		t.Error("the publisher was not sent home")
	}
	s.awaitLog(1, line{"msg": "a back end ends a session", "target": b.URL + "/srs", "stream": "/live/cam1"})
	eventually(t, "its end is told", func() error {
		if n := len(b.heard("on_unpublish")); n != 1 {
			return fmt.Errorf("%d times on_unpublish", n)
		}
		return nil
	})
}

// An update is what on_update tells of a session so far.
type update struct {
	Client   string  `json:"client_id"`
	Param    string  `json:"param"`
	Publish  bool    `json:"publish"`
	Duration float64 `json:"duration"`
	Send     int64   `json:"send_bytes"`
	Recv     int64   `json:"recv_bytes"`
}

// updates returns those of the session that came with a query.
func (b *backend) updates(param string) (found []update) {
	for _, c := range b.heard("on_update") {
		var u update
		if err := json.Unmarshal([]byte(c), &u); err != nil {
			b.t.Error(err)
		}
		if u.Param == param {
			found = append(found, u)
		}
	}
	return found
}

// checkUpdates checks that updates are of one session, in order, none sooner than an interval after the one before, and
// that no less has passed by each. Right after the beginning nothing may have passed yet.
func checkUpdates(t *testing.T, list []update, publish bool, bytes func(update) int64) {
	t.Helper()
	for i, u := range list {
		if u.Publish != publish || u.Client != list[0].Client || bytes(u) < 0 {
			t.Errorf("update %d is %+v", i, u)
		}
		if i == 0 {
			continue
		}
		before := list[i-1]
		if apart := u.Duration - before.Duration; apart < 0.99 || bytes(u) < bytes(before) {
			t.Errorf("%+v is followed by %+v", before, u)
		}
	}
	if last := list[len(list)-1]; bytes(last) == 0 {
		t.Errorf("nothing has passed: %+v", last)
	}
}
