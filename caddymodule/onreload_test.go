package caddymodule_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// crowded is a Caddyfile with two keys for publishers, two for viewers, and options besides.
func crowded(options, publish, play string) string {
	return "{\n$OPTIONS\nrtmp {\nserver 127.0.0.1:$RTMP\n" + options + "\napp live {\npublish {\n" + publish + "\n}\nplay {\n" + play +
		"\n}\nhls {\nsegment 1s\n}\n}\n}\n}\nhttp://localhost:$HTTP {\nrtmp_play\n}\n"
}

const (
	bothPublish = "authenticate token {\nsecret p1 p2\n}"
	bothPlay    = "authenticate token {\nsecret v1 v2\n}\nauthenticate basic alice " + hash
)

// A crowd is two publishers, and viewers of the first of all kinds, with either key.
type crowd struct {
	b          *bed
	publishers [2]*publisher
	viewers    map[string]*viewer // by key and protocol
	hls        map[string]*hlsPlayer
}

func gatherCrowd(b *bed) *crowd {
	b.t.Helper()
	c := &crowd{b: b, viewers: make(map[string]*viewer), hls: make(map[string]*hlsPlayer)}
	rtmp, site := "rtmp://127.0.0.1:"+b.rtmp+"/live/", "http://localhost:"+b.http+"/live/demo"
	c.publishers[0] = publish(b.t, rtmp+"demo?token=p1", 4)
	c.publishers[1] = publish(b.t, rtmp+"other?token=p2", 4)
	for _, key := range []string{"token=v1", "token=v2", "user=alice&pass=hiccup"} {
		c.viewers[key+" rtmp"] = playRTMP(b.t, rtmp+"demo?"+key)
		c.viewers[key+" flv"] = playHTTP(b.t, site+".flv?"+key)
		c.viewers[key+" ts"] = playHTTP(b.t, site+".ts?"+key)
		c.hls[key] = playHLS(b.t, site+".m3u8?"+key)
	}
	return c
}

// check waits until just those sessions are left whose keys are given, and checks that of the rest nothing is served.
func (c *crowd) check(keys ...string) {
	c.b.t.Helper()
	left := func(name string) bool {
		for _, key := range keys {
			if strings.HasPrefix(name, key) {
				return true
			}
		}
		return false
	}
	for name, v := range c.viewers {
		if !left(name) {
			eventually(c.b.t, name+" has ended", v.ended)
		}
	}
	for key, p := range c.hls {
		if left(key) {
			if p.newest() == "" {
				c.b.t.Errorf("%s: the playlist is gone", key)
			}
			continue
		}
		for _, url := range []string{p.list, strings.Replace(p.list, "index.m3u8", "nothing.ts", 1)} {
			if resp := get(c.b.t, p.client, url); resp.StatusCode == http.StatusOK {
				c.b.t.Errorf("%s is still served", url)
			}
		}
	}
	want := 0
	for name, v := range c.viewers {
		if !left(name) {
			continue
		}
		want++
		before := v.got.Load()
		c.publishers[0].send(1)
		eventually(c.b.t, name+" goes on", func() bool { return v.got.Load() > before })
	}
	for key := range c.hls {
		if left(key) {
			want++
		}
	}
	eventually(c.b.t, "the others are gone", func() bool {
		n := 0
		for _, s := range c.b.sessions() {
			if s.Action == live.ActionPlay {
				n++
			}
		}
		return n == want
	})
}

// TestReauthorize takes a viewer's key away, and an account: who has used them goes, all others stay; so do all where the
// reload fails, or is not to ask.
func TestReauthorize(t *testing.T) {
	b := newBed(t)
	b.load(crowded("on_reload reauthorize", bothPublish, bothPlay))
	c := gatherCrowd(b)
	all := []string{"token=v1", "token=v2", "user=alice"}
	c.check(all...)

	ln, err := net.Listen("tcp", ":0")
	must(err)
	defer ln.Close()
	_, blocked, _ := net.SplitHostPort(ln.Addr().String())
	failing := crowded("on_reload reauthorize", "deny all", "deny all") + "http://localhost:" + blocked + " {\nrespond hello\n}\n"
	if err := b.tryLoad(failing); err == nil {
		t.Fatal("it loads with a port that is taken")
	}
	c.check(all...)
	b.load(crowded("", bothPublish, "authenticate token {\nsecret v2\n}"))
	c.check(all...) // on_reload is keep now
	b.load(crowded("on_reload reauthorize", "authenticate token {\nsecret p1 p3\n}", "authenticate token {\nsecret v2\n}"))
	c.check("token=v2")
	c.publishers[1].awaitEnd()
	lines := b.logged("publish ended")
	if len(lines) != 1 || !strings.Contains(lines[0]["reason"].(string), "the token is no longer valid") { //nolint:errcheck,forcetypeassert // it is a text
		t.Errorf("the log says %v", lines)
	}
	b.load(crowded("on_reload reauthorize", "authenticate token {\nsecret p1\n}", "deny 127.0.0.0/8 ::1"))
	c.check()
}

// TestReloadClose ends all sessions of before, after the delay.
func TestReloadClose(t *testing.T) {
	b := newBed(t)
	b.load(crowded("", bothPublish, bothPlay))
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo?token=p1", 2)
	before := playHTTP(t, "http://localhost:"+b.http+"/live/demo.flv?token=v1")
	began := time.Now()
	b.load(crowded("on_reload close 300ms", bothPublish, bothPlay))
	eventually(t, "the publisher has gone", func() bool { return len(b.sessions()) == 0 })
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("they ended after %s", took)
	}
	eventually(t, "the viewer has ended", before.ended)
	for _, line := range b.logged("publish ended") {
		if line["reason"] != live.ErrReloaded.Error() {
			t.Errorf("the log says %v", line)
		}
	}
	again := publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo?token=p1", 2)
	after := playHTTP(t, "http://localhost:"+b.http+"/live/demo.flv?token=v1")
	again.send(1)
	eventually(t, "who comes again plays", func() bool { return after.got.Load() > 0 })
}

// TestReauthorizeRules: matchers, pages and apps are asked again, tokens that expire by themselves are not.
func TestReauthorizeRules(t *testing.T) {
	b := newBed(t)
	open := crowded("", "allow all", "authenticate jwt {\nsecret "+jwtSecretArg+"\n}")
	b.load(open)
	session := func() live.SessionInfo {
		for _, s := range b.sessions() {
			if s.Action == live.ActionPlay {
				return s
			}
		}
		return live.SessionInfo{}
	}
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 2)
	token := tokenOf(map[string]any{"action": "play", "stream": "demo", "exp": 1 << 40, "jti": "7"})
	v := playHTTP(t, "http://localhost:"+b.http+"/live/demo.flv?token="+token)
	id := session().ID
	for _, stay := range []string{
		"authenticate jwt {\nsecret another-secret-of-at-least-32-bytes\n}",
		"authenticate token {\nsecret x\n}\nauthenticate jwt {\nsecret " + jwtSecretArg + "\nrevoked 6\n}",
		"match query token=*\nreferer none\nauthenticate jwt {\nsecret " + jwtSecretArg + "\n}",
		"", // nobody asks any more
	} {
		b.load(crowded("on_reload reauthorize", "allow all", stay))
		if now := session(); now.ID != id || v.ended() {
			t.Fatalf("with %q it has ended", stay)
		}
	}
	b.load(crowded("on_reload reauthorize", "allow all", "authenticate jwt {\nsecret "+jwtSecretArg+"\nrevoked 6 7\n}"))
	eventually(t, "a revoked token ends its session", v.ended)
}

// TestExpiry: a session ends with its token, whatever its protocol, and of an HLS viewer's nothing is served any more.
func TestExpiry(t *testing.T) {
	b := newBed(t)
	b.load(crowded("", "allow all", "authenticate jwt {\nsecret "+jwtSecretArg+"\n}"))
	p := publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 4)
	query := "?token=" + tokenOf(map[string]any{"action": "play", "stream": "demo", "exp": time.Now().Add(3 * time.Second).Unix()})
	site := "http://localhost:" + b.http + "/live/demo"
	c := httpClient(t)
	viewers := []*viewer{
		playRTMP(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo"+query),
		playHTTP(t, site+".flv"+query),
		playHTTP(t, site+".ts"+query),
	}
	hls := playHLS(t, site+".m3u8"+query)
	segment := hls.newest()
	for _, v := range viewers {
		eventually(t, v.name+" has ended", func() bool {
			p.send(1)
			return v.ended()
		})
	}
	eventually(t, "the list is refused", func() bool { return get(t, c, hls.list).StatusCode == http.StatusUnauthorized })
	for url, want := range map[string]int{segment: http.StatusForbidden, site + ".flv" + query: http.StatusUnauthorized} {
		if status, body := text(t, get(t, c, url)); status != want {
			t.Errorf("%s: %d %s", url, status, body)
		}
	}
	eventually(t, "the log has them all", func() bool { return len(b.logged("play ended")) == 4 })
	for _, line := range b.logged("play ended") {
		if line["reason"] != live.ErrExpired.Error() {
			t.Errorf("%s: %v", line["protocol"], line["reason"])
		}
	}
	if _, err := tryPlayRTMP(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo"+query); err == nil || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("an expired token: %v", err)
	}
}

// tryPlayRTMP asks to play.
func tryPlayRTMP(t *testing.T, url string) (live.FrameReader, error) {
	t.Helper()
	c, err := dial(t, url)
	if err != nil {
		return nil, err
	}
	return c.Play(t.Context())
}
