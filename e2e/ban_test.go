package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The addresses of a client that is to be banned, and of one that is not.
const (
	badClient  = "203.0.113.50"
	goodClient = "203.0.113.60"
)

// banConfig believes proxies on this machine, and admits publishers from anywhere.
func banConfig() string {
	config := strings.Replace(in("app live", "publish {\nallow all\n}"), "server :{$RTMP_PORT}",
		"server :{$RTMP_PORT} {\n"+fmt.Sprintf(behindProxy, "")+"\n}", 1)
	return strings.Replace(config, "{\n", "{\nservers {\ntrusted_proxies static 127.0.0.0/8\n}\n", 1)
}

// TestBan ends all clients of an address, of every kind, by banning one of them. They are refused with the reason, over a
// reload too, until the ban is lifted; others do not notice.
func TestBan(t *testing.T) {
	t.Parallel()
	s := serve(t, banConfig())
	address, _ := s.behind("10.1.2.3", "/live/test")
	s.publish(address)
	bad := append(s.everyKind(badClient), s.intruder(badClient))
	good := s.everyKind(goodClient)

	var kicked string
	for id, row := range s.awaitClients(map[string]int{"fmle-publish": 2, "rtmp-play": 2, "flv-play": 10, "hls-play": 2}) {
		if row.IP == badClient && row.Type == "hls-play" {
			kicked = id
		}
	}
	ban := s.ban(kicked, "ban=10m")
	if ban.IP != badClient || ban.Stream != "" || ban.Left < 590 || ban.Left > 600 {
		t.Errorf("the ban is %+v", ban)
	}
	within(t, 3*time.Second, "all clients of the address have ended", func() error {
		rows, err := s.clients()
		if err != nil {
			return err
		}
		for _, row := range rows {
			if row.IP == badClient {
				return fmt.Errorf("there is %+v", row)
			}
		}
		for _, p := range bad {
			if p.ended() == nil {
				return errors.New(p.name + " goes on")
			}
		}
		return nil
	})
	for _, p := range good {
		if err := p.ended(); err != nil {
			t.Errorf("%s has ended with the others: %v", p.name, err)
		}
	}
	s.awaitClients(map[string]int{"fmle-publish": 1, "rtmp-play": 1, "flv-play": 5, "hls-play": 1})

	s.isBanned()
	if out, err := s.reload(banConfig() + "\n# again\n"); err != nil {
		t.Fatalf("reload: %v\n%s", err, out)
	}
	s.isBanned()
	if bans := s.bans(); len(bans) != 1 || bans[0].ID != ban.ID {
		t.Errorf("the bans are %+v", bans)
	}
	for _, want := range []int{0, 9049} {
		var answer struct{ Code int }
		if err := s.api(http.MethodDelete, "/bans/"+ban.ID, &answer); err != nil || answer.Code != want {
			t.Errorf("lifting the ban: code %d, %v, want %d", answer.Code, err, want)
		}
	}
	for _, p := range s.everyKind(badClient) {
		if err := p.ended(); err != nil {
			t.Errorf("%s after the ban: %v", p.name, err)
		}
	}
}

// TestBanOfStream bans the publisher of a stream: nobody may publish it until the ban has ended by itself.
func TestBanOfStream(t *testing.T) {
	t.Parallel()
	s := serve(t, banConfig())
	address, _ := s.behind(badClient, "/live/test")
	encoder := s.publish(address)
	row := s.awaitStream("test")
	const lasts = 4 * time.Second
	ban := s.ban(row.Publish.CID, "ban="+lasts.String()+"&by=stream")
	if ban.IP != "" || ban.Stream != "test" || ban.Action != "publish" {
		t.Errorf("the ban is %+v", ban)
	}
	mustSay(t, encoder, "Server error: kicked, and not let in again before")
	other, _ := s.behind(goodClient, "/live/test")
	if len(s.bans()) == 1 { // else this machine is so slow that the ban is over
		checkRefusal(t, s.publishOnce(other), "NetStream.Publish.Denied", "everybody is banned: it may not publish /live/test before")
	}
	eventually(t, "the ban is over", func() error {
		if n := len(s.bans()); n != 0 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
	s.publish(other)
}

// A banRow is what tests read of a ban in the API.
type banRow struct {
	ID     string  `json:"id"`
	IP     string  `json:"ip"`
	Stream string  `json:"stream"`
	Action string  `json:"action"`
	Left   float64 `json:"left"`
}

// ban kicks a client and bans it.
func (s *server) ban(id, query string) banRow {
	s.t.Helper()
	var answer struct {
		Code int
		Ban  banRow
	}
	if err := s.api(http.MethodDelete, "/clients/"+id+"?"+query, &answer); err != nil || answer.Code != 0 || answer.Ban.ID == "" {
		s.t.Fatalf("banning %s: %+v, %v", id, answer, err)
	}
	return answer.Ban
}

// bans returns the bans in force.
func (s *server) bans() []banRow {
	s.t.Helper()
	var answer struct{ Bans []banRow }
	if err := s.api(http.MethodGet, "/bans/", &answer); err != nil {
		s.t.Fatal(err)
	}
	return answer.Bans
}

// A party is a client of any kind. ended returns an error if the server has ended it.
type party struct {
	name  string
	ended func() error
}

// everyKind watches the stream test as somebody at an address, in each way.
func (s *server) everyKind(address string) (all []party) {
	s.t.Helper()
	for _, w := range []wish{
		{kind: "flv", scheme: "http", version: http1, ending: ".flv"},
		{kind: "flv over HTTP/2", scheme: "https", version: http2, ending: ".flv"},
		{kind: "flv over a WebSocket", scheme: "https", version: http1, ending: ".flv", socket: true},
		{kind: "ts", scheme: "https", version: h3, ending: ".ts"},
		{kind: "aac", scheme: "http", version: http1, ending: ".aac"},
	} {
		body, err := s.bodyFor(s.t.Context(), w, http.Header{"X-Forwarded-For": {address}}, s.url(w.scheme, "/live/test"+w.ending))
		if err != nil {
			s.t.Fatalf("%s of %s: %v", w.kind, address, err)
		}
		all = append(all, s.party(w.kind, func() error {
			_, err := io.Copy(io.Discard, body)
			return errors.Join(err, errors.New("its end"))
		}, func() { body.Close() }))
	}
	return append(all, s.hlsParty(address), s.rtmpParty(address))
}

// party makes a party of what blocks until it is ended.
func (s *server) party(name string, run func() error, quit func()) party {
	done := make(chan error, 1)
	go func() { done <- run() }()
	s.t.Cleanup(func() {
		quit()
		done <- <-done
	})
	return party{name, func() error {
		select {
		case err := <-done:
			done <- err
			return err
		default:
			return nil
		}
	}}
}

func (s *server) rtmpParty(address string) party {
	s.t.Helper()
	url, _ := s.behind(address, "/live/test")
	w := s.play(url)
	return party{"rtmp", w.running}
}

// hlsParty fetches the entry playlist, and then the media playlist twice a second, until it is refused.
func (s *server) hlsParty(address string) party {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	client := s.browser(http1)
	body, err := askFor(ctx, client, s.url("https", "/live/test.m3u8"), address)
	if err != nil {
		s.t.Fatalf("hls of %s: %v", address, err)
	}
	lines := strings.Fields(body)
	media := s.url("https", "/live/"+strings.TrimPrefix(lines[len(lines)-1], "./"))
	return s.party("hls", func() error {
		for {
			if _, err := askFor(ctx, client, media, address); err != nil {
				return err
			}
			select {
			case <-time.After(500 * time.Millisecond):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}, cancel)
}

// askFor returns what a client behind a proxy gets; an error if that is not a playlist.
func askFor(ctx context.Context, client *http.Client, url, address string) (body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Forwarded-For", address)
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, b)
	}
	return string(b), err
}

// intruder publishes another stream.
func (s *server) intruder(address string) party {
	s.t.Helper()
	url, _ := s.behind(address, "/live/intruder")
	return party{"publisher", s.publish(url).running}
}

// isBanned comes from the banned address in each way, and must be refused with the reason.
func (s *server) isBanned() {
	s.t.Helper()
	const why = "your address is banned: it may not publish or play before"
	url, _ := s.behind(badClient, "/live/test")
	checkRefusal(s.t, s.playOnce(url), "NetStream.Play.Failed", why)
	checkRefusal(s.t, s.publishOnce(strings.Replace(url, "test", "intruder", 1)), "NetStream.Publish.Denied", why)
	for i, path := range []string{"/live/test.flv", "/live/test.ts", "/live/test.aac", "/live/test.m3u8", "/live/test/index.m3u8", "/live/test.flv"} {
		req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url("https", path), nil)
		if err != nil {
			s.t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", badClient)
		if i == 5 { // as a WebSocket
			req.Header = http.Header{
				"X-Forwarded-For": {badClient}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"},
				"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
			}
		}
		resp, err := s.browser(http1).Do(req)
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusForbidden || !strings.Contains(string(body), why) {
			s.t.Errorf("%s: %s %s, %v", path, resp.Status, body, err)
		}
	}
}
