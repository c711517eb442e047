package hooks_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

const (
	hlsGolden = `{"server_id":"vid-server1","service_id":"service1","action":"on_hls","client_id":"p0x3ba91",` +
		`"ip":"203.0.113.9","vhost":"__defaultVhost__","app":"live","tcUrl":"rtmp://a.example/live","stream":"cam1",` +
		`"param":"?secret=s3","duration":2.00,"cwd":"","file":"","url":"live/cam1/x-17.ts","m3u8":"",` +
		`"m3u8_url":"live/cam1.m3u8","seq_no":17,"stream_url":"/live/cam1","stream_id":"vid-stream1"}`
	updateGolden = `{"server_id":"vid-server1","service_id":"service1","action":"on_update","client_id":"v1ewer00",` +
		`"ip":"198.51.100.7","vhost":"__defaultVhost__","app":"live","stream":"cam1","tcUrl":"rtmp://__defaultVhost__/live",` +
		`"param":"?token=t","pageUrl":"https://site.example/watch?a=1&b=2","stream_url":"/live/cam1","stream_id":"STREAM",` +
		`"clients":1,"publish":false,"duration":N,"send_bytes":1000,"recv_bytes":0}`
	heartbeatGolden = `{"device_id":"hub-1","ip":"IP","server":"vid-server1","service":"service1","pid":"N","summaries":{"data":{"ok":true}}}`
)

// segment is the 17th of a publisher.
func segment(query string) *hooks.Segment {
	req := publishRequest()
	req.Key.Vhost = live.DefaultVhost
	req.Query = query
	return &hooks.Segment{
		Publisher: live.SessionInfo{Request: req},
		StreamID:  "vid-stream1",
		Number:    17,
		Length:    2 * time.Second,
		URL:       "live/cam1/x-17.ts",
		Playlist:  "live/cam1.m3u8",
	}
}

func TestOnHLS(t *testing.T) {
	end := newBackend(t, say("0"))
	b := newBackends(t, new(live.Hub))
	w := newWebhook(t, b, hooks.Options{URLs: []string{end.URL}, Events: []string{hooks.OnHLS}})
	policy(b, w)
	w.Listed(segment("secret=s3"))
	if c := end.next(t); c.body != hlsGolden {
		t.Errorf("the payload is\n%s\nwant\n%s", c.body, hlsGolden)
	}
	onDisk := segment("secret=s3")
	onDisk.CWD, onDisk.File, onDisk.PlaylistFile = "/srv", "hls/live/cam1/17.ts", "hls/live/cam1.m3u8"
	w.Listed(onDisk)
	want := strings.NewReplacer(`"cwd":"","file":""`, `"cwd":"/srv","file":"hls/live/cam1/17.ts"`, `"m3u8":""`, `"m3u8":"hls/live/cam1.m3u8"`).Replace(hlsGolden)
	if c := end.next(t); c.body != want {
		t.Errorf("the payload is\n%s\nwant\n%s", c.body, want)
	}
}

// TestOnHLSNotify asks a cache for a segment, also for a publisher whose query could break out of the URL.
func TestOnHLSNotify(t *testing.T) {
	asked := make(chan *http.Request, 9)
	end := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		w.WriteHeader(http.StatusNotFound) // as it likes
	})
	b := newBackends(t, new(live.Hub))
	w := newWebhook(t, b, hooks.Options{
		URLs:   []string{end.URL + "/[server_id]/[service_id]/[app]/[stream]/[ts_url][param]"},
		Events: []string{hooks.OnHLSNotify},
	})
	policy(b, w)
	const base = "/vid-server1/service1/live/cam1/live/cam1/x-17.ts"
	for query, want := range map[string]string{
		"":                           base,
		"secret=s3":                  base + "?secret=s3",
		"a=@x.example/ b\r\nHost: y": base + "?a=@x.example/%20b%0D%0AHost:%20y",
	} {
		w.Listed(segment(query))
		select {
		case r := <-asked:
			if r.Method != http.MethodGet || r.RequestURI != want {
				t.Errorf("asked for %s %s, want %s", r.Method, r.RequestURI, want)
			}
		case <-time.After(patience):
			t.Fatal("nobody asked")
		}
	}
	for _, bad := range []string{"http://[app].example/", "http://cdn.example[param]", "http://cdn.example:80[param]"} {
		if _, err := hooks.NewWebhook(b, hooks.Options{URLs: []string{bad}, Events: []string{hooks.OnHLSNotify}}); err == nil {
			t.Errorf("%s: what a client says becomes part of the host", bad)
		}
	}
	if _, err := hooks.NewWebhook(b, hooks.Options{URLs: []string{end.URL}, Events: []string{hooks.OnHLSNotify, hooks.OnHLS}}); err == nil {
		t.Error("on_hls_notify shares URLs")
	}
}

// TestUpdate tells of a viewer until the back end does not want it any more.
func TestUpdate(t *testing.T) {
	end := newBackend(t, nil)
	end.answer = func(w http.ResponseWriter, r *http.Request) {
		if end.asked.Add(1) > 1 {
			say(`{"code":1}`)(w, r)
			return
		}
		say("0")(w, r)
	}
	hub := new(live.Hub)
	b := newBackends(t, hub)
	w := newWebhook(t, b, hooks.Options{URLs: []string{end.URL}, Events: []string{hooks.OnUpdate}, UpdateInterval: time.Second})
	hub.Activate(policy(b, w))
	ses, err := hub.Admit(t.Context(), playRequest(live.ProtocolFLV))
	if err != nil {
		t.Fatal(err)
	}
	ses.Sent(1000)
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() { w.Update(ctx) })
	defer working.Wait()
	defer cancel()
	got := regexp.MustCompile(`"duration":1\.\d\d`).ReplaceAllString(end.next(t).body, `"duration":N`)
	if want := strings.ReplaceAll(updateGolden, "STREAM", ses.Info().StreamID); got != want {
		t.Errorf("the payload is\n%s\nwant\n%s", got, want)
	}
	select {
	case <-ses.Done():
		if !errors.Is(ses.Err(), live.ErrKicked) {
			t.Errorf("it ended with %v", ses.Err())
		}
	case <-time.After(patience):
		t.Error("the session goes on")
	}
}

func TestHeartbeat(t *testing.T) {
	end := newBackend(t, say("any answer"))
	log := new(diary)
	h := &hooks.Heartbeat{
		Identity:  hooks.Identity{ID: "vid-server1", Service: "service1"},
		URL:       end.URL + "/servers?key=k",
		Interval:  time.Second, // which bounds each too, on a machine that is busy
		DeviceID:  "hub-1",
		Token:     "t0ken",
		Summaries: func() any { return map[string]bool{"ok": true} },
		Transport: http.DefaultTransport,
		Logger:    log.logger(),
	}
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() { h.Run(ctx) })
	for range 2 {
		c := end.next(t)
		body := regexp.MustCompile(`"pid":"\d+"`).ReplaceAllString(c.body, `"pid":"N"`)
		body = regexp.MustCompile(`"ip":"[0-9a-f.:]+"`).ReplaceAllString(body, `"ip":"IP"`)
		if body != heartbeatGolden || c.header.Get("Authorization") != "Bearer t0ken" {
			t.Errorf("the heartbeat is %s %v", body, c.header)
		}
	}
	cancel()
	working.Wait()
	if log.String() != "" {
		t.Error(log.String())
	}
}
