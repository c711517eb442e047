package rtmpapp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// guarded admits those who know the key, and removes what its policy is asked to.
func (w *world) guarded(change func(*live.Policy)) {
	p := live.Policy{
		Observer: w,
		Rules: func(k live.Key) (live.Rules, error) {
			r := live.DefaultRules()
			if k.App != "live" {
				return r, live.Refuse(live.ErrApp, "there is no app %s", k.App)
			}
			return r, nil
		},
		Guard: live.GuardFunc(func(_ context.Context, r *live.Request) (live.Grant, error) {
			switch r.Query {
			case "key=wrong":
				return live.Grant{}, live.Refuse(live.ErrUnauthorized, "the key is wrong")
			case "from=there":
				return live.Grant{}, live.Refuse(live.ErrDenied, "not from there")
			case "key=short":
				return live.Grant{Expires: time.Now().Add(time.Minute)}, nil
			case "broken":
				return live.Grant{}, errors.New("dialing 10.0.0.1: secret")
			}
			return live.Grant{}, nil
		}),
	}
	if change != nil {
		change(&p)
	}
	w.Hub.Activate(&p)
}

// told is what a client is told at its end: code and a part of the description of the last status, which must be an error.
type told struct{ code, why string }

// Each way in which a connection is refused or ended from this side, and what its client is told before the close. All
// happens on the fake clock.
func TestClientsAreToldWhy(t *testing.T) {
	const denied, failed, badName = "NetStream.Publish.Denied", "NetStream.Play.Failed", "NetStream.Publish.BadName"
	const ended, notFound, invalid = "NetStream.Publish.Rejected", "NetStream.Play.StreamNotFound", "NetConnection.Connect.InvalidApp"
	kick := func(w *world, _ *peer) {
		for _, s := range w.Hub.Snapshot().Sessions {
			w.Hub.Kick(s.ID)
		}
	}
	closing := func(w *world, _ *peer) { go func() { _ = w.Hub.Close(w.t.Context()) }() }
	removed := func(w *world, _ *peer) {
		w.guarded(func(p *live.Policy) {
			p.Rules = func(live.Key) (live.Rules, error) { return live.Rules{}, live.Refuse(live.ErrApp, "gone") }
		})
	}
	busy := func(w *world) { w.keepOnAir() }
	tooLong := wire.Message{Type: wire.TypeVideo, Stream: 1, Body: make([]byte, 2000)}
	tests := map[string]struct {
		before func(w *world)
		say    []wire.Message // after connect
		then   func(w *world, p *peer)
		want   told
	}{
		"publish: bad name":     {nil, []wire.Message{publishing("a/b")}, nil, told{badName, "must not contain"}},
		"publish: busy":         {busy, []wire.Message{publishing("demo")}, nil, told{badName, "/live/demo already has a publisher"}},
		"publish: wrong key":    {nil, []wire.Message{publishing("demo?key=wrong")}, nil, told{denied, "the key is wrong"}},
		"publish: not allowed":  {nil, []wire.Message{publishing("demo?from=there")}, nil, told{denied, "not from there"}},
		"publish: undecided":    {nil, []wire.Message{publishing("demo?broken")}, nil, told{ended, "the server could not decide about this request"}},
		"publish: nothing sent": {nil, []wire.Message{publishing("demo")}, nil, told{ended, "no audio or video came for 20s"}},
		"publish: fell silent":  {nil, []wire.Message{publishing("demo"), media(livetest.Video(0))}, nil, told{ended, "no audio or video came for 10s"}},
		"publish: expired":      {nil, []wire.Message{publishing("demo?key=short")}, talkOn, told{denied, "permission expired"}},
		"publish: kicked":       {nil, []wire.Message{publishing("demo")}, kick, told{ended, "kicked"}},
		"publish: closing":      {nil, []wire.Message{publishing("demo")}, closing, told{ended, "server is shutting down"}},
		"publish: app removed":  {nil, []wire.Message{publishing("demo")}, removed, told{ended, "app removed"}},
		"publish: too long":     {nil, []wire.Message{publishing("demo"), tooLong}, nil, told{"NetStream.Failed", "message of type 9 has 2000 bytes, more than 1500"}},
		"publish: replaced": {nil, []wire.Message{publishing("demo")}, func(w *world, _ *peer) {
			time.Sleep(2 * time.Second)
			livetest.Publish(w.t, w.Hub, livetest.Key)
		}, told{badName, "replaced by a new publisher"}},

		"play: bad name":    {nil, []wire.Message{playing("a/b")}, nil, told{notFound, "must not contain"}},
		"play: nobody":      {nil, []wire.Message{playing("demo")}, nil, told{notFound, "no publisher came on air for /live/demo within 5s"}},
		"play: wrong key":   {busy, []wire.Message{playing("demo?key=wrong")}, nil, told{failed, "the key is wrong"}},
		"play: expired":     {busy, []wire.Message{playing("demo?key=short")}, nil, told{failed, "permission expired"}},
		"play: kicked":      {busy, []wire.Message{playing("demo")}, kick, told{failed, "kicked"}},
		"play: closing":     {busy, []wire.Message{playing("demo")}, closing, told{failed, "server is shutting down"}},
		"play: app removed": {busy, []wire.Message{playing("demo")}, removed, told{failed, "app removed"}},

		"connect: nothing after it": {nil, nil, nil, told{"NetStream.Failed", "neither publish nor play came within 10s"}},
		"connect: twice":            {nil, []wire.Message{connectTo("live")}, nil, told{"NetStream.Failed", "a second connect came"}},
		"connect: too long":         {nil, []wire.Message{tooLong}, nil, told{"NetStream.Failed", "message of type 9 has 2000 bytes, more than 1000"}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil, nil)
				w.guarded(nil)
				w.limit(rtmpapp.Limits{Wire: wire.Limits{Media: 1000}, AdmittedMedia: 1500})
				if c.before != nil {
					c.before(w)
				}
				p := w.peer().connect()
				go func() { _, _ = p.conn.Write(chunks(c.say...)) }() // it may not take all
				synctest.Wait()
				if c.then != nil {
					c.then(w, p)
				}
				equal(t, "told", p.lastStatus(c.want.why), c.want)
			})
		})
	}
	for name, c := range map[string]struct {
		say  wire.Message
		want told
	}{
		"an unknown app":         {connectTo("other"), told{invalid, "there is no app other"}},
		"a bad app":              {connectTo("a/b"), told{invalid, "must not contain"}},
		"a command that is none": {wire.Command(0, "createStream", 1, nil), told{"NetStream.Failed", "a command came before connect"}},
		"nothing":                {wire.Control(wire.TypeAck, 1), told{"NetStream.Failed", "no connect came within 10s"}},
	} {
		t.Run("before all: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil, nil)
				p := w.peer()
				p.say(c.say)
				equal(t, "told", p.lastStatus(c.want.why), c.want)
			})
		})
	}
}

// keepOnAir publishes the stream demo until the end of the test.
func (w *world) keepOnAir() {
	pub := livetest.Publish(w.t, w.Hub, livetest.Key)
	livetest.Write(w.t, pub, livetest.Configs()...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = livetest.Pace(ctx, pub, livetest.Media(0, 200)...)
	}()
	w.t.Cleanup(func() { cancel(); <-done })
}

// talkOn publishes until the server takes no more.
func talkOn(_ *world, p *peer) {
	for n := range 100 {
		if _, err := p.conn.Write(chunks(media(livetest.Video(n)))); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// lastStatus returns the code of the last status before the end of the connection, and why if its description contains
// that, else the description. The status must be an error.
func (p *peer) lastStatus(why string) (last told) {
	p.t.Helper()
	for {
		m, ok := p.next()
		if !ok {
			return last
		}
		if m.Type != wire.TypeCommandAMF0 {
			continue
		}
		values, err := wire.DecodeAMF0(m.Body)
		if err != nil || values[0] == "_result" {
			continue
		}
		o, _ := values[len(values)-1].(wire.Object)
		last = told{o.String("code"), o.String("description")}
		if strings.Contains(last.why, why) {
			last.why = why
		}
		if o.String("level") != "error" {
			last.code += " as " + o.String("level")
		}
	}
}

// wrapped hides what a connection can do beyond net.Conn, as those of listener wrappers do.
type wrapped struct{ net.Conn }

// The last words arrive at a publisher who goes on sending and does not read before it has sent a lot, whatever the
// connection is made of: closing it at once would take them back.
func TestLastWordsArriveOverAnything(t *testing.T) {
	site := httptest.NewTLSServer(nil) // has a certificate
	defer site.Close()
	secure := func(c net.Conn) net.Conn { return tls.Server(c, &tls.Config{Certificates: site.TLS.Certificates}) }
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"plain":           func(c net.Conn) net.Conn { return c },
		"wrapped":         func(c net.Conn) net.Conn { return wrapped{c} },
		"TLS":             secure,
		"TLS over a wrap": func(c net.Conn) net.Conn { return secure(wrapped{c}) },
		"a wrap over TLS": func(c net.Conn) net.Conn { return wrapped{secure(c)} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil, nil)
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			go func() {
				if c, err := ln.Accept(); err == nil {
					_ = w.ServeConn(wrap(c))
				}
			}()
			conn, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(name, "TLS") {
				conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
			}
			defer conn.Close()
			lastWords(t, w, conn)
		})
	}
}

// lastWords publishes over conn, is kicked while it sends, and must be told so.
func lastWords(t *testing.T, w *world, conn net.Conn) {
	t.Helper()
	if err := wire.Connect(conn); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = conn.Write(chunks(connectTo("live"), publishing("demo")))
	id := w.await(live.EventPublish).Session.ID
	video := chunks(media(livetest.Video(0)), media(&live.Frame{Kind: live.KindVideo, Body: make([]byte, 10_000)}))
	for n := range 100 {
		if n == 50 {
			w.Hub.Kick(id)
		}
		if _, err := conn.Write(video); err != nil {
			t.Logf("writing ended after %d messages: %v", n, err)
			break
		}
	}
	w.await(live.EventUnpublish)
	heard, err := io.ReadAll(conn)
	if !strings.Contains(string(heard), "kicked") {
		t.Errorf("the last words have not arrived: %d bytes, %v", len(heard), err)
	}
}
