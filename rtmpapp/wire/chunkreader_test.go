package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

var (
	audio = byte(wire.TypeAudio)
	video = byte(wire.TypeVideo)
)

// long is a body of n bytes.
func long(n int) string { return strings.Repeat("x", n) }

func TestChunkReader(t *testing.T) {
	const big = 0x01000000 // needs an extended time stamp
	for _, c := range []struct {
		name   string
		chunks [][]byte
		want   string
	}{
		{"all types of header", [][]byte{
			type0(4, 1000, 1, audio, 7, "a"), type1(4, 20, 2, video, "bc"), type2(4, 30, "de"), type3(4, "fg"),
		}, "8/7@1000:a 9/7@1020:bc 9/7@1050:de 9/7@1080:fg"},
		{"type 3 after type 0 has the same time", [][]byte{
			type0(4, 1000, 1, audio, 1, "a"), type3(4, "b"), type3(4, "c"),
		}, "8/1@1000:a 8/1@1000:b 8/1@1000:c"},
		{"type 3 after type 1 repeats the delta", [][]byte{
			type0(4, 1000, 1, audio, 1, "a"), type1(4, 5, 1, audio, "b"), type3(4, "c"), type3(4, "d"),
		}, "8/1@1000:a 8/1@1005:b 8/1@1010:c 8/1@1015:d"},
		{"type 1 begins a chunk stream", [][]byte{type1(4, 5, 1, audio, "a")}, "8/0@5:a"},
		{"type 0 resets the delta", [][]byte{
			type0(4, 0, 1, audio, 1, "a"), type2(4, 40, "b"), type0(4, 100, 1, audio, 1, "c"), type3(4, "d"),
		}, "8/1@0:a 8/1@40:b 8/1@100:c 8/1@100:d"},
		{"time wraps at 2^32", [][]byte{
			type0(4, 0xfffffff0, 1, audio, 1, "a"), type2(4, 0x20, "b"), type2(4, 0xfffffff0, "c"),
		}, "8/1@4294967280:a 8/1@16:b 8/1@0:c"},
		{"a message in many chunks", [][]byte{
			type0(4, 0, 300, video, 1, long(128)), type3(4, long(128)), type3(4, long(44)), type3(4, long(128)), type3(4, long(128)), type3(4, long(44)),
		}, "9/1@0:<300> 9/1@0:<300>"},
		{"interleaved", [][]byte{
			type0(4, 0, 130, audio, 1, long(128)), type0(6, 9, 129, video, 1, long(128)), type0(5, 3, 1, audio, 1, "z"), type3(4, long(2)), type3(6, "x"),
		}, "8/1@3:z 8/1@0:<130> 9/1@9:<129>"},
		{"zero length", [][]byte{
			type0(4, 1, 0, audio, 1, ""), type3(4, ""), type1(4, 1, 1, audio, "a"), type1(4, 1, 0, video, ""),
		}, "8/1@1: 8/1@1: 8/1@2:a 9/1@3:"},

		{"extended time of type 0", [][]byte{type0(4, big, 1, audio, 1, "a")}, "8/1@16777216:a"},
		{"extended time that would just fit", [][]byte{type0(4, 0xffffff, 1, audio, 1, "a")}, "8/1@16777215:a"},
		{"extended delta of types 1 and 2", [][]byte{
			type0(4, 1, 1, audio, 1, "a"), type1(4, big, 1, audio, "b"), type2(4, big, "c"), type2(4, 1, "d"), type3(4, "e"),
		}, "8/1@1:a 8/1@16777217:b 8/1@33554433:c 8/1@33554434:d 8/1@33554435:e"},
		{"extended time on type 3 within a message", [][]byte{
			type0(4, big, 300, video, 1, long(128)), type3x(4, big, long(128)), type3x(4, big, long(44)), type2(4, 1, long(128)), type3(4, long(128)), type3(4, long(44)),
		}, "9/1@16777216:<300> 9/1@16777217:<300>"},
		{"extended time left out on type 3", [][]byte{
			type0(4, big, 300, video, 1, long(128)), type3(4, long(128)), type3(4, long(44)), type0(4, big+1, 300, video, 1, long(128)), type3(4, long(128)), type3(4, long(44)),
		}, "9/1@16777216:<300> 9/1@16777217:<300>"},
		{"extended time on type 3 with less than 4 bytes to come", [][]byte{
			type0(4, big, 130, video, 1, long(128)), type3x(4, big, "xx"), type0(4, 5, 1, video, 1, "a"),
		}, "9/1@16777216:<130> 9/1@5:a"},
		{"extended time left out with less than 4 bytes to come", [][]byte{
			type0(4, big, 140, video, 1, long(128)), type3(4, long(12)), type0(4, big, 130, video, 1, long(128)), type3(4, "xx"), type0(4, 5, 1, video, 1, "a"),
		}, "9/1@16777216:<140> 9/1@16777216:<130> 9/1@5:a"},
		{"extended time on type 3 that begins a message", [][]byte{
			type0(4, big, 8, video, 1, "12345678"), type3x(4, big, "87654321"), type2(4, big, "12345678"), type3x(4, big, "abcdefgh"),
		}, "9/1@16777216:12345678 9/1@16777216:87654321 9/1@33554432:12345678 9/1@50331648:abcdefgh"},
		{"extended time left out on type 3 that begins a message", [][]byte{
			type0(4, big, 8, video, 1, "12345678"), type3(4, "87654321"),
		}, "9/1@16777216:12345678 9/1@16777216:87654321"},
		{"extended time of a message without bytes", [][]byte{
			type0(4, big, 0, video, 1, ""), type3x(4, big, ""), type0(4, 1, 1, audio, 1, "a"),
		}, "9/1@16777216: 9/1@16777216: 8/1@1:a"},

		{"abort", [][]byte{
			type0(4, 0, 200, audio, 1, long(128)), abort(4), type0(4, 7, 1, audio, 1, "a"), abort(4), abort(99), type3(4, "b"),
		}, "8/1@7:a 8/1@7:b"},
		{"after an abort type 3 begins anew", [][]byte{
			type0(4, 0, 129, audio, 1, long(128)), abort(4), type3(4, long(128)), type3(4, "x"),
		}, "8/1@0:<129>"},
		{"a header within a message gives it up", [][]byte{
			type0(4, 0, 200, audio, 1, long(128)), type0(4, 7, 1, video, 1, "a"),
		}, "9/1@7:a"},
		{"a larger chunk size", [][]byte{
			setChunkSize(1000), type0(4, 0, 1500, video, 1, long(1000)), type3(4, long(500)),
		}, "9/1@0:<1500>"},
		{"chunk size of 1", [][]byte{setChunkSize(1), type0(4, 0, 2, video, 1, "a"), type3(4, "b")}, "9/1@0:ab"},
		{"a chunk size within a message", [][]byte{
			type0(4, 0, 1000, video, 1, long(128)), setChunkSize(872), type3(4, long(872)),
		}, "9/1@0:<1000>"},
		{"the largest chunk size", [][]byte{setChunkSize(0x7fffffff), type0(4, 0, 70_000, video, 1, long(70_000))}, "9/1@0:<70000>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := slices.Concat(c.chunks...)
			got, err := read(b, wire.Limits{})
			equal(t, "messages", got, c.want)
			isErr(t, "end", err, io.EOF)
			truncate(t, b)
		})
	}
}

// truncate reads b cut at every byte, or at many if it is long: io.EOF is for the cuts between messages alone.
func truncate(t *testing.T, b []byte) {
	t.Helper()
	clean := map[int64]bool{0: true}
	r := wire.NewChunkReader(bytes.NewReader(b), wire.Limits{})
	open := map[string]bool{}
	for {
		m, err := r.ReadMessage()
		if err != nil {
			break
		}
		clean[r.BytesRead()] = true
		open[describe(m)] = true
	}
	for n := 0; n < len(b); n += 1 + len(b)/5000 {
		_, err := read(b[:n], wire.Limits{})
		switch {
		case err == io.EOF: //nolint:errorlint // only the bare value means a clean end
			if !clean[int64(n)] {
				t.Fatalf("cut at byte %d of %d: a clean end", n, len(b))
			}
		case !errors.Is(err, io.ErrUnexpectedEOF):
			t.Fatalf("cut at byte %d of %d: %v", n, len(b), err)
		}
	}
}

func TestChunkStreamIDs(t *testing.T) {
	for _, id := range []int{2, 3, 63, 64, 65, 319, 320, 1000, 65598, 65599} {
		b := slices.Concat(type0(id, 5, 130, video, 1, long(128)), type3(id, "ab"), type3(id, long(128)), type3(id, "ab"))
		got, err := read(b, wire.Limits{})
		equal(t, fmt.Sprint("id ", id), got, "9/1@5:<130> 9/1@5:<130>")
		isErr(t, "end", err, io.EOF)
	}
	// Ids from 64 to 319 may come in the long form too.
	b := slices.Concat(type0(100, 5, 1, video, 1, "a"), []byte{3<<6 | 1, 100 - 64, 0, 'b'})
	got, _ := read(b, wire.Limits{})
	equal(t, "two forms of one id", got, "9/1@5:a 9/1@5:b")
}

func TestChunkReaderRefuses(t *testing.T) {
	streams := func(n int) []byte {
		var b []byte
		for id := range n {
			b = append(b, type0(3+id, 0, 1, audio, 1, "a")...)
		}
		return b
	}
	// Media messages of 60 KiB each, all but their last chunk.
	unfinished := func(n int) []byte {
		b := setChunkSize(60 << 10)
		for id := range n {
			b = append(b, type0(3+id, 0, 61<<10, video, 1, long(60<<10))...)
		}
		return b
	}
	for _, c := range []struct {
		name   string
		limits wire.Limits
		b      []byte
		good   string // what is read before
		ok     bool
	}{
		{"type 2 first", wire.Limits{}, type2(4, 0, "a"), "", false},
		{"type 3 first", wire.Limits{}, type3(4, "a"), "", false},
		{"chunk size 0", wire.Limits{}, setChunkSize(0), "", false},
		{"chunk size of 32 bits", wire.Limits{}, setChunkSize(0x80000000), "", false},
		{"chunk size cut", wire.Limits{}, type0(2, 0, 3, wire.TypeSetChunkSize, 0, "\x00\x00\x01"), "", false},
		{"abort without id", wire.Limits{}, type0(2, 0, 0, wire.TypeAbort, 0, ""), "", false},
		{"a command of 64 KiB", wire.Limits{}, slices.Concat(setChunkSize(1<<20), type0(3, 0, 64<<10, wire.TypeCommandAMF0, 0, long(64<<10))), "20/0@0:<65536>", true},
		{"a longer command", wire.Limits{}, type0(3, 0, 64<<10+1, wire.TypeCommandAMF0, 0, long(128)), "", false},
		{"an unknown type as long", wire.Limits{}, type0(3, 0, 64<<10+1, 99, 0, long(128)), "", false},
		{"longer data", wire.Limits{}, type0(3, 0, 64<<10+1, wire.TypeDataAMF0, 0, long(128)), "", false},
		{"video of 64 KiB and one", wire.Limits{}, slices.Concat(setChunkSize(1<<20), type0(3, 0, 64<<10+1, video, 0, long(64<<10+1))), "9/0@0:<65537>", true},
		{"video of more than 4 MiB", wire.Limits{}, type0(3, 0, 4<<20+1, video, 0, long(128)), "", false},
		{"audio of more than 4 MiB", wire.Limits{}, type0(3, 0, 4<<20+1, audio, 0, long(128)), "", false},
		{"aggregate of more than 4 MiB", wire.Limits{}, type0(3, 0, 4<<20+1, wire.TypeAggregate, 0, long(128)), "", false},
		{"a command beyond a small limit", wire.Limits{Command: 10}, type0(3, 0, 11, wire.TypeCommandAMF0, 0, long(11)), "", false},
		{"video beyond a small limit", wire.Limits{Media: 10}, type0(3, 0, 11, video, 0, long(11)), "", false},
		{"64 chunk streams", wire.Limits{}, streams(64), strings.TrimSpace(strings.Repeat("8/1@0:a ", 64)), true},
		{"65 chunk streams", wire.Limits{}, streams(65), strings.TrimSpace(strings.Repeat("8/1@0:a ", 64)), false},
		{"a limit of chunk streams", wire.Limits{ChunkStreams: 1}, streams(2), "8/1@0:a", false},
		{"too many unfinished bytes", wire.Limits{Media: 120 << 10}, unfinished(3), "", false},
		{"as many unfinished bytes as may be", wire.Limits{Media: 120 << 10}, unfinished(2), "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := read(c.b, c.limits)
			equal(t, "before", got, c.good)
			if c.ok == errors.Is(err, wire.ErrProtocol) {
				t.Errorf("the end: %v", err)
			}
		})
	}
}

func TestChunkReaderSetLimits(t *testing.T) {
	b := slices.Concat(setChunkSize(1<<20), type0(3, 0, 20, video, 0, long(20)), type3(3, long(20)))
	r := wire.NewChunkReader(bytes.NewReader(b), wire.Limits{})
	if _, err := r.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	equal(t, "bytes read", r.BytesRead(), 16+12+20)
	r.SetLimits(wire.Limits{Media: 10})
	_, err := r.ReadMessage()
	isErr(t, "type 3 of a message beyond the new limit", err, wire.ErrProtocol)
}

// Sound and pictures that nobody wants are passed over, with the messages between them.
func TestChunkReaderDropsMedia(t *testing.T) {
	b := slices.Concat(type0(6, 5, 300, video, 1, long(128)), type0(3, 0, 1, wire.TypeCommandAMF0, 0, "a"), type3(6, long(128)), type3(6, long(44)),
		type0(6, 0x01000000, 200, audio, 1, long(128)), abort(6), type3x(6, 0x01000000, long(128)), type3x(6, 0x01000000, long(72)), type1(6, 1, 1, audio, "b"))
	limits := wire.Limits{DropMedia: true, Media: 1000}
	got, err := read(b, limits)
	equal(t, "messages", got, "20/0@0:a 9/1@5: 8/1@16777216: 8/1@16777217:")
	isErr(t, "end", err, io.EOF)

	// As it began, so it ends.
	r := wire.NewChunkReader(bytes.NewReader(slices.Concat(b, type1(6, 1, 300, video, long(128)), type3x(6, 1, ""))), limits)
	for range 2 {
		m, err := r.ReadMessage()
		isErr(t, "read", err, nil)
		if m.Type == wire.TypeCommandAMF0 {
			r.SetLimits(wire.Limits{})
			continue
		}
		equal(t, "begun before", len(m.Body), 0)
	}
	for range 2 {
		_, err := r.ReadMessage()
		isErr(t, "read", err, nil)
	}
	m, err := r.ReadMessage()
	isErr(t, "read", err, nil)
	equal(t, "begun after", describe(m), "8/1@16777217:b")

	_, err = read(slices.Repeat(type0(6, 0, 100, video, 1, long(100)), 11), limits)
	isErr(t, "too many in all", err, wire.ErrProtocol)
	limits.Command = 100
	_, err = read(slices.Concat(type0(3, 0, 10, 99, 0, long(10)), slices.Concat(type0(4, 0, 100, 99, 0, long(100))), type0(5, 0, 101, 99, 0, "")), limits)
	isErr(t, "a command", err, wire.ErrProtocol)
}

// A stranger's unfinished messages are little, however many chunk streams they come on.
func TestChunkReaderOfStrangers(t *testing.T) {
	b := setChunkSize(60 << 10)
	for id := range 60 {
		b = append(b, type0(3+id, 0, 64<<10, wire.TypeCommandAMF0, 1, "")...)
		b = append(b, long(60<<10)...)
	}
	r := wire.NewChunkReader(bytes.NewReader(b), wire.Limits{DropMedia: true})
	var err error
	if n := allocated(t, func() { _, err = r.ReadMessage(); _, err = r.ReadMessage() }); n > 1<<20 {
		t.Errorf("it took %d bytes", n)
	}
	isErr(t, "end", err, wire.ErrProtocol)
	if r.BytesRead() > 300<<10 {
		t.Errorf("%d bytes were read", r.BytesRead())
	}
}

// A peer that only declares lengths costs us little.
func TestChunkReaderAllocatesWhatComes(t *testing.T) {
	b := slices.Concat(setChunkSize(0xffffff), type0(3, 0, 4<<20, video, 1, "x"))
	if n := allocated(t, func() { _, _ = read(b, wire.Limits{}) }); n > 256<<10 {
		t.Errorf("one declared message of 4 MiB made us allocate %d bytes", n)
	}
	many := setChunkSize(1)
	for range 1000 {
		many = append(many, type0(3, 0, 64<<10, video, 1, "x")...)
	}
	if n := allocated(t, func() { _, _ = read(many, wire.Limits{}) }); n > 256<<10 {
		t.Errorf("1000 messages that were given up made us allocate %d bytes", n)
	}
}

func allocated(t *testing.T, f func()) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestAggregate(t *testing.T) {
	tag := func(msgType byte, time uint32, body string) []byte {
		return slices.Concat([]byte{msgType}, be24(len(body)), be24(int(time&0xffffff)), []byte{byte(time >> 24), 0, 0, 0}, []byte(body), be32(uint32(11+len(body))))
	}
	body := slices.Concat(tag(video, 0x01000010, "abc"), tag(audio, 0x01000020, ""), tag(video, 0x01000008, "d"))
	m := wire.Message{Type: wire.TypeAggregate, Stream: 3, Time: 500, Body: body}
	join := func(list []wire.Message) string {
		var s []string
		for _, m := range list {
			s = append(s, describe(m))
		}
		return strings.Join(s, " ")
	}
	list, err := wire.SplitAggregate(m)
	isErr(t, "whole", err, nil)
	whole := join(list)
	equal(t, "whole", whole, "9/3@500:abc 8/3@516: 9/3@492:d")

	m.Body = body[:len(body)-4]
	list, err = wire.SplitAggregate(m)
	isErr(t, "without the last size", err, nil)
	equal(t, "without the last size", len(list), 3)

	m.Body = nil
	list, err = wire.SplitAggregate(m)
	isErr(t, "empty", err, nil)
	equal(t, "empty", len(list), 0)

	for n := range len(body) {
		m.Body = body[:n]
		list, err := wire.SplitAggregate(m)
		if err != nil {
			isErr(t, "cut", err, wire.ErrProtocol)
		}
		equal(t, fmt.Sprint("cut at ", n), strings.HasPrefix(whole, join(list)), true)
	}
}

// What AppendMessage writes is what ChunkReader reads, and no longer than ChunkedSize says.
func TestAppendMessage(t *testing.T) {
	for _, size := range []int{1, 10, 128, wire.WriteChunkSize} {
		for _, n := range []int{0, 1, 2, 127, 128, 129, 255, 256, 1000, 60_000, 60_001, 130_000} {
			for _, time := range []uint32{0, 0xfffffe, 0xffffff, 0x1000000, 0xffffffff} {
				if size < 128 && n > 1000 {
					continue
				}
				b := setChunkSize(uint32(size))
				control := len(b)
				m := wire.Message{Type: video, Stream: 5, Time: time, Body: []byte(long(n))}
				b = wire.AppendMessage(b, wire.ChunkVideo, m, size)
				if got, bound := len(b)-control, wire.ChunkedSize(n, size); got > bound {
					t.Errorf("%d bytes in chunks of %d take %d, not up to %d", n, size, got, bound)
				}
				b = wire.AppendMessage(b, wire.ChunkVideo, wire.Message{Type: audio, Body: []byte("end")}, size)
				got, err := read(b, wire.Limits{})
				isErr(t, "end", err, io.EOF)
				equal(t, fmt.Sprintf("%d bytes at %d in chunks of %d", n, time, size), got, describe(m)+" 8/0@0:end")
			}
		}
	}
}

func BenchmarkChunkReader(b *testing.B) {
	for _, n := range []int{300, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			message := wire.AppendMessage(nil, wire.ChunkVideo, wire.Message{Type: video, Body: make([]byte, n)}, 4096)
			r := wire.NewChunkReader(io.MultiReader(bytes.NewReader(setChunkSize(4096)), &repeat{b: message}), wire.Limits{})
			if _, err := r.ReadMessage(); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.ReadMessage(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// repeat reads b over and over.
type repeat struct {
	b   []byte
	pos int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.b[r.pos:])
	r.pos = (r.pos + n) % len(r.b)
	return n, nil
}

func BenchmarkAppendMessage(b *testing.B) {
	m := wire.Message{Type: video, Body: make([]byte, 20_000)}
	b.SetBytes(int64(len(m.Body)))
	b.ReportAllocs()
	for b.Loop() {
		out := make([]byte, 0, wire.ChunkedSize(len(m.Body), wire.WriteChunkSize))
		out = wire.AppendMessage(out, wire.ChunkVideo, m, wire.WriteChunkSize)
		if len(out) < len(m.Body) {
			b.Fatal("too short")
		}
	}
}
