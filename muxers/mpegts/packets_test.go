package mpegts_test

import (
	"bytes"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec/codectest"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/mpegts"
)

// Tags as a publisher sends them: AVC with unit lengths of 4 bytes, AAC of 44100 Hz and two channels, MP3.
var (
	avcConfig = "\x17\x00\x00\x00\x00\x01\x42\xc0\x28\xff\xe1\x00\x04\x67\x42\xc0\x28\x01\x00\x02\x68\xeb"
	aacConfig = "\xaf\x00\x12\x10"
	keyHead   = "\x17\x01\x00\x00\x00"
	interHead = "\x27\x01\x00\x00\x00"
)

func tag(t testing.TB, k live.Kind, time uint32, body string) *live.Frame {
	t.Helper()
	f, err := live.ParseTag(k, time, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func unit(kind byte, n int) string {
	return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), kind}) + string(bytes.Repeat([]byte{0xaa}, n-1))
}

// Every size of a frame gives whole packets that hold it exactly: all cases of stuffing.
func TestStuffing(t *testing.T) {
	tags := []*live.Frame{tag(t, live.KindVideo, 0, avcConfig)}
	for n := 1; n <= 420; n++ {
		tags = append(tags, tag(t, live.KindVideo, uint32(n*40), keyHead+unit(0x65, n)))
	}
	frames := codectest.Read(t, tags)
	checkContinuity(t, mux(t, frames))
	sizes := map[int]bool{}
	for _, es := range payloads(t, mux(t, frames), 0x100) {
		sizes[len(es)] = true
	}
	const extra = 6 + 4 + 4 + 4 + 4 + 2 // delimiter, start codes and parameter sets
	for _, f := range frames {
		if n := len(f.Payload()) - 4; !f.Config && !sizes[n+extra] {
			t.Errorf("no frame of %d bytes", n+extra)
		}
	}
}

// payloads returns the PES packets of a track without their headers.
func payloads(t *testing.T, b []byte, pid int) (list [][]byte) {
	t.Helper()
	for ; len(b) > 0; b = b[188:] {
		p := b[4:188]
		if int(b[1]&0x1f)<<8|int(b[2]) != pid {
			continue
		}
		if b[3]&0x20 != 0 {
			p = p[1+int(p[0]):]
		}
		if b[1]&0x40 != 0 {
			list = append(list, nil)
			p = p[9+int(p[8]):]
		}
		list[len(list)-1] = append(list[len(list)-1], p...)
	}
	return list
}

// A key frame brings delimiter and parameter sets; delimiters of the source are left out.
func TestKeyFrame(t *testing.T) {
	frames := codectest.Read(t, []*live.Frame{
		tag(t, live.KindVideo, 0, avcConfig),
		tag(t, live.KindVideo, 0, keyHead+"\x00\x00\x00\x02\x09\x10"+"\x00\x00\x00\x02\x65\x01"),
		tag(t, live.KindVideo, 40, interHead+"\x00\x00\x00\x02\x41\x02"),
		tag(t, live.KindVideo, 80, "\x27\x02\x00\x00\x00"),
		tag(t, live.KindVideo, 80, interHead+"\x00\x00\xff\xff\x41\x02"),
	})
	got := payloads(t, mux(t, frames), 0x100)
	want := []string{
		"\x00\x00\x00\x01\x09\xf0" + "\x00\x00\x00\x01\x67\x42\xc0\x28" + "\x00\x00\x00\x01\x68\xeb" + "\x00\x00\x00\x01\x65\x01",
		"\x00\x00\x00\x01\x09\xf0" + "\x00\x00\x00\x01\x41\x02",
	}
	if len(got) != len(want) || string(got[0]) != want[0] || string(got[1]) != want[1] {
		t.Errorf("got %x", got)
	}
}

// A viewer may begin at any key frame, or at any moment of a stream without picture, and needs nothing before it.
func TestBeginAnywhere(t *testing.T) {
	m := new(mpegts.Muxer)
	for _, f := range codectest.Read(t, codectest.Film{Seconds: 2, GOP: 25}.Frames(t)) {
		b := m.AppendFrame(nil, f)
		if f.Kind == live.KindVideo && f.Key && !f.Config && !isTable(b, 0, 0) {
			t.Errorf("no tables before the key frame at %d", f.Time)
		}
	}
	m = new(mpegts.Muxer)
	last := int64(0)
	for _, f := range codectest.Read(t, codectest.Film{Seconds: 2, Video: "none"}.Frames(t)) {
		b := m.AppendFrame(nil, f)
		if len(b) > 0 && isTable(b, 0, 0) {
			last = f.Time
		}
		if f.Time-last >= 250 {
			t.Errorf("no tables from %d to %d", last, f.Time)
		}
	}
	if m.Header(nil, nil, 0) != nil {
		t.Error("there is a header")
	}
}

// isTable tells whether b begins with a PAT and a PMT of a version that lists n tracks, or any if n is 0.
func isTable(b []byte, version byte, n int) bool {
	if len(b) < 376 || b[1] != 0x40 || b[2] != 0 || b[188+1] != 0x50 || b[188+2] != 0 {
		return false
	}
	return n == 0 || b[188+10]>>1&0x1f == version && int(b[188+7]) == 13+5*n
}

// The tables follow the tracks: a new one makes a new version, a new configuration of the same codec does not.
func TestTablesFollow(t *testing.T) {
	frames := codectest.Read(t, []*live.Frame{
		tag(t, live.KindAudio, 0, aacConfig),
		tag(t, live.KindAudio, 0, "\xaf\x01abc"),
		tag(t, live.KindVideo, 20, avcConfig),
		tag(t, live.KindVideo, 20, interHead+unit(0x41, 20)),
		tag(t, live.KindVideo, 40, avcConfig+"\x00"),
		tag(t, live.KindVideo, 40, interHead+unit(0x41, 20)),
		tag(t, live.KindAudio, 60, "\x2f\xff\xfb\x90"),
		tag(t, live.KindVideo, 80, interHead+unit(0x41, 20)),
	})
	m := new(mpegts.Muxer)
	var got [][]byte
	for _, f := range frames {
		if b := m.AppendFrame(nil, f); len(b) > 0 {
			got = append(got, b)
		}
	}
	want := []struct{ version, tracks int }{{0, 1}, {1, 2}, {-1, 0}, {2, 2}, {-1, 0}}
	if len(got) != len(want) {
		t.Fatalf("%d frames", len(got))
	}
	for i, w := range want {
		if w.version < 0 && isTable(got[i], 0, 0) || w.version >= 0 && !isTable(got[i], byte(w.version), w.tracks) {
			t.Errorf("frame %d: want version %d of %d tracks: %x", i, w.version, w.tracks, got[i][:min(len(got[i]), 220)])
		}
	}
}

// Begin gives a whole segment the tracks of its end.
func TestBegin(t *testing.T) {
	frames := codectest.Read(t, []*live.Frame{
		tag(t, live.KindVideo, 0, avcConfig),
		tag(t, live.KindVideo, 0, keyHead+unit(0x65, 20)),
		tag(t, live.KindAudio, 5, aacConfig),
		tag(t, live.KindAudio, 5, "\xaf\x01abc"),
	})
	m := new(mpegts.Muxer)
	m.Begin(frames[len(frames)-1].Setup())
	var b []byte
	for _, f := range frames {
		b = m.Append(b, f)
	}
	if !isTable(b, 0, 2) || len(payloads(t, b, 0x101)) != 1 {
		t.Errorf("got %x", b)
	}
}

// stamps returns the clock reference of a picture that comes with the tables, and its times of presentation and decoding.
func stamps(b []byte) (pcr, pts, dts int64) {
	stamp := func(p []byte) int64 {
		return int64(p[0]>>1&7)<<30 | int64(p[1])<<22 | int64(p[2]>>1)<<15 | int64(p[3])<<7 | int64(p[4]>>1)
	}
	b = b[376:]
	pcr = int64(b[6])<<25 | int64(b[7])<<17 | int64(b[8])<<9 | int64(b[9])<<1 | int64(b[10])>>7
	p := b[4+1+int(b[4]):]
	pts = stamp(p[9:])
	if p[7]&0x40 == 0 {
		return pcr, pts, pts
	}
	return pcr, pts, stamp(p[14:])
}

// The time stamps wrap at 33 bits, and the clock before them.
func TestWrap(t *testing.T) {
	m := new(mpegts.Muxer)
	frames := codectest.Read(t, []*live.Frame{tag(t, live.KindVideo, 0, avcConfig), tag(t, live.KindVideo, 0, keyHead+unit(0x65, 20))})
	f := *frames[1]
	f.Time = 1<<33/90 - 1400 + 100 // just behind the wrap
	pcr, pts, _ := stamps(m.AppendFrame(nil, &f))
	if want := (f.Time + 1400) * 90 % (1 << 33); pts != want || pts > 9000 {
		t.Errorf("pts %d, want %d", pts, want)
	}
	if want := (f.Time + 1100) * 90; pcr != want {
		t.Errorf("pcr %d, want %d", pcr, want)
	}
}

// Nanoseconds make all time stamps finer, to the nearest tick. Pictures of 30 Hz come exactly so.
func TestNano(t *testing.T) {
	frames := codectest.Read(t, []*live.Frame{tag(t, live.KindVideo, 0, avcConfig), tag(t, live.KindVideo, 0, keyHead+unit(0x65, 20))})
	for _, c := range []struct {
		time  int64
		nano  uint32
		ticks int64
	}{
		{0, 0, 0}, {0, 5_555, 0}, {0, 5_556, 1}, {0, 999_999, 90}, {33, 333_333, 3000}, {66, 666_666, 6000}, {100, 0, 9000},
	} {
		f := *frames[1]
		f.Time, f.Nano, f.Offset = c.time, c.nano, 20
		pcr, pts, dts := stamps(new(mpegts.Muxer).AppendFrame(nil, &f))
		if want := c.ticks + 1400*90; dts != want || pts != want+20*90 || pcr != want-300*90 {
			t.Errorf("%d ms and %d ns: dts %d, pts %d, pcr %d, want dts %d", c.time, c.nano, dts, pts, pcr, want)
		}
	}
}

// What cannot be carried leaves nothing behind.
func TestLeftOut(t *testing.T) {
	for name, tags := range map[string][]*live.Frame{
		"picture without configuration": {tag(t, live.KindVideo, 0, keyHead+unit(0x65, 20))},
		"sound without configuration":   {tag(t, live.KindAudio, 0, "\xaf\x01abc")},
		"broken configuration":          {tag(t, live.KindAudio, 0, "\xaf\x00\xff"), tag(t, live.KindAudio, 0, "\xaf\x01abc")},
		"another codec":                 {tag(t, live.KindAudio, 0, "\x90OpusHead"), tag(t, live.KindAudio, 0, "\x91Opusabc")},
		"data":                          {tag(t, live.KindAudio, 0, aacConfig), tag(t, live.KindData, 0, "\x02\x00\x01x")},
		"sound too long":                {tag(t, live.KindAudio, 0, aacConfig), tag(t, live.KindAudio, 0, "\xaf\x01"+string(make([]byte, 8200)))},
		"sound of no length":            {tag(t, live.KindAudio, 0, aacConfig), tag(t, live.KindAudio, 0, "\xaf\x01")},
	} {
		if b := mux(t, codectest.Read(t, tags)); len(b) > 0 {
			t.Errorf("%s: %d bytes", name, len(b))
		}
	}
}

func FuzzMuxer(f *testing.F) {
	f.Add([]byte(avcConfig), []byte(keyHead+"\x00\x00\x00\x02\x65\x01"), []byte(aacConfig), []byte("\xaf\x01abc"))
	f.Add([]byte("\x90hvc1"), []byte("\x91hvc1"), []byte("\x2fabc"), []byte("\x2fabc"))
	f.Fuzz(func(t *testing.T, a, b, c, d []byte) {
		const v, s = live.KindVideo, live.KindAudio
		kinds := []live.Kind{v, v, s, s, v, s}
		var tags []*live.Frame
		for i, body := range [][]byte{a, b, c, d, b, d} {
			if f, err := live.ParseTag(kinds[i], uint32(i*20), body); err == nil {
				tags = append(tags, f)
			}
		}
		checkContinuity(t, mux(t, codectest.Read(t, tags)))
	})
}

func BenchmarkAppendFrame(b *testing.B) {
	frames := codectest.Read(b, codectest.Film{Seconds: 4}.Frames(b))
	m := new(mpegts.Muxer)
	buf := mux(b, frames)
	size := 0
	for _, f := range frames {
		size += len(f.Body)
	}
	b.SetBytes(int64(size / len(frames)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f := frames[i%len(frames)]
		_ = m.Size(f)
		buf = m.AppendFrame(buf[:0], f)
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	frames := codectest.Read(t, codectest.Film{Seconds: 2}.Frames(t))
	m := new(mpegts.Muxer)
	buf := mux(t, frames)
	for _, f := range frames { // the setups are taken over
		buf = m.AppendFrame(buf[:0], f)
	}
	n := testing.AllocsPerRun(10, func() {
		for _, f := range frames[10:] {
			_ = m.Size(f)
			buf = m.AppendFrame(buf[:0], f)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
