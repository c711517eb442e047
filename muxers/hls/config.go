package hls

import "time"

// A Config says how a stream is served. It may change at any time; see each field for when that shows.
type Config struct {
	// TS and FMP4 choose the variants: segments of MPEG-TS, and of fragmented MP4. Without either it is MPEG-TS. One that
	// is no longer chosen is not made any more when the stream ends, or when nobody has asked for it for a while.
	TS, FMP4 bool
	// LowLatency makes segments of fragmented MP4 available in parts, and lets players wait for them (RFC 8216bis). A change
	// holds from the next segment on.
	LowLatency bool
	// Segment is how long segments are meant to be; each ends at the first key frame from there on. A change holds from
	// the next segment on, as far as the target duration allows, which is fixed by the first. Default 2s, at least 1s.
	Segment time.Duration
	// Part is how long a part is meant to be. The part target is fixed by the first segment: as many frames as come
	// nearest to Part, and partMargin. Default 200ms, at least 100ms, at most half a Segment.
	Part time.Duration
	// Window is how many segments the playlist lists, unless they play for less than WindowTime or for less than three target
	// durations. Those that have left it stay fetchable for as long as RFC 8216bis, 6.2.2, asks. Default 10, at least 3. A
	// change holds from the next segment on.
	Window     int
	WindowTime time.Duration
	// DVR is how far back the long playlist reaches, that of "?dvr". Default 0: there is none.
	DVR time.Duration
	// Sessions says what a viewer is. Default SessionsOn. A change holds from the next request on.
	Sessions Sessions
	// KeyEvery encrypts segments by AES-128, each key for so many in a row. Segments then come in one piece, whatever LowLatency
	// says. Default 0: they are in clear.
	KeyEvery int
	// Storage says where segments are kept. Default: in memory.
	Storage Storage
	// AlwaysOn makes segments of a stream also while nobody watches; see Server.Keep.
	AlwaysOn bool
	// Told does so for the first of the variants, MPEG-TS where it is chosen: for those whom Server.Listed tells.
	Told bool
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
	defaultPart    = 200 * time.Millisecond
	minPart        = 100 * time.Millisecond
	defaultWindow  = 10
	minWindow      = 3
)

// DefaultConfig returns what holds where nothing is configured: 10 segments of 2 s, with sessions.
func DefaultConfig() Config {
	return Config{TS: true, FMP4: true, LowLatency: true, Segment: defaultSegment, Part: defaultPart, Window: defaultWindow}
}

// normal returns c with defaults and bounds applied.
func (c Config) normal() Config {
	if c.Segment == 0 {
		c.Segment = defaultSegment
	}
	if c.Part == 0 {
		c.Part = defaultPart
	}
	if c.Window == 0 {
		c.Window = defaultWindow
	}
	c.TS = c.TS || !c.FMP4
	c.Segment = max(c.Segment, minSegment)
	c.Part = min(max(c.Part, minPart), c.Segment/2)
	c.Window = max(c.Window, minWindow)
	return c
}

// longest is the stated maximum of a first segment, whose length fixes the target duration.
func (c Config) longest() time.Duration { return max(5*c.Segment, 10*time.Second) }

// reach returns how long a playlist plays when it is full, if its segments are as long as the target duration, in seconds.
func (c Config) reach(target int64) time.Duration {
	return max(time.Duration(c.Window)*time.Duration(target)*time.Second, c.WindowTime, c.DVR)
}
