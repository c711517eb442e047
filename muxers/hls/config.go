package hls

import "time"

// A Config says how a stream is served. It may change at any time; see each field for when that shows.
type Config struct {
	// Segment is how long segments are meant to be; each ends at the first key frame from there on. A change holds from
	// the next segment on, as far as the target duration allows, which is fixed by the first. Default 2s, at least 1s.
	Segment time.Duration
	// Window is how many segments the playlist lists. As many again stay fetchable for players that are behind (RFC 8216,
	// 6.2.2). Default 10, at least 3. A change holds from the next segment on.
	Window int
	// Sessions says what a viewer is. Default SessionsOn. A change holds from the next request on.
	Sessions Sessions
	// AlwaysOn makes segments of a stream also while nobody watches; see Server.Keep.
	AlwaysOn bool
}

// Sessions says what a viewer is to a Server.
type Sessions uint8

// The kinds of Sessions.
const (
	// SessionsOn makes each viewer a session of the hub: asked for by the guard, listed, counted to the byte and kickable.
	// Every URL is the viewer's own, and good for nothing without its session.
	SessionsOn Sessions = iota
	// SessionsCache does the same at the playlists. The URLs of objects are the same for all viewers, signed and good for
	// some minutes, so that any cache may keep what they lead to: what a cache sends is not counted, and a kicked viewer
	// may fetch what its last playlist named.
	SessionsCache
	// SessionsOff serves plain files to everybody and asks no guard.
	SessionsOff
)

// The bounds and defaults of Config.
const (
	defaultSegment = 2 * time.Second
	minSegment     = time.Second
	defaultWindow  = 10
	minWindow      = 3
)

// DefaultConfig returns what holds where nothing is configured: 10 segments of 2 s, with sessions.
func DefaultConfig() Config {
	return Config{Segment: defaultSegment, Window: defaultWindow}
}

// normal returns c with defaults and bounds applied.
func (c Config) normal() Config {
	if c.Segment == 0 {
		c.Segment = defaultSegment
	}
	if c.Window == 0 {
		c.Window = defaultWindow
	}
	c.Segment = max(c.Segment, minSegment)
	c.Window = max(c.Window, minWindow)
	return c
}

// longest is the stated maximum of a first segment, whose length fixes the target duration.
func (c Config) longest() time.Duration { return max(5*c.Segment, 10*time.Second) }
