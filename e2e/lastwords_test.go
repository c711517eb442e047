package e2e

import (
	"strconv"
	"strings"
	"testing"
)

// TestLastWords ends publishers and viewers in the middle of a stream, over what RTMP can come by. Each shows the reason in
// its own output; a publisher goes on sending meanwhile, and what it sends must not make the system take the words back.
func TestLastWords(t *testing.T) {
	t.Parallel()
	config := with(basic, "server :{$RTMPS_PORT}", "listener_wrappers {\nproxy_protocol {\nallow 127.0.0.0/8\n}\ntls\n}")
	config = with(config, "rtmp", "app leaving\nserver :{$PROXIED_PORT} {\nlistener_wrappers {\nproxy_protocol {\nallow 127.0.0.0/8\n}\n}\n}")
	s := newServer(t, config)
	proxied := freePorts(t, 1)[0]
	s.env = append(s.env, "PROXIED_PORT="+strconv.Itoa(proxied))
	s.run()
	urls := map[string]string{
		"rtmp":    s.url("rtmp", ""),
		"rtmps":   s.url("rtmps", ""),
		"proxied": "rtmp://" + relayTo(t, s.address(proxied), proxyPreface).Addr().String(),
	}
	t.Run("kicked", func(t *testing.T) {
		for name, url := range urls {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := s.on(t)
				publisher := s.publish(url + "/live/" + name)
				viewer := start(t, nil, "ffmpeg", "-v", "error", "-i", url+"/live/"+name, "-f", "null", "-")
				s.awaitLog(1, line{"msg": "play started", "stream": name})
				s.kickWho(line{"msg": "play started", "stream": name})
				mustSay(t, viewer, "kicked")
				s.kickWho(line{"msg": "publish started", "stream": name})
				mustSay(t, publisher, "Server error: kicked")
			})
		}
	})
	publisher := s.publish(urls["rtmp"] + "/leaving/test")
	viewer := start(t, nil, "rtmpdump", "--live", "-r", urls["rtmp"]+"/leaving/test", "-o", "/dev/null")
	s.awaitLog(1, line{"msg": "play started", "app": "leaving"})
	if out, err := s.reload(strings.Replace(config, "app leaving\n", "", 1)); err != nil {
		t.Fatalf("reload: %v\n%s", err, out)
	}
	mustSay(t, publisher, "app removed by a new configuration")
	mustSay(t, viewer, "Closing connection: NetStream.Play.Failed")

	var all []*process
	for name, url := range urls {
		all = append(all, s.publish(url+"/live/last-"+name))
	}
	if out, err := s.caddy("stop", "--address", "127.0.0.1:"+strconv.Itoa(s.admin)); err != nil {
		t.Fatalf("stop: %v\n%s", err, out)
	}
	for _, p := range all {
		mustSay(t, p, "server is shutting down")
	}
}

// proxyPreface says that a connection comes from somebody on a private network.
const proxyPreface = "PROXY TCP4 10.1.2.3 127.0.0.1 40000 1935\r\n"

// kickWho ends the session of which a line of the log tells.
func (s *server) kickWho(begun line) {
	s.t.Helper()
	id, _ := s.awaitLog(1, begun)[0]["session"].(string)
	if code := s.kick(id); code != 0 {
		s.t.Fatalf("kicking %s: code %d", id, code)
	}
}

// mustSay waits until a program has ended, which must show a text.
func mustSay(t testing.TB, p *process, text string) {
	t.Helper()
	_ = p.wait(t, patience)
	if !strings.Contains(p.out.String(), text) {
		t.Errorf("%s does not show %q:\n%s", p.cmd.Args[0], text, tail(p.out.String()))
	}
}

// TestPlayControl lets programs ask for a part of a live stream.
func TestPlayControl(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	s.publish(s.url("rtmp", "/live/test"))
	t.Run("ffmpeg seeks", func(t *testing.T) {
		must(t, "ffmpeg", "-v", "error", "-ss", "1", "-i", s.url("rtmp", "/live/test"), "-t", "2", "-f", "null", "-")
	})
	t.Run("rtmpdump stops", func(t *testing.T) {
		p := start(t, nil, "rtmpdump", "--live", "--stop", "2", "-r", s.url("rtmp", "/live/test"), "-o", "/dev/null")
		mustSay(t, p, "Download complete")
		s.awaitLog(1, line{"msg": "play ended", "reason": "played for as long as was asked for"})
	})
	t.Run("ffmpeg names a vhost", func(t *testing.T) {
		p := start(t, nil, "ffmpeg", "-v", "error", "-i", s.url("rtmp", "/live...vhost...none.example/test?vhost=other"), "-t", "1", "-f", "null", "-")
		if err := p.wait(t, patience); err != nil {
			t.Errorf("a vhost that is not declared is not the default one: %v", err)
		}
	})
}
