package rtmpapp_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// An attack is what a hostile or odd peer says after connect.
type attack struct {
	name string
	say  []byte
	ends bool // by that the connection ends; else it is as good as before
}

func ofType(msgType uint8, body string) wire.Message {
	return wire.Message{Type: msgType, Stream: 1, Body: []byte(body)}
}

// head is the beginning of a message: a chunk header of type 0 for any chunk stream.
func head(chunkStream int, msgType uint8, length int, payload []byte) []byte {
	b := []byte{byte(chunkStream)}
	if chunkStream > 63 {
		b = []byte{1, byte(chunkStream - 64), byte((chunkStream - 64) >> 8)}
	}
	b = append(b, 0, 0, 0, byte(length>>16), byte(length>>8), byte(length), msgType, 1, 0, 0, 0)
	return append(b, payload...)
}

// tag is a message within an aggregate.
func tag(msgType uint8, size int, body string) string {
	return string([]byte{msgType, byte(size >> 16), byte(size >> 8), byte(size), 0, 0, 0, 0, 0, 0, 0}) + body + "\x00\x00\x00\x00"
}

// The bombs of AMF0: an array that says it has 2^31-1 values, and arrays in arrays.
const (
	bomb      = "\x0a\x7f\xff\xff\xff"
	nestArray = "\x0a\x00\x00\x00\x01"
)

// name and transaction begin a command.
func begin(name string) string {
	return string(wire.AppendAMF0(nil, name, 9))
}

// attacks are those of one connection.
func attacks() []attack {
	command := func(body string) []byte { return chunks(ofType(wire.TypeCommandAMF0, body)) }
	list := []attack{
		{"nothing", nil, false},
		{"array bomb", command(begin("x") + bomb), false},
		{"array bomb in createStream", command(begin("createStream") + bomb), false},
		{"array bomb as the name", command(bomb), true},
		{"array bomb in data", chunks(ofType(wire.TypeDataAMF0, "\x02\x00\x0aonMetaData"+bomb)), false},
		{"arrays in arrays", command(begin("x") + strings.Repeat(nestArray, 12_000)), false},
		{"objects in objects", command(begin("x") + strings.Repeat("\x03\x00\x01a", 15_000)), false},
		{"arrays in arrays of 16 MiB", append(chunks(wire.Control(wire.TypeSetChunkSize, 0xffffff)),
			head(3, wire.TypeCommandAMF0, 0xffffff, bytes.Repeat([]byte(nestArray), 1000))...), true},
		{"a second connect", chunks(connectTo("live")), true},
		{"data without end", chunks(ofType(wire.TypeDataAMF0, "\x02\x00\x0aonMetaData\x08\xff\xff\xff\xff\x00")), false},
		{"metadata that is none", chunks(ofType(wire.TypeDataAMF0, "\x02\x00\x0d@setDataFrame\x02\x00\x0aonMetaData")), false},

		{"AMF3 command", chunks(ofType(wire.TypeCommandAMF3, "\x00"+begin("x"))), false},
		{"AMF3 command without its zero", chunks(ofType(wire.TypeCommandAMF3, begin("x"))), false},
		{"AMF3 values", chunks(ofType(wire.TypeCommandAMF3, "\x00"+begin("x")+"\x11\x0a\x0b\x01")), false},
		{"AMF3 data", chunks(ofType(wire.TypeDataAMF3, "\x00\x02\x00\x01a\x11\x01")), false},
		{"aggregate cut in a header", chunks(ofType(wire.TypeAggregate, "\x09\x00\x00\x01\x00")), false},
		{"aggregate cut in a message", chunks(ofType(wire.TypeAggregate, tag(wire.TypeVideo, 1<<20, "x"))), false},
		{"aggregates in an aggregate", chunks(ofType(wire.TypeAggregate, strings.Repeat(tag(wire.TypeAggregate, 2, "xx"), 50))), false},
		{"commands in an aggregate", chunks(ofType(wire.TypeAggregate, tag(wire.TypeCommandAMF0, 12, "\x02\x00\x09_checkbw\x00"))), false},
		{"empty messages in an aggregate", chunks(ofType(wire.TypeAggregate, strings.Repeat(tag(wire.TypeAudio, 0, ""), 4000))), false},

		{"shared objects", chunks(ofType(16, "x"), ofType(19, "\x00\x01a\x00\x00\x00\x00")), false},
		{"a shared object that is too long", head(3, 19, 64<<10+1, nil), true},

		{"ping", chunks(slices.Repeat([]wire.Message{wire.UserControl(wire.EventPingRequest, 1)}, 300)...), false},
		{"odd user control", oddControl(), false},

		{"windows", chunks(wire.Control(wire.TypeWindowAckSize, 0), wire.Control(wire.TypeWindowAckSize, 0xffffffff), wire.Control(wire.TypeWindowAckSize, 1),
			wire.Control(wire.TypeAck, 0xffffffff), wire.SetPeerBandwidth(0)), false},
		{"chunks of one byte", chunkSize(1), false},
		{"the largest chunks", chunkSize(0x7fffffff), false},
		{"chunks of no byte", chunkSize(0), true},
		{"chunks of a negative size", chunkSize(0x80000000), true},
		{"a chunk size that is cut", chunks(ofType(wire.TypeSetChunkSize, "\x00\x00")), true},
		{"abort", chunks(wire.Control(wire.TypeAbort, 3), wire.Control(wire.TypeAbort, 0xffffffff)), false},
		{"abort in a message", slices.Concat(head(6, wire.TypeVideo, 200, make([]byte, 128)), chunks(wire.Control(wire.TypeAbort, 6))), false},
		{"abort that is cut", chunks(ofType(wire.TypeAbort, "\x00")), true},
		{"a message within a message", slices.Concat(head(6, wire.TypeVideo, 200, make([]byte, 128)), head(6, wire.TypeAudio, 1, []byte{0})), false},
		{"a chunk that continues nothing", []byte{3<<6 | 40}, true},
		{"a long command", head(3, wire.TypeCommandAMF0, 64<<10+1, nil), true},
		{"long data", head(3, wire.TypeDataAMF0, 64<<10+1, nil), true},
		{"every type", everyType("some"), false},
		{"every type without bytes", everyType(""), false},
		{"every type, undefined", everyType("\x06\x06\x06\x06"), false},
	}
	return append(list, commandAttacks()...)
}

// commandAttacks are commands whose arguments are not what they should be.
func commandAttacks() []attack {
	var list []attack
	odd := map[string]any{
		"nothing": nil, "a number": -1, "no number": float64(int64(-1) << 62), "a boolean": true, "an object": wire.Object{{Key: "a"}},
		"a text": "demo", "a long text": strings.Repeat("x", 15_000), "an array": wire.ECMAArray{{Key: "1", Value: 1}},
	}
	for _, name := range []string{
		"deleteStream", "closeStream", "FCUnpublish", "releaseStream", "FCPublish", "createStream",
		"getStreamLength", "_checkbw", "pause", "seek", "receiveVideo", "_result", "_error", "onStatus", "", "nonsense",
	} {
		say := chunks(wire.Command(1, name), wire.Command(1, name, 0), wire.Command(1, name, "9", "x"), wire.Command(0xffffffff, name, 9, nil))
		for _, arg := range odd {
			say = append(say, chunks(wire.Command(1, name, 9, nil, arg), wire.Command(1, name, -9, arg, arg, arg, arg))...)
		}
		list = append(list, attack{"odd " + name, say, false})
	}
	delete(odd, "a text")
	for what, arg := range odd {
		list = append(list,
			attack{"publish of " + what, chunks(wire.Command(1, "publish", 9, nil, arg)), true},
			attack{"play of " + what, chunks(wire.Command(1, "play", 9, nil, arg, "x", "y", "z")), true})
	}
	return append(list, attack{"publish of nothing at all", chunks(wire.Command(1, "publish")), true})
}

// chunkSize sets a chunk size, and goes back to 128 where that is one.
func chunkSize(n uint32) []byte {
	b := chunks(wire.Control(wire.TypeSetChunkSize, n))
	return append(b, wire.AppendMessage(nil, 2, wire.Control(wire.TypeSetChunkSize, 128), int(min(max(n, 1), math.MaxInt32)))...)
}

func oddControl() []byte {
	var list []wire.Message
	for _, event := range []uint16{0, 1, 2, 3, 4, 5, 7, 8, 26, 27, 31, 32, 0x7fff, 0xffff} {
		list = append(list, wire.UserControl(event, 1), ofType(wire.TypeUserControl, string(binary.BigEndian.AppendUint16(nil, event))),
			ofType(wire.TypeUserControl, string(binary.BigEndian.AppendUint16(nil, event))+strings.Repeat("x", 300)))
	}
	return chunks(append(list, ofType(wire.TypeUserControl, "\x00"), ofType(wire.TypeUserControl, "\x00\x06\x00"))...)
}

// everyType is a message of each type but those that set up the chunks, and those of commands, which must be such.
func everyType(body string) []byte {
	var list []wire.Message
	for n := range 256 {
		switch msgType := uint8(n); {
		case msgType == wire.TypeSetChunkSize, msgType == wire.TypeAbort:
		case (msgType == wire.TypeCommandAMF0 || msgType == wire.TypeCommandAMF3) && body == "some":
		default:
			list = append(list, ofType(msgType, body))
		}
	}
	return chunks(list...)
}

// stages are how far an attacker gets by the rules before it begins.
var stages = map[string]func(p *peer, n int){
	"greeted":    func(*peer, int) {},
	"connected":  func(p *peer, _ int) { p.connect() },
	"publishing": func(p *peer, n int) { p.publish(fmt.Sprint("attacker", n)) },
	"playing":    func(p *peer, _ int) { p.play("demo") },
}

// strike says what an attack says, which the server need not hear to its end, and asks for an answer. It tells whether
// one came.
func (p *peer) strike(say []byte) (answered bool) {
	p.t.Helper()
	ask := append(bytes.Clone(say), chunks(wire.Command(0, "getStreamLength", 4711, nil, "demo"))...)
	go func() { _, _ = p.conn.Write(ask) }() // until the connection ends
	for {
		m, ok := p.next()
		if !ok {
			return false
		}
		if m.Type == wire.TypeCommandAMF0 && strings.HasSuffix(describe(m), "_result 4711 <nil> 0") {
			return true
		}
	}
}

// Every attack, at every stage, ends its connection or leaves it as good as before. Nothing else happens: the server has
// met no fault in itself, holds no more memory, and a good publisher beside the attackers has lost no frame.
func TestHostilePeers(t *testing.T) {
	w := newWorld(t, nil, nil)
	w.noFaults()
	finish := w.goodStream()
	before := heap()
	for n, a := range attacks() {
		for stage, reach := range stages {
			p := w.peer()
			reach(p, n)
			answered := p.strike(a.say)
			if stage == "connected" && answered == a.ends {
				t.Errorf("%s: the connection goes on is %t", a.name, answered)
			}
			_ = p.conn.Close()
			p.hearEnd()
		}
	}
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("%d bytes are held", grown)
	}
	finish()
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// goodStream publishes pictures to /live/demo, one each few milliseconds, and plays them. The returned function ends it
// and checks that each has come, in order.
func (w *world) goodStream() (finish func()) {
	w.t.Helper()
	publisher := w.peer().publish("demo")
	publisher.say(media(livetest.VideoConfig()), media(livetest.Video(0)))
	viewer := w.peer().play("demo")
	stop, sent := make(chan struct{}), make(chan int)
	go func() {
		beat := time.NewTicker(2 * time.Millisecond)
		defer beat.Stop()
		n := 1
		for ; ; n++ {
			select {
			case <-beat.C:
				_, _ = publisher.conn.Write(chunks(media(livetest.Video(n)))) // what fails here is not seen
			case <-stop:
				sent <- n
				return
			}
		}
	}()
	return func() {
		w.t.Helper()
		close(stop)
		n := <-sent
		equal(w.t, "many frames", n > 20, true)
		publisher.say(wire.Command(0, "deleteStream", 0, nil, 1))
		seen := 0
		for {
			m, ok := viewer.next()
			if !ok {
				w.t.Fatalf("the viewer has lost the stream after %d of %d frames", seen, n)
			}
			if m.Type == wire.TypeVideo && m.Body[1] == 1 {
				equal(w.t, "time", m.Time, uint32(seen*livetest.FrameInterval))
				seen++
			}
			if m.Type == wire.TypeUserControl && describe(m) == "event 1 1" {
				break
			}
		}
		equal(w.t, "frames", seen, n)
	}
}

// What is said instead of connect.
func TestHostileConnects(t *testing.T) {
	object := func(more ...wire.Property) wire.Object {
		return append(wire.Object{{Key: "app", Value: "live"}}, more...)
	}
	for name, c := range map[string]struct {
		body string
		ok   bool
	}{
		"undefined fields":      {string(wire.AppendAMF0(nil, "connect", 1)) + "\x03\x00\x03app\x02\x00\x04live\x00\x05tcUrl\x06\x00\x01x\x06\x00\x00\x09", true},
		"fields of wrong types": {string(wire.AppendAMF0(nil, "connect", 1, object(wire.Property{Key: "tcUrl", Value: 5}, wire.Property{Key: "flashVer", Value: wire.Object{}}, wire.Property{Key: "objectEncoding", Value: "3"}, wire.Property{Key: "capabilities"}, wire.Property{Key: "fourCcList", Value: "x"}))), true},
		"an app twice":          {string(wire.AppendAMF0(nil, "connect", 1, object(wire.Property{Key: "app", Value: 5}))), true},
		"an odd tcUrl":          {string(wire.AppendAMF0(nil, "connect", 1, object(wire.Property{Key: "tcUrl", Value: "rtmp://%zz:\x00/\xff"}))), true},
		"a transaction of text": {string(wire.AppendAMF0(nil, "connect", "1", object())), true},
		"an app of a number":    {string(wire.AppendAMF0(nil, "connect", 1, wire.Object{{Key: "app", Value: 5}})), false},
		"no object":             {string(wire.AppendAMF0(nil, "connect", 1)), false},
		"no transaction":        {string(wire.AppendAMF0(nil, "connect")), false},
		"a bomb for an object":  {begin("connect") + bomb, false},
		"a bomb in the object":  {begin("connect") + "\x03\x00\x03app" + bomb, false},
		"nothing":               {"", false},
		"text":                  {"GET / HTTP/1.1\r\n\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil, nil)
			w.noFaults()
			p := w.peer()
			equal(t, "goes on", p.strike(chunks(ofType(wire.TypeCommandAMF0, c.body))), c.ok)
			_ = p.conn.Close()
		})
	}
}

// 240 MiB of unfinished messages, over more chunk streams than may be and over fewer: little of it is taken, before and
// after admission.
func TestChunkStreamFlood(t *testing.T) {
	for _, c := range []struct {
		stage         string
		streams, most int // chunk streams; bytes that may be taken
	}{
		{"connected", 200, 5 << 20}, {"connected", 50, 5 << 20}, {"publishing", 200, 5 << 20}, {"publishing", 50, 17 << 20},
	} {
		t.Run(fmt.Sprint(c.stage, c.streams), func(t *testing.T) {
			w := newWorld(t, nil, nil)
			w.noFaults()
			p := w.peer()
			stages[c.stage](p, 0)
			before := heap()
			taken := flood(p.conn, c.streams)
			if taken < c.most/2 || taken > c.most {
				t.Errorf("%d bytes were taken", taken)
			}
			p.hearEnd()
			if grown := heap() - before; grown > 16<<20 {
				t.Errorf("%d bytes are held", grown)
			}
		})
	}
}

// flood writes 240 MiB of messages, none of them whole, in turn over a number of chunk streams, or what of it is taken
// before the connection ends. It returns how much that was.
func flood(c net.Conn, streams int) (taken int) {
	const part, parts = 60 << 10, 4096
	payload := make([]byte, part)
	_, _ = c.Write(chunks(wire.Control(wire.TypeSetChunkSize, part)))
	for n := range parts {
		id := 64 + n%streams
		b := []byte{3<<6 | 1, byte(id - 64), byte((id - 64) >> 8)}
		if n < streams {
			b = head(id, wire.TypeVideo, wire.DefaultMediaBytes, nil)
		}
		for _, b := range [][]byte{b, payload} {
			k, err := c.Write(b)
			if taken += k; err != nil {
				return taken
			}
		}
	}
	return taken
}
