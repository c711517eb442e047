package hls

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// When the publisher leaves, sessions end at once, the rest may be fetched for as long as it plays, and then it is gone.
func TestEnd(t *testing.T) {
	inBubble(t, func(s *site) {
		p := s.publish(60)
		sleep(9500 * time.Millisecond)
		media := s.enter("")
		leave(p)
		if got := s.told(); got != "play stop" || !errors.Is(s.events[1].Err, live.ErrEnded) {
			s.Errorf("told %s", got)
		}
		m := s.media(media)
		if n := len(m.Segments); n != 5 || m.Segments[4].Duration > 1600*time.Millisecond {
			s.Errorf("%d segments, the last of %v", n, m.Segments[n-1].Duration)
		}
		for i := range 7 {
			sleep(2 * time.Second)
			if ended := s.media(media).Endlist; ended != (i >= 3) { // not before players would have nothing left to play
				s.Errorf("%d s after the end: closed %v", 2*i+2, ended)
			}
			s.ok(folder + m.Segments[4].URI)
		}
		s.status(folder+"index.m3u8", http.StatusNotFound)
		sleep(5 * time.Second)
		s.status(media, http.StatusNotFound)
		if got := s.told(); got != "play stop play stop" { // the last two: who came to the entry waited in vain
			s.Errorf("told %s", got)
		}
		if n := len(s.server.channels); n != 0 {
			s.Errorf("%d channels left", n)
		}
	})
}

// A publisher that comes back goes on in the same playlist, behind a discontinuity, and viewers in the same URLs.
func TestRepublish(t *testing.T) {
	inBubble(t, func(s *site) {
		p := s.publish(60)
		sleep(5 * time.Second)
		media := s.enter("")
		before, seams := numbers(s.media(media))
		leave(p)
		sleep(3 * time.Second)
		p = s.publish(60)
		sleep(4500 * time.Millisecond)
		s.media(media)
		sleep(time.Second)
		m := s.media(media)
		after, now := numbers(m)
		if after != before+1+2 || now != seams+1 {
			s.Errorf("numbers %d, %d became %d, %d", before, seams, after, now)
		}
		if got := s.told(); got != "play stop play" {
			s.Errorf("told %s", got)
		}
		found := 0
		for i, seg := range m.Segments {
			if !seg.Discontinuity {
				continue
			}
			found++
			if gap := seg.DateTime.Sub(*m.Segments[i-1].DateTime); gap < 3*time.Second {
				s.Errorf("dated %v after the segment before", gap)
			}
		}
		if found != 1 {
			s.Errorf("%d discontinuities", found)
		}
		// The discontinuity leaves the playlist, but not its number.
		for range 12 {
			sleep(2 * time.Second)
			m = s.media(media)
			if _, n := numbers(m); n != now {
				s.Fatalf("discontinuity sequence %d, want %d", n, now)
			}
		}
		if *m.DiscontinuitySequence != now || m.Segments[0].Discontinuity {
			s.Errorf("discontinuity sequence %d", *m.DiscontinuitySequence)
		}
		leave(p)
	})
}

// With a reconnect window the stream and its sessions live on, and the seam is a discontinuity all the same.
func TestReconnect(t *testing.T) {
	inBubble(t, func(s *site) {
		s.hub.Activate(&live.Policy{Observer: live.ObserverFunc(s.observe), Rules: func(live.Key) (live.Rules, error) {
			r := live.DefaultRules()
			r.ReconnectWindow = 10 * time.Second
			return r, nil
		}})
		p := s.publish(60)
		sleep(5 * time.Second)
		media := s.enter("")
		_, seams := numbers(s.media(media))
		leave(p)
		sleep(3 * time.Second)
		s.media(media)
		s.publish(60)
		sleep(5 * time.Second)
		m := s.media(media)
		if _, n := numbers(m); n != seams+1 {
			s.Errorf("discontinuity sequence %d, want %d", n, seams+1)
		}
		if got := s.told(); got != "play" {
			s.Errorf("told %s", got)
		}
	})
}

// Nobody asks, nobody works; and who asks later finds higher numbers and other names, within one process and over two.
func TestNumbersNeverFall(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(600)
		sleep(5 * time.Second)
		names := map[string]bool{}
		last, lastSeam := 0, 0
		look := func() {
			m := s.media(s.enter(""))
			n, seam := numbers(m)
			if n <= last || seam < lastSeam {
				s.Errorf("numbers %d, %d became %d, %d", last, lastSeam, n, seam)
			}
			last, lastSeam = n, seam
			for _, seg := range m.Segments {
				name, _, _ := cutQuery(seg.URI)
				if names[name] {
					s.Errorf("%s again", name)
				}
				names[name] = true
			}
		}
		for range 3 {
			look()
			sleep(2 * time.Minute)
			if n := len(s.server.channels); n != 0 {
				s.Errorf("%d channels work for nobody", n)
			}
		}
		s.server.Close()
		s.server = NewServer(s.hub)
		s.handler.Server = s.server
		look()
	})
}

func cutQuery(uri string) (name, query string, ok bool) {
	for i := range uri {
		if uri[i] == '?' {
			return uri[:i], uri[i+1:], true
		}
	}
	return uri, "", false
}

// A server whose clock has not moved since the last segmenter does not repeat its numbers.
func TestFloor(t *testing.T) {
	inBubble(t, func(s *site) {
		now := s.server.seed()
		s.server.raise(now + 100)
		if n := s.server.seed(); n < now+100 {
			s.Errorf("seed %d, want %d at least", n, now+100)
		}
	})
}

// A reload may change window and length at any time; the target duration stays.
func TestReconfigure(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(100)
		sleep(25 * time.Second)
		media := s.enter("")
		if n := len(s.media(media).Segments); n != 5 { // the log holds no more
			s.Errorf("%d segments", n)
		}
		s.config = Config{Window: 4, Segment: 6 * time.Second}
		s.ok(media)
		sleep(4 * time.Second)
		m := s.media(media)
		if len(m.Segments) != 4 || m.TargetDuration != 2 {
			s.Errorf("%d segments, target %d", len(m.Segments), m.TargetDuration)
		}
		s.config.Segment = time.Millisecond // less than the least
		s.ok(media)
		sleep(8 * time.Second)
		if m := s.media(media); m.Segments[3].Duration != time.Second || m.TargetDuration != 2 {
			s.Errorf("segments of %v, target %d", m.Segments[3].Duration, m.TargetDuration)
		}
	})
}

// A stream without picture is cut by time, one without sound by its key frames.
func TestOneKind(t *testing.T) {
	for _, kind := range []live.Kind{live.KindAudio, live.KindVideo} {
		inBubble(t, func(s *site) {
			p := livetest.Publish(s.T, s.hub, livetest.Key)
			for _, f := range livetest.GOPs(9) {
				if f.Kind == kind {
					livetest.Write(s.T, p, f)
				}
			}
			m := s.multivariant(s.ok(folder + "index.m3u8"))
			if len(m.Variants[0].Codecs) != 1 || (m.Variants[0].Resolution != "") != (kind == live.KindVideo) {
				s.Errorf("%s: %+v", kind, m.Variants[0])
			}
			list := s.media(folder + m.Variants[0].URI)
			if len(list.Segments) != 4 || list.TargetDuration != 2 {
				s.Errorf("%s: %d segments, target %d", kind, len(list.Segments), list.TargetDuration)
			}
		})
	}
}

// slowPacker packs no segment before it is let.
type slowPacker struct {
	packer
	let chan struct{}
}

func (p *slowPacker) Begin(setup *live.Setup, frames []*live.Frame, continues bool) {
	<-p.let
	p.packer.Begin(setup, frames, continues)
}

// A segmenter that cannot follow goes on behind a discontinuity.
func TestSkip(t *testing.T) {
	inBubble(t, func(s *site) {
		slow := &slowPacker{packer: transport.newPacker(), let: make(chan struct{})}
		v := *transport
		v.newPacker = func() packer { return slow }
		p := livetest.Publish(s.T, s.hub, livetest.Key)
		c := DefaultConfig()
		g := newSegmenter(newWindow("x", &v, 1, new(seams)), func() Config { return c }, func(*live.Stream) {})
		livetest.Write(s.T, p, livetest.GOPs(1)...)
		g.follow(s.server, p.Stream())
		sleep(0)
		livetest.Write(s.T, p, livetest.Media(1, 3)...) // it stands before the first segment now
		sleep(0)
		livetest.Write(s.T, p, livetest.Media(3, 60)...)
		close(slow.let)
		sleep(0)
		livetest.Write(s.T, p, livetest.Media(60, 64)...)
		sleep(0)
		var seams []int64
		for _, seg := range g.window.segments {
			if seg.seam {
				seams = append(seams, seg.number)
			}
		}
		if len(seams) != 1 || g.window.segments[0].length != 2000 {
			s.Errorf("discontinuities at %v, the first segment of %d ms", seams, g.window.segments[0].length)
		}
	})
}
