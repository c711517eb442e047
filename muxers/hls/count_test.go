package hls

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A player that opens the entry playlist once more is a new viewer, and the one that it was counts no longer from one and a
// half target durations on. It ends when its time is over, once.
func TestAbandoned(t *testing.T) {
	inBubble(t, func(s *site) {
		s.publish(60)
		sleep(5 * time.Second)
		first := s.enter("")
		s.media(first)
		second := s.enter("")
		count := func(want int) {
			s.Helper()
			stream, _ := s.hub.Stream(s.hub.Resolve(live.Key{App: "live", Name: "demo"}))
			if n := len(s.viewers()); n != want || stream.Info().Sessions != want+1 {
				s.Errorf("%d viewers in the list, %d of the stream, want %d", n, stream.Info().Sessions-1, want)
			}
		}
		count(2)
		for i := range 8 {
			sleep(time.Second)
			s.media(second)
			if want := 1; i < 3 {
				count(want + 1)
			} else {
				count(want)
			}
		}
		if got := s.told(); got != "play play" {
			s.Errorf("told %s before the time is over", got)
		}
		sleep(time.Second)
		if got := s.told(); got != "play play stop" {
			s.Errorf("told %s", got)
		}
		count(1)
	})
}

// A viewer that stalls counts again as soon as it is back, at the same URLs and with the same session.
func TestStall(t *testing.T) {
	for _, kind := range []Sessions{SessionsOn, SessionsCache} {
		inBubble(t, func(s *site) {
			s.config.Sessions = kind
			s.publish(60)
			sleep(5 * time.Second)
			media := s.enter("")
			id := s.viewers()[0].ID
			for range 3 {
				sleep(6 * time.Second)
				if n := len(s.viewers()); n != 0 {
					s.Errorf("%d viewers", n)
				}
				s.media(media)
				if v := s.viewers(); len(v) != 1 || v[0].ID != id {
					s.Errorf("viewers: %+v", v)
				}
			}
			sleep(6 * time.Second)
			if !s.hub.Kick(id) { // who is away can be kicked
				s.Error("nobody to kick")
			}
			s.status(media, http.StatusNotFound)
			if got := s.told(); got != "play stop" {
				s.Errorf("told %s", got)
			}
		})
	}
}

// A crowd is viewers that come, poll, stall, re-open and leave, and what is known of them.
type crowd struct {
	*site
	mu    sync.Mutex
	seen  map[string]time.Time // when each session was seen last, by its media playlist
	plays int
}

// watch lets one viewer do as it likes until the end.
func (c *crowd) watch(n int, end time.Time) {
	dice := rand.New(rand.NewPCG(uint64(n), 1))
	at := func(d int) time.Duration { return time.Duration(dice.IntN(d*10)) * 100 * time.Millisecond }
	pause(at(20))
	media := c.open(n)
	for time.Now().Before(end) {
		switch dice.IntN(12) {
		case 0: // leaves
			return
		case 1: // re-opens the entry playlist
			media = c.open(n)
		case 2: // stalls, so that it counts no more
			pause(3600*time.Millisecond + at(2))
			c.poll(media)
		default:
			c.poll(media)
		}
		pause(time.Second + at(1))
	}
}

func (c *crowd) get(path string) *httptest.ResponseRecorder {
	w := c.site.get(path)
	if w.Code != http.StatusOK {
		c.Errorf("GET %s: %d %s", path, w.Code, w.Body)
	}
	return w
}

func (c *crowd) open(n int) (media string) {
	lines := strings.Split(strings.TrimSpace(c.get(fmt.Sprintf("%sindex.m3u8?n=%d", folder, n)).Body.String()), "\n")
	media = folder + lines[len(lines)-1]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plays++
	c.seen[media] = time.Now()
	return media
}

func (c *crowd) poll(media string) {
	c.get(media)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[media] = time.Now()
}

// bounds returns how many viewers there are at least and at most: those that were seen within one and a half target
// durations, and those of whom that will be noticed at the next sweep.
func (c *crowd) bounds() (least, most int) {
	const patience = 3 * time.Second
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, last := range c.seen {
		idle := time.Since(last)
		if idle <= patience {
			least++
		}
		if idle <= patience+sweepEvery {
			most++
		}
	}
	return least, most
}

// gather lets a crowd of viewers do as they like, and looks whether their number is right at any time, each was told of
// twice and nobody stays.
func (s *site) gather(size int) {
	c := &crowd{site: s, seen: make(map[string]time.Time)}
	end := time.Now().Add(20 * time.Second)
	var wg sync.WaitGroup
	for n := range size {
		wg.Go(func() { c.watch(n, end) })
	}
	for time.Now().Before(end) {
		sleep(700 * time.Millisecond)
		least, most := c.bounds()
		if n := len(s.viewers()); n < least || n > most {
			s.Errorf("%d viewers, want %d to %d", n, least, most)
		}
	}
	wg.Wait()
	sleep(9 * time.Second)
	plays, stops := strings.Count(s.told(), "play"), strings.Count(s.told(), "stop")
	if plays != c.plays || stops != plays || len(s.viewers()) != 0 {
		s.Errorf("%d came, %d were told of and %d ends, %d stay", c.plays, plays, stops, len(s.viewers()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events, s.asked = nil, nil
}

// A crowd is counted exactly, and the second one takes no memory that the first has not given back. (What the first takes
// for good is the runtime's, for as many goroutines.)
func TestCount(t *testing.T) {
	for _, size := range []int{1, 50, 2000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			inBubble(t, func(s *site) {
				p := s.publish(200)
				sleep(5 * time.Second)
				s.gather(size)
				synctest.Wait()
				before := heap()
				s.gather(size)
				if grown := heap() - before; grown > 256<<10 {
					s.Errorf("%d bytes more", grown)
				}
				leave(p)
			})
		})
	}
}

// heap returns how much memory is in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
