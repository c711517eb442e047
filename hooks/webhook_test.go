package hooks_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// The payloads, key by key in SRS's order.
const (
	connectGolden = `{"server_id":"vid-server1","service_id":"service1","action":"on_connect","client_id":"p0x3ba91",` +
		`"ip":"203.0.113.9","vhost":"__defaultVhost__","app":"live","stream":"cam1","param":"?secret=s3",` +
		`"tcUrl":"rtmp://a.example/live","pageUrl":""}`
	publishGolden = `{"server_id":"vid-server1","service_id":"service1","action":"on_publish","client_id":"p0x3ba91",` +
		`"ip":"203.0.113.9","vhost":"__defaultVhost__","app":"live","tcUrl":"rtmp://a.example/live","stream":"cam1",` +
		`"param":"?secret=s3","stream_url":"/live/cam1"}`
	unpublishGolden = `{"server_id":"vid-server1","service_id":"service1","action":"on_unpublish","client_id":"p0x3ba91",` +
		`"ip":"203.0.113.9","vhost":"__defaultVhost__","app":"live","tcUrl":"rtmp://a.example/live","stream":"cam1",` +
		`"param":"?secret=s3","stream_url":"/live/cam1","stream_id":"STREAM"}`
	closeGolden = `{"server_id":"vid-server1","service_id":"service1","action":"on_close","client_id":"p0x3ba91",` +
		`"ip":"203.0.113.9","vhost":"__defaultVhost__","app":"live","send_bytes":3000,"recv_bytes":123456}`
	playGolden = `{"server_id":"vid-server1","service_id":"service1","action":"on_play","client_id":"v1ewer00",` +
		`"ip":"198.51.100.7","vhost":"__defaultVhost__","app":"live","stream":"NAME","tcUrl":"TCURL","param":"?token=t",` +
		`"pageUrl":"https://site.example/watch?a=1&b=2","stream_url":"/live/cam1","stream_id":"STREAM","clients":2}`
	stopGolden = `{"server_id":"vid-server1","service_id":"service1","action":"on_stop","client_id":"v1ewer00",` +
		`"ip":"198.51.100.7","vhost":"__defaultVhost__","app":"live","tcUrl":"TCURL","stream":"NAME","param":"?token=t",` +
		`"stream_url":"/live/cam1","stream_id":"STREAM","clients":2}`
)

func everything() []string {
	return []string{hooks.OnConnect, hooks.OnClose, hooks.OnPublish, hooks.OnUnpublish, hooks.OnPlay, hooks.OnStop}
}

// TestPayloads publishes and plays by each protocol, and compares what the back end gets.
func TestPayloads(t *testing.T) {
	hub := new(live.Hub)
	end := newBackend(t, say("0"))
	b := newBackends(t, hub)
	hub.Activate(policy(b, newWebhook(t, b, hooks.Options{URLs: []string{end.URL + "/srs"}, Events: everything()})))

	p, err := hub.Publish(t.Context(), publishRequest())
	if err != nil {
		t.Fatal(err)
	}
	streamID := p.Session().Info().StreamID
	check := func(want string, replace ...string) {
		t.Helper()
		want = strings.NewReplacer(append(replace, "STREAM", streamID)...).Replace(want)
		c := end.next(t)
		if c.body != want {
			t.Errorf("the payload is\n%s\nwant\n%s", c.body, want)
		}
		if c.path != "/srs" || c.header.Get("Content-Type") != "application/json" || c.header.Get("User-Agent") != "caddy-rtmp" {
			t.Errorf("the call of %s has the header %v", c.path, c.header)
		}
		if !strings.HasPrefix(c.header.Get("Webhook-Id"), "msg_") || c.header.Get("Webhook-Signature") != "" {
			t.Errorf("the header is %v", c.header)
		}
	}
	check(connectGolden)
	check(publishGolden)

	for protocol, words := range map[string][]string{
		live.ProtocolRTMP: {"NAME", "cam1", "TCURL", "rtmp://a.example/live"},
		live.ProtocolFLV:  {"NAME", "cam1", "TCURL", "rtmp://__defaultVhost__/live"},
		live.ProtocolTS:   {"NAME", "cam1", "TCURL", "rtmp://__defaultVhost__/live"},
		live.ProtocolHLS:  {"NAME", "cam1.m3u8", "TCURL", "http://a.example/live"},
	} {
		ses, err := hub.Play(t.Context(), playRequest(protocol), 0)
		if err != nil {
			t.Fatal(err)
		}
		if protocol == live.ProtocolRTMP {
			end.next(t) // on_connect
		}
		check(playGolden, words...)
		ses.Close(nil)
		check(stopGolden, words...)
	}

	p.Close(nil)
	check(unpublishGolden)
	req := publishRequest()
	req.Key = hub.Resolve(req.Key)
	hub.Disconnect(req, live.Totals{Sent: 3000, Received: 123456})
	check(closeGolden)
	end.quiet(t)
}

func TestCheckEvent(t *testing.T) {
	for name, want := range map[string]string{
		"on_publish": "", "on_hls": "", "on_dvr": "recording", "on_forward": "relays", "on_done": "there is no event",
	} {
		err := hooks.CheckEvent(name)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// answers are the answers of appendix A.3 and others, and what becomes of a client.
var answers = map[string]struct {
	status int
	body   string
	want   error  // nil accepts
	text   string // what the client is told
}{
	"0":                    {200, "0", nil, ""},
	"0 and a line break":   {200, "0\n", nil, ""},
	"code 0":               {200, `{"code":0}`, nil, ""},
	"code 0 and data":      {200, `{"code":0,"data":null}`, nil, ""},
	"code 0 and others":    {200, ` {"msg":"OK", "code": 0, "data":{"a":[1]}, "user":{"id":5}, "note":7, "stream_name":[]}` + "\n", nil, ""},
	"201":                  {201, `{"code":0}`, nil, ""},
	"empty":                {200, "", live.ErrDenied, "does not allow"},
	"1":                    {200, "1", live.ErrDenied, "does not allow"},
	"00":                   {200, "00", live.ErrDenied, "does not allow"},
	"quoted 0":             {200, `"0"`, live.ErrDenied, "does not allow"},
	"quoted code":          {200, `{"code":"0"}`, live.ErrDenied, "does not allow"},
	"code 0.0":             {200, `{"code":0.0}`, live.ErrDenied, "does not allow"},
	"no code":              {200, `{}`, live.ErrDenied, "does not allow"},
	"code null":            {200, `{"code":null}`, live.ErrDenied, "does not allow"},
	"code 1":               {200, `{"code":1}`, live.ErrDenied, "does not allow"},
	"code 1 and msg":       {200, `{"code":1,"msg":"pay\n\u0000 first"}`, live.ErrDenied, "pay  first"},
	"long msg":             {200, `{"code":1,"msg":"` + strings.Repeat("ä", 1000) + `"}`, live.ErrDenied, strings.Repeat("ä", 199) + "…"},
	"code 401":             {200, `{"code":401,"msg":"log in"}`, live.ErrUnauthorized, "log in"},
	"code 403":             {200, `{"code":403}`, live.ErrDenied, "does not allow"},
	"text":                 {200, "yes", live.ErrDenied, "does not allow"},
	"half an object":       {200, `{"code":0`, live.ErrDenied, "does not allow"},
	"more than an object":  {200, `{"code":0} {"code":1}`, live.ErrDenied, "does not allow"},
	"204":                  {204, "", live.ErrDenied, "does not allow"},
	"302":                  {302, "0", live.ErrDenied, "does not allow"},
	"400":                  {400, `{"code":0}`, live.ErrDenied, "does not allow"},
	"401":                  {401, `{"code":1,"msg":"who are you?"}`, live.ErrUnauthorized, "who are you?"},
	"403":                  {403, "go away", live.ErrDenied, "does not allow"},
	"404":                  {404, "0", live.ErrDenied, "does not allow"},
	"429":                  {429, "0", live.ErrGuard, "could not decide"},
	"500":                  {500, `{"code":0}`, live.ErrGuard, "could not decide"},
	"503":                  {503, "", live.ErrGuard, "could not decide"},
	"10 MiB":               {200, strings.Repeat("0", 10<<20), live.ErrGuard, "could not decide"},
	"expired":              {200, `{"code":0,"expires_in":0}`, live.ErrGuard, "could not decide"},
	"expires_in is a text": {200, `{"code":0,"expires_in":"60"}`, live.ErrGuard, "could not decide"},
}

// TestAnswers gives each answer to each question.
func TestAnswers(t *testing.T) {
	for name, test := range answers {
		t.Run(name, func(t *testing.T) {
			for _, event := range []string{hooks.OnConnect, hooks.OnPublish, hooks.OnPlay} {
				end := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Location", "/elsewhere")
					w.WriteHeader(test.status)
					_, _ = w.Write([]byte(test.body))
				})
				hub := new(live.Hub)
				b := newBackends(t, hub)
				log := new(diary)
				w := newWebhook(t, b, hooks.Options{URLs: []string{end.URL + "/path?key=s3cret"}, Events: []string{event}, Logger: log.logger()})
				hub.Activate(policy(b, w))
				var err error
				if event == hooks.OnPlay {
					_, err = hub.Admit(t.Context(), playRequest(live.ProtocolFLV))
				} else {
					_, err = hub.Publish(t.Context(), publishRequest())
				}
				if !errors.Is(err, test.want) || err != nil && !strings.Contains(live.Description(err), test.text) {
					t.Errorf("%s: got %v, of which the client is told %q", event, err, live.Description(err))
				}
				if c := end.next(t); !strings.Contains(c.body, event) {
					t.Errorf("%s: the call was %s", event, c.body)
				}
				end.quiet(t) // the redirect is not followed, nothing is repeated
				if strings.Contains(log.String(), "s3cret") || err != nil && strings.Contains(err.Error(), "s3cret") {
					t.Errorf("%s: the secret of the URL is told: %s %v", event, log, err)
				}
			}
		})
	}
}

// TestGrant takes more than a yes from an answer.
func TestGrant(t *testing.T) {
	end := newBackend(t, say(`{"code":0,"expires_in":3600,"stream_name":"cam2","user":"ann","note":"trial"}`))
	hub := new(live.Hub)
	b := newBackends(t, hub)
	hub.Activate(policy(b, newWebhook(t, b, hooks.Options{URLs: []string{end.URL}})))
	p, err := hub.Publish(t.Context(), publishRequest())
	if err != nil {
		t.Fatal(err)
	}
	info := p.Session().Info()
	if info.Grant.User != "ann" || info.Grant.Note != "trial" || info.Key.Name != "cam2" {
		t.Errorf("the session is %+v", info)
	}
	if life := info.Grant.Expires.Sub(info.Began).Seconds(); life < 3590 || life > 3610 {
		t.Errorf("it lives for %f s", life)
	}
	end.next(t)
	p.Close(nil)
	if c := end.next(t); !strings.Contains(c.body, `"stream":"cam2"`) {
		t.Errorf("the end is %s", c.body)
	}
}

// TestOnErrorAllow admits where nothing was decided, and nowhere else.
func TestOnErrorAllow(t *testing.T) {
	for name, test := range answers {
		if len(test.body) > 1<<20 {
			continue
		}
		end := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(test.status)
			_, _ = w.Write([]byte(test.body))
		})
		hub := new(live.Hub)
		b := newBackends(t, hub)
		hub.Activate(policy(b, newWebhook(t, b, hooks.Options{URLs: []string{end.URL}, AllowOnError: true})))
		_, err := hub.Publish(t.Context(), publishRequest())
		if admitted := err == nil; admitted != (test.want == nil || errors.Is(test.want, live.ErrGuard)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
