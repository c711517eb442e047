package e2e

import (
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

// The clock in a picture: bits of the time in milliseconds and eight of their sum, as white and black blocks in rows.
const (
	clockColumns = 8
	clockRows    = 5 // four bytes and their sum
)

// clockPicture draws a time as a gray picture.
func clockPicture(at time.Time, picture []byte) {
	ms := uint32(at.UnixMilli())
	rows := [clockRows]byte{byte(ms >> 24), byte(ms >> 16), byte(ms >> 8), byte(ms)}
	rows[clockRows-1] = rows[0] + rows[1] + rows[2] + rows[3]
	for y := range height {
		bits := rows[y*clockRows/height]
		for x := range width {
			picture[y*width+x] = 16
			if bits<<(x*clockColumns/width)&0x80 != 0 {
				picture[y*width+x] = 235
			}
		}
	}
}

// publishClock lets ffmpeg publish pictures of the time at which each was made, with a sound, as an encoder with little delay
// does. A page that plays them tells how old they are when they are shown.
func (s *server) publishClock(name string) *process {
	s.t.Helper()
	args := "-v error -use_wallclock_as_timestamps 1 -f rawvideo -pix_fmt gray -s 640x360 -r 30 -i pipe:0" +
		" -re -f lavfi -i sine=f=440:r=44100 -map 0:v -map 1:a -fps_mode passthrough -pix_fmt yuv420p" +
		" -c:v libx264 -preset ultrafast -tune zerolatency -g 30 -b:v 500k -c:a aac -ac 2 -b:a 64k -flush_packets 1 -f flv "
	cmd := exec.Command("ffmpeg", append(strings.Fields(args), s.url("rtmp", "/live/"+name))...)
	pictures, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	p := startCommand(s.t, cmd, nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		drawClock(pictures, p.done)
	}()
	s.t.Cleanup(func() { p.stop(s.t); <-ended })
	s.awaitStream(name)
	return p
}

// drawClock writes pictures in time until nobody reads them.
func drawClock(w io.WriteCloser, done <-chan struct{}) {
	defer w.Close()
	tick := time.NewTicker(time.Second / pictureRate)
	defer tick.Stop()
	picture := make([]byte, width*height)
	for {
		select {
		case now := <-tick.C:
			clockPicture(now, picture)
			if _, err := w.Write(picture); err != nil {
				return
			}
		case <-done:
			return
		}
	}
}

// latency returns how old the pictures are that a page shows: the median of five, over some seconds.
func (c *cinema) latency() time.Duration {
	c.t.Helper()
	var ages []float64
	for range 5 {
		eventually(c.t, c.name+" shows the clock", func() error {
			var age float64
			err := c.ask("age()", &age)
			if err == nil {
				ages = append(ages, age)
			}
			return err
		})
		plays(c.t, 0.5, c)
	}
	slices.Sort(ages)
	c.t.Logf("%s: the pictures are %v ms old when they are shown", c.name, ages)
	return time.Duration(ages[2] * float64(time.Millisecond))
}

// TestLatency measures from glass to glass: from the time that is drawn into a picture to when the page shows it, through encoder
// and player.
func TestLatency(t *testing.T) {
	t.Parallel()
	s := serveBrowser(t, in("app live", "\t\t\tlatency low"))
	s.publishClock("test")
	for _, c := range []struct {
		kind, address string
		options       map[string]any
		limit         time.Duration
	}{
		// mpegts.js catches up from 1.5 s on, if it is told to.
		{"flv", s.url("https", "/live/test.flv"), map[string]any{"liveBufferLatencyChasing": true}, 5 * time.Second},
		{"flv", s.url("wss", "/live/test.flv"), map[string]any{"liveBufferLatencyChasing": true}, 5 * time.Second},
		{"mpegts", s.url("https", "/live/test.ts"), map[string]any{"liveBufferLatencyChasing": true}, 5 * time.Second},
		// hls.js stays three target durations behind the end of the playlist, and has the segments to wait for.
		{"hls", s.url("https", "/live/test.m3u8"), nil, 20 * time.Second},
		// In parts (LL-HLS) it stays as far behind as the playlist asks for.
		{"hls", s.url("https", "/live/test/index.m3u8"), nil, 3 * time.Second},
	} {
		t.Run(c.address[:strings.IndexByte(c.address, ':')]+" "+path.Base(c.address), func(t *testing.T) {
			page := show(t, c.kind, c.address, c.options)
			plays(t, 2, page)
			if age := page.latency(); age > c.limit {
				t.Errorf("%s is %s behind", c.address, age)
			}
		})
	}
}
