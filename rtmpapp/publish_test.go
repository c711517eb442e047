package rtmpapp_test

import (
	"bytes"
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// The conversation of ffmpeg and OBS, from connect to deleteStream, with every transaction id.
func TestPublishConversation(t *testing.T) {
	w := newWorld(t, nil, nil)
	p := w.peer().connect()
	p.say(
		wire.Command(0, "releaseStream", 2, nil, "demo"),
		wire.Command(0, "FCPublish", 3, nil, "demo"),
		wire.Command(0, "createStream", 4, nil),
		wire.Command(0, "_checkbw", 5, nil),
		wire.Command(0, "getStreamLength", 6, nil, "demo"))
	p.hear("0: _result 2 <nil>", "0: _result 3 <nil>", "0: _result 4 <nil> 1", "0: _result 5 <nil>", "0: _result 6 <nil> 0")
	p.say(publishing("demo"))
	p.hear("event 0 1", "1: onStatus 0 <nil> NetStream.Publish.Start{}")
	for _, f := range livetest.GOPs(1) {
		p.say(media(f))
	}
	r := w.reader()
	for _, want := range livetest.GOPs(1)[:10] {
		got := readFrame(t, r)
		equal(t, "kind", got.Kind, want.Kind)
		equal(t, "time", got.Time, want.Time)
		equal(t, "body", string(got.Body), string(want.Body))
	}
	p.say(wire.Command(0, "FCUnpublish", 7, nil, "demo"), wire.Command(0, "deleteStream", 8, nil, 1))
	p.hear("0: _result 7 <nil>", "1: onStatus 0 <nil> NetStream.Unpublish.Success{}")
	e := w.await(live.EventUnpublish)
	equal(t, "received", e.Session.Totals.Received > 0, true)
	equal(t, "pictures", e.Session.Totals.VideoFrames, 25)
	equal(t, "user agent", e.Session.UserAgent, "test")
	equal(t, "host", e.Session.Host, "example.com")
	_ = p.conn.Close()
}

func TestRepublishOnOneConnection(t *testing.T) {
	w := newWorld(t, nil, nil)
	p := w.peer().publish("demo")
	p.say(publishing("other"))
	p.hear("1: onStatus 0 <nil> NetStream.Publish.BadName{}")
	for i, end := range []wire.Message{
		wire.Command(0, "deleteStream", 0, nil, 1),
		wire.Command(0, "deleteStream", 0, nil, "demo"), // GStreamer names the stream
		wire.Command(0, "deleteStream", 0, nil),
		wire.Command(1, "closeStream", 0, nil),
		wire.Command(1, "FCUnpublish", 0, nil, "demo"),
	} {
		p.say(end)
		p.hear("1: onStatus 0 <nil> NetStream.Unpublish.Success{}")
		w.awaitNth(live.EventUnpublish, i+1)
		p.say(publishing("demo"))
		p.hear("event 0 1", "1: onStatus 0 <nil> NetStream.Publish.Start{}")
	}
}

func TestSecondPublisher(t *testing.T) {
	w := newWorld(t, nil, nil)
	first := w.peer().publish("demo")
	first.say(media(livetest.VideoConfig()), media(livetest.Video(0)))
	r := w.reader()
	readFrame(t, r)
	readFrame(t, r)
	second := w.peer().connect()
	second.say(publishing("demo"))
	contains(t, "description", second.hearStatus("NetStream.Publish.BadName"), "/live/demo already has a publisher")
	second.hear("end")
	first.say(media(livetest.Video(1)))
	equal(t, "the first goes on", readFrame(t, r).Time, 40)
}

func TestRefusedNames(t *testing.T) {
	for name, why := range map[string]string{
		"..":                     ". or ..",
		"a\x00b":                 "control character",
		"a\nb":                   "control character",
		strings.Repeat("x", 129): "longer than 128 bytes",
		"":                       "is empty",
		"a/b":                    "must not contain",
		"\xff":                   "UTF-8",
		"demo.flv":               ".flv",
	} {
		w := newWorld(t, nil, nil)
		p := w.peer().connect()
		p.say(publishing(name))
		contains(t, "publish", p.hearStatus("NetStream.Publish.BadName"), why)
		p.hear("end")
		p = w.peer().connect()
		p.say(playing(name))
		contains(t, "play", p.hearStatus("NetStream.Play.StreamNotFound"), why)
		p.hear("end")
	}
}

func TestRefusedApps(t *testing.T) {
	for app, why := range map[string]string{
		"live/sub":                "must not contain",
		"other":                   "there is no app other",
		"":                        "there is no app __defaultApp__",
		"..":                      ". or ..",
		"a\x00":                   "control character",
		strings.Repeat("x", 1000): "longer than 128 bytes",
	} {
		p := newWorld(t, nil, nil).peer()
		p.say(connectTo(app))
		m, _ := p.next()
		equal(t, "answer to "+app, describe(m), "0: _error 1 <nil> NetConnection.Connect.Rejected{}")
		values, _ := wire.DecodeAMF0(m.Body)
		o, _ := values[3].(wire.Object)
		contains(t, "description", o.String("description"), why)
		contains(t, "once more", p.hearStatus("NetConnection.Connect.InvalidApp"), why)
		p.hear("end")
	}
	for _, app := range []string{"live/", "/live", "live/_definst_", "live?key=1", "live...vhost...tv.example"} {
		p := newWorld(t, nil, nil).peer()
		p.say(connectTo(app))
		p.hear(connected...)
	}
}

func TestGuardRefuses(t *testing.T) {
	deny := func(context.Context, *live.Request) (live.Grant, error) {
		return live.Grant{}, live.Refuse(live.ErrDenied, "not from there")
	}
	w := newWorld(t, nil, deny)
	p := w.peer().connect()
	p.say(publishing("demo"))
	equal(t, "description", p.hearStatus("NetStream.Publish.Denied"), "not from there")
	p.hear("end")
	p = w.peer().connect()
	p.say(playing("demo"))
	equal(t, "description", p.hearStatus("NetStream.Play.Failed"), "not from there")
	p.hear("end")
}

func TestGuardSeesQueries(t *testing.T) {
	for _, c := range []struct{ app, tcURL, name, want string }{
		{"live", "rtmp://h/live", "demo?key=1&x=2", "key=1&x=2"},
		{"live", "rtmp://h/live?key=1", "demo", "key=1"},
		{"live?key=1", "rtmp://h/live?key=1", "demo", "key=1"},
		{"live?key=1", "rtmp://h/live", "demo?x=2", "x=2&key=1"},
		{"live", "rtmp://h/live?key=1", "demo?x=2", "x=2&key=1"},
		{"live", "%", "demo", ""},
	} {
		asked := make(chan live.Request, 1)
		w := newWorld(t, nil, func(_ context.Context, r *live.Request) (live.Grant, error) {
			asked <- *r
			return live.Grant{}, nil
		})
		p := w.peer()
		p.say(wire.Command(0, "connect", 1, wire.Object{{Key: "app", Value: c.app}, {Key: "tcUrl", Value: c.tcURL}}), publishing(c.name))
		p.hearStatus("NetStream.Publish.Start")
		r := <-asked
		equal(t, "query of "+c.tcURL+" "+c.name, r.Query, c.want)
		equal(t, "stream", r.Key.URL(), "/live/demo")
		equal(t, "tcUrl", r.TCURL, c.tcURL)
	}
}

func TestGuardSeesCredentials(t *testing.T) {
	asked := make(chan live.Request, 1)
	w := newWorld(t, nil, func(_ context.Context, r *live.Request) (live.Grant, error) {
		asked <- *r
		return live.Grant{}, nil
	})
	p := w.peer()
	p.say(wire.Command(0, "connect", 1, wire.Object{
		{Key: "app", Value: "live"}, {Key: "tcUrl", Value: "rtmp://ann:s%2Fcret@h/live"},
	}), publishing("demo"))
	p.hearStatus("NetStream.Publish.Start")
	r := <-asked
	equal(t, "user", r.Username, "ann")
	equal(t, "password", r.Password, "s/cret")
	equal(t, "told to others", w.await(live.EventPublish).Session.TCURL, "rtmp://h/live")
}

// TestConnectionEnds has the end of a connection told after all that was on it, whether it got a stream or not.
func TestConnectionEnds(t *testing.T) {
	w := newWorld(t, nil, nil)
	p := w.peer().publish("demo")
	id := w.await(live.EventPublish).Session.ID
	_ = p.conn.Close()
	e := w.await(live.EventClose)
	equal(t, "id", e.Session.ID, id)
	equal(t, "bytes came", e.Session.Totals.Received > 100, true)
	equal(t, "bytes went", e.Session.Totals.Sent > 100, true)
	w.mu.Lock()
	equal(t, "the last", w.events[len(w.events)-1].Type, live.EventClose)
	w.mu.Unlock()

	_ = w.peer().connect().conn.Close() // asks for nothing
	p = w.peer().connect()
	p.say(publishing("a/b"))
	p.hearStatus("NetStream.Publish.BadName")
	p.hear("end")
	e = w.awaitNth(live.EventClose, 2)
	equal(t, "refused one", e.Session.ID, w.await(live.EventRefuse).Session.ID)
}

// A client names its vhost in any of the ways of SRS, and what it names is what its rules are asked for.
func TestVhosts(t *testing.T) {
	for _, c := range []struct{ app, tcURL, name, want string }{
		{"live", "rtmp://h/live", "demo", "/live/demo"},
		{"live", "rtmp://tv.example:1935/live", "demo", "tv.example/live/demo"},
		{"live", "rtmp://TV.Example./live", "demo", "tv.example/live/demo"},
		{"live", "rtmp://www.tv.example/live", "demo", "tv.example/live/demo"},
		{"live", "rtmp://h/live?vhost=tv.example", "demo", "tv.example/live/demo"},
		{"live?vhost=tv.example", "rtmp://h/live?vhost=tv.example", "demo", "tv.example/live/demo"},
		{"live", "rtmp://h/live", "demo?key=1&vhost=tv.example", "tv.example/live/demo"},
		{"live", "rtmp://h/live?domain=tv.example", "demo", "tv.example/live/demo"},
		{"live...vhost...tv.example", "rtmp://h/live...vhost...tv.example", "demo", "tv.example/live/demo"},
		{"live...vhost...tv.example/_definst_", "rtmp://h/live", "demo", "tv.example/live/demo"},
		{"live...vhost...tv.example?key=1", "rtmp://h/live", "demo", "tv.example/live/demo"},
		// The weightier goes first: query, old form, host; and the stream's query before the tcUrl's.
		{"live...vhost...tv.example", "rtmp://h/live", "demo?vhost=other", "/live/demo"},
		{"live...vhost...other", "rtmp://tv.example/live", "demo", "/live/demo"},
		{"live", "rtmp://tv.example/live?vhost=other", "demo", "/live/demo"},
		{"live?vhost=other", "rtmp://h/live", "demo?vhost=tv.example", "tv.example/live/demo"},
		{"live", "rtmp://tv.example/live", "demo?vhost=__defaultVhost__", "/live/demo"},
		{"live", "%", "demo", "/live/demo"},
	} {
		asked := make(chan live.Key, 1)
		w := newWorld(t, nil, func(_ context.Context, r *live.Request) (live.Grant, error) {
			asked <- r.Key
			return live.Grant{}, nil
		})
		p := w.peer()
		p.say(wire.Command(0, "connect", 1, wire.Object{{Key: "app", Value: c.app}, {Key: "tcUrl", Value: c.tcURL}}), publishing(c.name))
		p.hearStatus("NetStream.Publish.Start")
		what := c.app + " " + c.tcURL + " " + c.name
		equal(t, what+": asked for", (<-asked).URL(), c.want)
		equal(t, what+": on air", w.await(live.EventPublish).Session.Key.URL(), c.want)
	}
}

func TestBrokenTagsAreDropped(t *testing.T) {
	w := newWorld(t, nil, nil)
	p := w.peer().publish("demo")
	broken := wire.Message{Type: wire.TypeVideo, Stream: 1, Body: []byte{0x17, 1}}
	p.say(broken, media(livetest.VideoConfig()), broken,
		wire.Message{Type: wire.TypeAudio, Stream: 1, Body: []byte{0xaf}},
		wire.Message{Type: wire.TypeAudio, Stream: 1}, // a sign of life
		wire.Message{Type: wire.TypeDataAMF0, Stream: 1},
		wire.Message{Type: 99, Stream: 1, Body: []byte("unknown")},
		media(livetest.Video(0)))
	r := w.reader()
	equal(t, "first", readFrame(t, r).Config, true)
	equal(t, "second", readFrame(t, r).Key, true)
	s, _ := w.Hub.Stream(livetest.Key)
	equal(t, "broken", s.Info().Totals.BrokenTags, 4)
}

func TestMetadata(t *testing.T) {
	w := newWorld(t, nil, nil)
	p := w.peer().publish("demo")
	width := wire.Property{Key: "width", Value: 64.0}
	p.say(
		wire.Data(1, "@setDataFrame", "onMetaData", wire.ECMAArray{{Key: "duration", Value: 10}, width, {Key: "filesize", Value: 10}}),
		media(livetest.VideoConfig()), media(livetest.Video(0)))
	r := w.reader()
	equal(t, "metadata", string(readFrame(t, r).Body), string(wire.AppendAMF0(nil, "onMetaData", wire.ECMAArray{width})))
	readFrame(t, r)
	readFrame(t, r)
	text := wire.AppendAMF0(nil, "onTextData", wire.Object{{Key: "duration", Value: 1}})
	p.say(
		wire.Message{Type: wire.TypeDataAMF3, Stream: 1, Body: append([]byte{0}, text...)},
		wire.Message{Type: wire.TypeDataAMF3, Stream: 1, Body: text},
		wire.Message{Type: wire.TypeDataAMF3, Stream: 1, Body: []byte{0}})
	for range 2 {
		equal(t, "data in AMF3", string(readFrame(t, r).Body), string(text))
	}
}

func TestAMF3Commands(t *testing.T) {
	p := newWorld(t, nil, nil).peer()
	for i, m := range []wire.Message{
		wire.Command(0, "connect", 1, wire.Object{{Key: "app", Value: "live"}, {Key: "objectEncoding", Value: 3}}),
		wire.Command(0, "createStream", 2, nil),
		publishing("demo"),
	} {
		m.Type = wire.TypeCommandAMF3
		if i != 1 { // some leave the byte out
			m.Body = append([]byte{0}, m.Body...)
		}
		p.say(m)
	}
	p.hear(connected...)
	p.hear("0: _result 2 <nil> 1", "event 0 1", "1: onStatus 0 <nil> NetStream.Publish.Start{}")
}

func TestAggregate(t *testing.T) {
	w := newWorld(t, nil, nil)
	p := w.peer().publish("demo")
	tag := func(f *live.Frame) []byte {
		n := len(f.Body)
		head := []byte{media(f).Type, 0, byte(n >> 8), byte(n), 0, byte(f.Time >> 8), byte(f.Time), 0, 0, 0, 0}
		return slices.Concat(head, f.Body, []byte{0, 0, 0, byte(11 + n)})
	}
	nested := slices.Concat([]byte{wire.TypeAggregate, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, []byte("x"), []byte{0, 0, 0, 12})
	body := slices.Concat(tag(livetest.VideoConfig()), tag(livetest.Video(0)), nested, tag(livetest.Audio(1)), []byte("cut"))
	p.say(wire.Message{Type: wire.TypeAggregate, Stream: 1, Time: 1000, Body: body}, media(livetest.Video(26)))
	r := w.reader()
	equal(t, "configuration", readFrame(t, r).Config, true)
	equal(t, "picture", readFrame(t, r).Key, true)
	equal(t, "sound", readFrame(t, r).Time, 23)
	equal(t, "what follows", readFrame(t, r).Time, 40)
	s, _ := w.Hub.Stream(livetest.Key)
	equal(t, "broken", s.Info().Totals.BrokenTags, 1)
}

func TestOddCommands(t *testing.T) {
	p := newWorld(t, nil, nil).peer().connect()
	p.say(
		wire.Command(0, "frobnicate", 7, nil, "x"),
		wire.Command(0, "frobnicate", 0, nil),
		wire.Command(0, "_result", 9, nil),
		wire.Command(0, "_error", 9, nil),
		wire.Command(0, "pause", 3, nil, true),
		wire.Command(0, "deleteStream", 0, nil, 5),
		wire.Command(0, "FCUnpublish", 0, nil),
		wire.Command(0, "onStatus"),
		wire.Message{Type: wire.TypeCommandAMF0, Body: wire.AppendAMF0(nil, 1, "x", true)},
		media(livetest.Video(0)), // before anything is published
		wire.Data(1, "@setDataFrame", "onMetaData", wire.Object{}),
		wire.Command(0, "createStream", 8, nil))
	p.hear("0: _error 7 <nil> NetConnection.Call.Failed{}", "0: _result 8 <nil> 1")
	// What comes after a name and a transaction id may be broken.
	m := wire.Command(0, "createStream", 9)
	m.Body = append(m.Body, 0x11, 0xff)
	p.say(m)
	p.hear("0: _result 9 <nil> 2")
	for n := range uint32(20) {
		p.say(wire.Command(0, "createStream", 10, nil))
		m, _ := p.next()
		values, _ := wire.DecodeAMF0(m.Body)
		equal(t, "message stream", values[3], any(float64((n+2)%8+1)))
	}
}

func TestCommandsThatEndTheConnection(t *testing.T) {
	for name, messages := range map[string][]wire.Message{
		"before connect":  {wire.Command(0, "createStream", 2, nil)},
		"publish first":   {publishing("demo")},
		"second connect":  {connectTo("live"), connectTo("live")},
		"broken AMF0":     {{Type: wire.TypeCommandAMF0, Body: []byte("\x02\xff")}},
		"strict array":    {{Type: wire.TypeCommandAMF0, Body: []byte("\x0a\x7f\xff\xff\xff")}},
		"empty":           {{Type: wire.TypeCommandAMF0}},
		"long command":    {{Type: wire.TypeCommandAMF0, Body: make([]byte, 65<<10)}},
		"chunk size of 0": {wire.Control(wire.TypeSetChunkSize, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			p := newWorld(t, nil, nil).peer()
			_, _ = p.conn.Write(chunks(messages...)) // it may end before it has read all
			p.hearEnd()
		})
	}
}

// HEVC passes unchanged, in the habit of codec id 12 and in Enhanced RTMP, with and without composition time.
func TestHEVCPasses(t *testing.T) {
	record := []byte{1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93, 0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, 0}
	unit := []byte{0, 0, 0, 3, 0x26, 1, 0xaf}
	for name, bodies := range map[string][][]byte{
		"codec id 12":             {append([]byte{0x1c, 0, 0, 0, 0}, record...), append([]byte{0x1c, 1, 0, 0, 40}, unit...), append([]byte{0x2c, 1, 0, 0, 0}, unit...)},
		"Enhanced RTMP":           {append([]byte("\x90hvc1"), record...), append([]byte("\x91hvc1\x00\x00\x28"), unit...), append([]byte("\xa3hvc1"), unit...)},
		"Enhanced RTMP, modified": {append([]byte("\x90hvc1"), record...), append([]byte("\x97\x02\x00\x00\x00\x03hvc1"), unit...)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil, nil)
			p := w.peer().publish("demo")
			for i, b := range bodies {
				p.say(wire.Message{Type: wire.TypeVideo, Stream: 1, Time: uint32(40 * i), Body: bytes.Clone(b)})
			}
			s, _ := w.Hub.Stream(livetest.Key)
			readFrame(t, s.NewReaderFromOldest(live.Tracks{}))
			track, ok := s.Setup().Track(live.KindVideo)
			equal(t, "track", ok, true)
			equal(t, "codec", track.Codec, live.CodecHEVC)
			viewer := w.peer().play("demo")
			for _, want := range bodies {
				m, _ := viewer.next()
				equal(t, "body", string(m.Body), string(want))
			}
		})
	}
}

func TestKickedPublisher(t *testing.T) {
	w := newWorld(t, nil, nil)
	p := w.peer().publish("demo")
	w.Hub.Kick(w.await(live.EventPublish).Session.ID)
	equal(t, "description", p.hearStatus("NetStream.Publish.Rejected"), "kicked")
	p.hear("end")
	isErr(t, "reason", w.await(live.EventUnpublish).Err, live.ErrKicked)
}

func TestReplacedPublisher(t *testing.T) {
	w := newWorld(t, func(r *live.Rules) { r.OnConflict = live.ConflictReplace }, nil)
	first := w.peer().publish("demo")
	second := w.peer().publish("demo")
	contains(t, "description", first.hearStatus("NetStream.Publish.BadName"), "replaced")
	first.hear("end")
	second.say(media(livetest.VideoConfig()), media(livetest.Video(0)))
	readFrame(t, w.reader())
}

// Each way in which a publisher leaves, and the reason that is told.
func TestPublisherLeaves(t *testing.T) {
	for name, leave := range map[string]struct {
		last []byte
		ok   bool
	}{
		"between messages":    {nil, true},
		"in a message":        {chunks(media(livetest.Video(0)))[:20], false},
		"with broken chunks":  {[]byte{0xff}, false},
		"with a long command": {chunks(wire.Message{Type: wire.TypeCommandAMF0, Body: make([]byte, 65<<10)})[:12], false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil, nil)
			p := w.peer().publish("demo")
			if leave.last != nil {
				if _, err := p.conn.Write(leave.last); err != nil {
					t.Fatal(err)
				}
			}
			_ = p.conn.Close()
			e := w.await(live.EventUnpublish)
			if ok := e.Err.Error() == "EOF"; ok != leave.ok {
				t.Errorf("reason: %v", e.Err)
			}
		})
	}
}

// A session that is cut at any byte leaves nothing behind.
func TestTruncatedSessions(t *testing.T) {
	w := newWorld(t, nil, nil)
	w.onAir()
	b := append([]byte{3}, make([]byte, 2*1536)...)
	b = append(b, chunks(connectTo("live"), wire.Command(0, "createStream", 2, nil), publishing("mine"))...)
	publishes := len(b)
	b = append(b, chunks(wire.Data(1, "@setDataFrame", "onMetaData", wire.ECMAArray{{Key: "duration", Value: 1}}),
		media(livetest.VideoConfig()), media(livetest.AudioConfig()), media(livetest.Video(0)), media(livetest.Audio(0)),
		wire.Command(0, "deleteStream", 3, nil, 1), playing("demo"))...)
	plays := len(b)
	b = append(b, chunks(wire.Command(1, "pause", 0, nil, true), wire.Command(1, "pause", 0, nil, false), wire.Command(1, "closeStream", 0, nil))...)
	for n := range len(b) + 1 {
		isErr(t, "ServeConn", w.ServeConn(&script{Reader: bytes.NewReader(b[:n])}), nil)
	}
	count := make(map[live.EventType]int)
	w.mu.Lock()
	for _, e := range w.events {
		count[e.Type]++
	}
	w.mu.Unlock()
	equal(t, "published", count[live.EventPublish], 1+len(b)+1-publishes) // and demo
	equal(t, "unpublished", count[live.EventUnpublish], len(b)+1-publishes)
	equal(t, "played", count[live.EventPlay], len(b)+1-plays)
	equal(t, "stopped", count[live.EventStop], len(b)+1-plays)
	equal(t, "sessions left", len(w.Hub.Snapshot().Sessions), 1)
}

// A script is a connection to a peer that has said all that it will say, and takes everything.
type script struct {
	*bytes.Reader
	net.Conn
}

func (s *script) Read(b []byte) (int, error)       { return s.Reader.Read(b) }
func (s *script) Write(b []byte) (int, error)      { return len(b), nil }
func (s *script) Close() error                     { return nil }
func (s *script) RemoteAddr() net.Addr             { return new(net.TCPAddr) }
func (s *script) LocalAddr() net.Addr              { return new(net.TCPAddr) }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
