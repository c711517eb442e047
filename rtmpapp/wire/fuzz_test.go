package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// fuzzLimits are small, so that inputs reach them.
var fuzzLimits = wire.Limits{Command: 1 << 10, Media: 1 << 16, ChunkStreams: 8}

// FuzzChunkReader reads any bytes. What is held stays within the limits, what is counted is what has come, reading byte
// by byte gives the same, and so does what was read when it is written and read again.
func FuzzChunkReader(f *testing.F) {
	f.Add(slices.Concat(type0(4, 1000, 1, audio, 7, "a"), type1(4, 20, 2, video, "bc"), type2(4, 30, "de"), type3(4, "fg")))
	f.Add(slices.Concat(setChunkSize(5), type0(300, 0x01000000, 12, video, 1, "12345"), type3x(300, 0x01000000, "67890"), abort(300)))
	f.Add(slices.Concat(type0(4, 0, 200, audio, 1, long(128)), type0(70, 9, 129, video, 1, long(128)), type3(4, long(72))))
	f.Add(wire.AppendMessage(nil, wire.ChunkCommand, wire.Command(0, "connect", 1, wire.Object{{Key: "app", Value: "live"}}), 128))
	f.Add([]byte{1, 255, 255, 0, 0, 0, 255, 255, 255, 9, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := readAll(t, bytes.NewReader(b))
		slowly, slowErr := readAll(t, iotest.OneByteReader(bytes.NewReader(b)))
		equal(t, "byte by byte", join(slowly), join(list))
		equal(t, "the end, byte by byte", fmt.Sprint(slowErr), fmt.Sprint(err))
		if !errors.Is(err, wire.ErrProtocol) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("the end: %v", err)
		}
		again(t, list)
		strangers(t, b, list)
	})
}

// strangers reads b as it comes from a peer whose media nobody wants: that is the same as far as it goes, but for their
// bodies.
func strangers(t *testing.T, b []byte, list []wire.Message) {
	t.Helper()
	limits := fuzzLimits
	limits.DropMedia = true
	r := wire.NewChunkReader(bytes.NewReader(b), limits)
	for i := 0; ; i++ {
		m, err := r.ReadMessage()
		room, counted := r.Held()
		if most := 8*limits.Command + limits.ChunkStreams*(4<<10); room > most || !counted && err == nil {
			t.Fatalf("there is room for %d bytes of a stranger's unfinished messages; they are counted: %t", room, counted)
		}
		if err != nil || i == len(list) { // what is not held cannot be too much
			return
		}
		want := list[i]
		if m.Type == audio || m.Type == video || m.Type == wire.TypeAggregate {
			want.Body = nil
		}
		equal(t, "of a stranger", join([]wire.Message{m}), join([]wire.Message{want}))
	}
}

// readAll returns the messages in r, and the error at the end.
func readAll(t *testing.T, r io.Reader) (list []wire.Message, err error) {
	t.Helper()
	source := &counting{Reader: r}
	reader := wire.NewChunkReader(source, fuzzLimits)
	for {
		m, err := reader.ReadMessage()
		room, counted := reader.Held()
		if most := 2*fuzzLimits.Media + fuzzLimits.ChunkStreams*wire.AllocateAhead; room > most || !counted && err == nil {
			t.Fatalf("there is room for %d bytes of unfinished messages; they are counted: %t", room, counted)
		}
		if reader.BytesRead() > source.n {
			t.Fatalf("read %d of %d bytes", reader.BytesRead(), source.n)
		}
		if err != nil {
			return list, err
		}
		if cap(m.Body) > max(2*len(m.Body), 64) || len(m.Body) > fuzzLimits.Media {
			t.Fatalf("a message of %d bytes keeps %d", len(m.Body), cap(m.Body))
		}
		list = append(list, m)
	}
}

// counting counts what was read.
type counting struct {
	io.Reader
	n int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += int64(n)
	return n, err
}

func join(list []wire.Message) string {
	var b strings.Builder
	for _, m := range list {
		fmt.Fprintf(&b, "%d/%d@%d:%x ", m.Type, m.Stream, m.Time, m.Body)
	}
	return b.String()
}

// again writes messages and reads them back.
func again(t *testing.T, list []wire.Message) {
	t.Helper()
	var b []byte
	var want []wire.Message
	for _, m := range list {
		if m.Type != wire.TypeSetChunkSize && m.Type != wire.TypeAbort {
			b = wire.AppendMessage(b, wire.ChunkVideo, m, 128)
			want = append(want, m)
		}
	}
	got, err := readAll(t, bytes.NewReader(b))
	isErr(t, "end", err, io.EOF)
	equal(t, "messages", join(got), join(want))
}

// FuzzChunks lets a peer write messages as the specification lets it: on several chunk streams in turn, with every type of
// header that fits, in chunks whose size changes. They are read as they were written.
func FuzzChunks(f *testing.F) {
	f.Add([]byte{1, 0, 0, 100, 0, 0, 20, 2, 0, 2, 1, 1, 3, 3})
	f.Add([]byte{0, 5, 1, 1, 9, 0, 0, 200, 2, 2, 1, 1, 1, 0, 40, 9, 2, 2, 1, 2, 0, 0, 0, 0})
	f.Add(bytes.Repeat([]byte{1, 3, 255, 255, 130, 2, 1, 3, 40, 0, 130, 2}, 4))
	f.Fuzz(func(t *testing.T, script []byte) {
		w := &chunkPeer{size: 128, streams: make(map[int]*outgoing)}
		for n := 0; len(script) > 0 && n < 60; n++ {
			script = w.step(script)
		}
		w.finish()
		r := wire.NewChunkReader(bytes.NewReader(w.b), wire.Limits{})
		var got []wire.Message
		for {
			m, err := r.ReadMessage()
			if err != nil {
				isErr(t, "end", err, io.EOF)
				break
			}
			got = append(got, m)
		}
		equal(t, "messages", join(got), join(w.want))
		equal(t, "bytes read", r.BytesRead(), int64(len(w.b)))
	})
}

// A chunkPeer writes chunks. It shares no code with the reader, nor with the writer of the package.
type chunkPeer struct {
	b       []byte
	size    int
	streams map[int]*outgoing
	want    []wire.Message // those that are whole
}

// outgoing is a chunk stream of a chunkPeer.
type outgoing struct {
	message wire.Message
	rest    []byte // of a message under way
	busy    bool
	delta   uint32 // the step of time that a header of type 3 repeats
	field   uint32 // what its headers say of the time
}

var peerStreams = []int{3, 63, 64, 319, 320, 65599}

// step does what the script says next and returns the rest of it.
func (w *chunkPeer) step(script []byte) []byte {
	var op [6]byte
	n := copy(op[:], script)
	id := peerStreams[int(op[1])%len(peerStreams)]
	switch o := w.streams[id]; op[0] % 3 {
	case 0:
		size := 1 + int(op[1])
		o := &outgoing{message: wire.Message{Type: wire.TypeSetChunkSize, Body: be32(uint32(size))}, busy: true}
		o.rest = o.message.Body
		for format := byte(0); o.busy; format = 3 {
			w.chunk(2, o, format)
		}
		w.size = size
		return script[min(n, 2):]
	case 1:
		if o == nil || !o.busy {
			w.begin(id, op)
		}
		return script[min(n, 6):]
	default:
		if o != nil && o.busy {
			w.chunk(id, o, 3)
		}
		return script[min(n, 2):]
	}
}

// begin begins a message with the shortest header that says what it is.
func (w *chunkPeer) begin(id int, op [6]byte) {
	o := w.streams[id]
	m := wire.Message{Type: []uint8{wire.TypeAudio, wire.TypeVideo}[op[5]&1], Stream: uint32(op[5]>>4) & 1, Body: bytes.Repeat([]byte{op[4]}, int(op[3]))}
	// Steps small and large, absolute times anywhere.
	step := uint32(op[2])
	if op[5]&2 != 0 {
		step = uint32(op[2]) << (op[4] % 25)
	}
	format := byte(0)
	switch {
	case o == nil:
		o = new(outgoing)
		w.streams[id] = o
	case op[5]&4 != 0 || m.Stream != o.message.Stream:
	case m.Type != o.message.Type || len(m.Body) != len(o.message.Body):
		format = 1
	case step != o.delta:
		format = 2
	default:
		format = 3
	}
	m.Time = o.message.Time + step
	switch format {
	case 0:
		o.delta, o.field = 0, m.Time
	case 1, 2:
		o.delta, o.field = step, step
	}
	o.message, o.rest, o.busy = m, m.Body, true
	w.chunk(id, o, format)
}

// chunk writes the next chunk of a message under way.
func (w *chunkPeer) chunk(id int, o *outgoing, format byte) {
	w.b = append(w.b, basic(format, id)...)
	field := min(o.field, 0xffffff)
	if format < 3 {
		w.b = append(w.b, be24(int(field))...)
	}
	if format < 2 {
		w.b = append(append(w.b, be24(len(o.message.Body))...), o.message.Type)
	}
	if format == 0 {
		w.b = binary.LittleEndian.AppendUint32(w.b, o.message.Stream)
	}
	if field == 0xffffff {
		w.b = append(w.b, be32(o.field)...)
	}
	n := min(len(o.rest), w.size)
	w.b = append(w.b, o.rest[:n]...)
	if o.rest = o.rest[n:]; len(o.rest) == 0 {
		o.busy = false
		w.want = append(w.want, o.message)
	}
}

// finish writes what is left of all messages.
func (w *chunkPeer) finish() {
	for _, id := range peerStreams {
		for o := w.streams[id]; o != nil && o.busy; {
			w.chunk(id, o, 3)
		}
	}
}

// FuzzSplitAggregate splits any body. The messages lie in it one behind the other, and an aggregate made of them is split
// into the same.
func FuzzSplitAggregate(f *testing.F) {
	f.Add(uint32(500), []byte("\x09\x00\x00\x03\x00\x00\x10\x01\x00\x00\x00abc\x00\x00\x00\x0e\x08\x00\x00\x00\x00\x00\x20\x01\x00\x00\x00"))
	f.Add(uint32(0), []byte{9, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, time uint32, b []byte) {
		list, err := wire.SplitAggregate(wire.Message{Type: wire.TypeAggregate, Stream: 1, Time: time, Body: b})
		if err != nil && !errors.Is(err, wire.ErrProtocol) {
			t.Fatal(err)
		}
		total := 0
		var body []byte
		for _, m := range list {
			total += 11 + len(m.Body)
			body = slices.Concat(body, []byte{m.Type}, be24(len(m.Body)), be24(int(m.Time&0xffffff)), []byte{byte(m.Time >> 24), 0, 0, 0}, m.Body, be32(uint32(11+len(m.Body))))
		}
		if total > len(b) {
			t.Fatalf("%d bytes out of %d", total, len(b))
		}
		if len(list) > 0 && list[0].Time != time {
			t.Fatalf("the first message has time %d, not %d", list[0].Time, time)
		}
		second, err := wire.SplitAggregate(wire.Message{Type: wire.TypeAggregate, Stream: 1, Time: time, Body: body})
		isErr(t, "made again", err, nil)
		equal(t, "made again", join(second), join(list))
	})
}

func seedAMF0(f *testing.F) {
	f.Helper()
	for _, s := range []string{
		"\x02\x00\x07connect\x00\x3f\xf0\x00\x00\x00\x00\x00\x00\x03\x00\x03app\x02\x00\x04live\x00\x00\x09",
		"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x02\x00\x08duration\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05width\x00\x40\x50\x00\x00\x00\x00\x00\x00\x00\x00\x09",
		"\x0a\x00\x00\x00\x02\x05\x01\x01\x06\x0d\x0c\x00\x00\x00\x01a\x0f\x00\x00\x00\x01b",
		"\x0b\x40\x14\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x03com\x00\x01a\x05\x00\x00\x09",
		"\x0a\x7f\xff\xff\xff\x05\x05",
		strings.Repeat("\x03\x00\x01a", 20),
	} {
		f.Add([]byte(s))
	}
}

// FuzzAMF0 decodes any bytes. The values are no more, no larger and no deeper than the limits and the bytes let them be;
// smaller limits give the same or an error; and what can be written is the same when it is read again.
func FuzzAMF0(f *testing.F) {
	seedAMF0(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		values, err := wire.DecodeAMF0(b)
		if err != nil {
			isErr(t, "error", err, wire.ErrAMF)
		}
		m := measure(values, 0)
		if m.values > wire.DefaultAMFValues || m.depth > wire.DefaultAMFDepth || m.values+m.bytes > len(b) {
			t.Fatalf("%+v out of %d bytes", m, len(b))
		}
		small := wire.Limits{AMFDepth: 3, AMFValues: 20}
		fewer, smallErr := small.DecodeAMF0(b)
		if (smallErr == nil) != (err == nil && m.depth <= small.AMFDepth && m.values <= small.AMFValues) {
			t.Fatalf("%+v with small limits: %v", m, smallErr)
		}
		equal(t, "what small limits let through", fmt.Sprint(fewer), fmt.Sprint(values[:len(fewer)]))
		if err != nil || slices.ContainsFunc(values, func(v any) bool { return !writable(v) }) {
			return
		}
		out := wire.AppendAMF0(nil, values...)
		// As bytes, since a number that is none equals nothing.
		second, err := wire.DecodeAMF0(out)
		isErr(t, "read again", err, nil)
		equal(t, "written again", string(wire.AppendAMF0(nil, second...)), string(out))
	})
}

// size is what values take.
type size struct{ values, bytes, depth int }

// measure returns how many values there are, those within others too, how many bytes of text, and how deep they are.
func measure(list []any, depth int) (s size) {
	add := func(t size) {
		s.values += t.values
		s.bytes += t.bytes
		s.depth = max(s.depth, t.depth)
	}
	for _, v := range list {
		s.values++
		s.depth = max(s.depth, depth)
		switch v := v.(type) {
		case string:
			s.bytes += len(v)
		case []any:
			add(measure(v, depth+1))
		case wire.Object:
			for _, p := range v {
				s.bytes += len(p.Key)
				add(measure([]any{p.Value}, depth+1))
			}
		}
	}
	return s
}

// writable tells whether a value that was read can be written: strict arrays cannot.
func writable(v any) bool {
	switch v := v.(type) {
	case []any:
		return false
	case wire.Object:
		return !slices.ContainsFunc(v, func(p wire.Property) bool { return !writable(p.Value) })
	}
	return true
}

func FuzzWithoutProperties(f *testing.F) {
	seedAMF0(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		out := wire.WithoutProperties(b, "duration", "a")
		equal(t, "what was given", string(b), string(before))
		if len(out) > len(b) {
			t.Fatalf("%d bytes grew to %d", len(b), len(out))
		}
		equal(t, "a second time", string(wire.WithoutProperties(out, "duration", "a")), string(out))
		if _, err := wire.DecodeAMF0(b); err == nil {
			values, err := wire.DecodeAMF0(out)
			isErr(t, "the rest", err, nil)
			if o, ok := second(values).(wire.Object); ok && (o.Get("duration") != nil || o.Get("a") != nil) {
				t.Fatalf("still there: %v", o)
			}
		}
	})
}

func second(values []any) any {
	if len(values) < 2 {
		return nil
	}
	return values[1]
}
