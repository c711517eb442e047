package hls

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// sweepEvery is how often a server looks for what is stale, and for viewers that are.
const sweepEvery = time.Second / 2

// A Server makes segments and keeps viewers. It outlives configurations, so that a reload neither interrupts a stream
// nor renumbers it: keep it where the Hub is kept. Its memory is that of the windows of what is being watched.
type Server struct {
	// Listed, if set, is told of each segment once it is in the playlist, in the order of each stream. It must not block
	// for long: the segments that follow wait. It must not be changed once the server is in use.
	Listed func(s Segment)

	// Logger returns where to write that a disk makes trouble. Nil is nowhere. It must not be changed once the server is in use.
	Logger func() *slog.Logger

	hub     *live.Hub
	start   string // names this start in file names
	mint    atomic.Pointer[mint]
	lobby   lobby
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu           sync.Mutex
	channels     map[live.Key]*channel
	failedWrites atomic.Int64

	floor int64 // no number at or above it was given out
	seams seams // given out
}

// NewServer returns a server for the streams of hub, with a key of its own; see SetKey. The caller must Close it.
func NewServer(hub *live.Hub) *Server {
	s := &Server{
		hub:      hub,
		start:    strconv.FormatInt(time.Now().UnixMilli(), 36),
		channels: make(map[live.Key]*channel),
	}
	s.mint.Store(newMint())
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.running.Go(s.sweep)
	return s
}

// SetKey sets the secret with which the server makes the URLs of viewers; 32 random bytes are a good one. With the same key
// after a restart, or on another server, a viewer goes on at its URLs, once the guard has agreed again. It is to be called
// before the first request: URLs that were made with another key open nothing any more.
func (s *Server) SetKey(key []byte) { s.mint.Store(&mint{bytes.Clone(key)}) }

// FailedWrites returns how often a file of HLS could not be written or removed.
func (s *Server) FailedWrites() int64 { return s.failedWrites.Load() }

func (s *Server) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger()
}

// Close ends all segmenters and sessions, and waits until they have ended. Requests that come later find nothing.
func (s *Server) Close() {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.running.Wait()
	for _, ch := range s.list() {
		for _, v := range ch.list() {
			ch.remove(v, live.ErrClosing)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.channels)
}

// run runs f in a goroutine that Close waits for, unless the server was closed. f must end with s.ctx.
func (s *Server) run(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.running.Go(f)
	return true
}

func (s *Server) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.sweepAt(now)
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Server) sweepAt(now time.Time) {
	for _, ch := range s.list() {
		if ch.sweep(now) {
			s.forget(ch)
		}
	}
}

func (s *Server) list() []*channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.channels))
}

// forget drops a channel unless a request uses it.
func (s *Server) forget(ch *channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch.users == 0 && s.channels[ch.key] == ch {
		delete(s.channels, ch.key)
	}
}

// Keep puts c in force for a stream that is on air. If it is AlwaysOn or Told, segments are made from now on until the stream ends,
// or another configuration is put in force. It does not block, and may be called by an observer.
func (s *Server) Keep(k live.Key, c Config) {
	s.run(func() {
		c = c.normal()
		ch := s.find(k)
		if ch == nil && (c.AlwaysOn || c.Told) {
			ch, _ = s.open(k, c) // it fails when the server is closed
		}
		if ch == nil {
			return
		}
		defer s.release(ch)
		ch.configure(c)
		ch.stayOn()
	})
}

// find returns the channel of a stream, or nil if there is none. The caller must release it.
func (s *Server) find(k live.Key) *channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.channels[k]
	if ch != nil {
		ch.users++
	}
	return ch
}

// open returns the channel of a stream that is on air, made if there is none. The caller must release it.
func (s *Server) open(k live.Key, c Config) (*channel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, live.Refuse(live.ErrClosing, "the server is shutting down")
	}
	ch := s.channels[k]
	if ch == nil {
		ch = newChannel(s, k, c)
		s.channels[k] = ch
	}
	ch.users++
	return ch, nil
}

func (s *Server) release(ch *channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch.users--
}

// Numbers of segments are seeded from the clock in tenths of a second. A segment lasts at least a second, so that the clock outruns
// them even where a log full of segments comes at once. Since some players hold them in 31 bits, the seed begins anew every
// 3.4 years; that can be noticed only by a player that watches a restart at that very moment.
const (
	seedUnit = 100 // milliseconds
	seedSpan = 1 << 30
)

// seed returns the number that a new window begins at: above all that this server has given out, and above what any
// server before it has.
func (s *Server) seed() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.floor, time.Now().UnixMilli()/seedUnit%seedSpan)
}

// raise notes that numbers below floor may have been given out.
func (s *Server) raise(floor int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.floor = max(s.floor, floor)
}
