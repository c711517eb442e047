package caddymodule

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/hls"
)

// HLS holds an app's rules of HLS.
type HLS struct {
	// Variants are how streams are packed: `ts` in segments of MPEG-TS, `fmp4` in segments of fragmented MP4, and `ll` in
	// segments of fragmented MP4 whose parts players need not wait for (Low-Latency HLS). What is chosen costs memory, while
	// somebody watches it. Default: all.
	Variants []string `json:"variants,omitempty"`

	// Segment is how long a segment should be; it ends at the first key frame after that. Default: 2s.
	Segment caddy.Duration `json:"segment,omitempty"`

	// Part is how long a part of a segment should be, with `ll`: it is as many frames as come nearest. Default: 200ms.
	Part caddy.Duration `json:"part,omitempty"`

	// Window is how many segments a playlist lists. Default: 10, or 3 if there is a `window_duration`.
	Window int `json:"window,omitempty"`

	// WindowDuration is how long the segments of a playlist play in all, at least. Default: 0, which leaves it to `window`.
	WindowDuration caddy.Duration `json:"window_duration,omitempty"`

	// DVR is how far viewers may go back: as far reaches the playlist that `?dvr` behind the entry playlist's URL leads to.
	// Segments are then made whether somebody watches or not. Default: 0, as far as the window.
	DVR caddy.Duration `json:"dvr,omitempty"`

	// Sessions says what a viewer is. `on` makes each a client: asked for by the play rule, listed in the API, counted and
	// kickable, at URLs of its own. `cache` does so at the playlists only, and gives all viewers the same URLs of segments,
	// signed and good for some minutes, which any cache may keep; what the cache sends is not counted. `off` serves plain
	// files to everybody and asks no rule. Default: `on`.
	Sessions string `json:"sessions,omitempty"`

	// Storage says where segments are kept. Default: in memory.
	Storage *HLSStorage `json:"storage,omitempty"`

	// Encrypt encrypts segments by AES-128. It excludes the variant `ll`. Default: they are in clear.
	Encrypt *HLSEncryption `json:"encrypt,omitempty"`

	// AlwaysOn makes segments whether somebody watches or not, so that nobody waits for the first. Default: false.
	AlwaysOn bool `json:"always_on,omitempty"`
}

// HLSStorage keeps segments in files, with playlists that any file server can serve.
type HLSStorage struct {
	// Folder is where they are, made if it is not there. Relative to where Caddy runs.
	Folder string `json:"folder,omitempty"`

	// Playlist is the file of a stream's playlist below the folder, with `[vhost]`, `[app]`, `[stream]` and `[variant]` for
	// what they say; the last must be there if there are several variants. Default: `[app]/[stream].m3u8` for MPEG-TS and
	// `[app]/[stream]/index.m3u8` for fragmented MP4, where they are over HTTP too.
	Playlist string `json:"playlist,omitempty"`

	// Segment is the file of a segment, with the same words, `[seq]` for its number, `[timestamp]` for its beginning in Unix
	// milliseconds, `[duration]` in milliseconds, and `[2006]` `[01]` `[02]` `[15]` `[04]` `[05]` `[999]` for the parts of the
	// local time then. Its ending is that of its variant. Initialization sections and keys stand beside the first segment
	// that needs them. Default: `[app]/[stream]/[seq]`.
	Segment string `json:"segment,omitempty"`

	// Keep leaves files that no player is promised any more. Default: they are removed.
	Keep bool `json:"keep,omitempty"`

	// Recover says whether a playlist that was left before a restart goes on. Default: true.
	Recover *bool `json:"recover,omitempty"`
}

// HLSEncryption encrypts segments.
type HLSEncryption struct {
	// Rotate is after how many segments there is a new key. Default: 10.
	Rotate int `json:"rotate,omitempty"`
}

// sessionKinds are the kinds of HLS's sessions by name.
var sessionKinds = map[string]hls.Sessions{
	"":      hls.SessionsOn,
	"on":    hls.SessionsOn,
	"cache": hls.SessionsCache,
	"off":   hls.SessionsOff,
}

// hlsVariants are the variants by name.
var hlsVariants = []string{"ts", "fmp4", "ll"}

// open tells whether anybody may watch unasked.
func (h *HLS) open() bool { return sessionKinds[h.Sessions] == hls.SessionsOff }

// check sets the defaults and refuses what makes no playlist.
func (h *HLS) check() error {
	c := hls.DefaultConfig()
	setDefault(&h.Segment, c.Segment)
	setDefault(&h.Part, min(c.Part, time.Duration(h.Segment)/2))
	if h.Window == 0 {
		h.Window = c.Window
		if h.WindowDuration > 0 {
			h.Window = 3
		}
	}
	if len(h.Variants) == 0 {
		h.Variants = hlsVariants
		if h.Encrypt != nil {
			h.Variants = hlsVariants[:2]
		}
	}
	for _, v := range h.Variants {
		if !slices.Contains(hlsVariants, v) {
			return fmt.Errorf("hls variant %q is neither ts, fmp4 nor ll", v)
		}
	}
	if _, ok := sessionKinds[h.Sessions]; !ok {
		return fmt.Errorf("hls sessions %q is neither on, cache nor off", h.Sessions)
	}
	if err := h.checkStorage(); err != nil {
		return err
	}
	return h.checkLengths()
}

func (h *HLS) checkStorage() error {
	if e := h.Encrypt; e != nil {
		if e.Rotate == 0 {
			e.Rotate = defaultRotate
		}
		if e.Rotate < 1 || e.Rotate > 1000 {
			return fmt.Errorf("an HLS key for %d segments is not for 1 to 1000", e.Rotate)
		}
		if slices.Contains(h.Variants, "ll") {
			return errors.New("hls encrypt and the variant ll exclude each other, since parts would be in clear; say variants ts fmp4")
		}
	}
	if h.Storage == nil {
		return nil
	}
	if h.Storage.Folder == "" {
		return errors.New("hls storage disk has no folder")
	}
	if err := h.Storage.config().Check(h.several()); err != nil {
		return fmt.Errorf("hls storage: %w", err)
	}
	return nil
}

// several tells whether there are playlists of two variants.
func (h *HLS) several() bool {
	return slices.Contains(h.Variants, "ts") && slices.ContainsFunc(h.Variants, func(v string) bool { return v != "ts" })
}

// defaultRotate is for how many segments a key is.
const defaultRotate = 10

// config returns what the muxer is told.
func (s *HLSStorage) config() hls.Storage {
	return hls.Storage{
		Folder:   s.Folder,
		Playlist: s.Playlist,
		Segment:  s.Segment,
		Keep:     s.Keep,
		Forget:   s.Recover != nil && !*s.Recover,
	}
}

func (h *HLS) checkLengths() error {
	if h.Segment < caddy.Duration(time.Second) || h.Segment > caddy.Duration(time.Minute) {
		return fmt.Errorf("an HLS segment of %s is not between 1s and 1m", time.Duration(h.Segment))
	}
	if h.Part < caddy.Duration(100*time.Millisecond) || h.Part > h.Segment/2 {
		return fmt.Errorf("an HLS part of %s is not between 100ms and half a segment", time.Duration(h.Part))
	}
	if h.Window < 3 || h.Window > 1000 {
		return fmt.Errorf("an HLS window of %d segments is not between 3 and 1000", h.Window)
	}
	if h.WindowDuration < 0 || h.WindowDuration > caddy.Duration(time.Hour) {
		return fmt.Errorf("an HLS window of %s is not between 0 and 1h; dvr is for more", time.Duration(h.WindowDuration))
	}
	if h.DVR < 0 || h.DVR > caddy.Duration(24*time.Hour) {
		return fmt.Errorf("an HLS dvr of %s is not between 0 and 24h", time.Duration(h.DVR))
	}
	return nil
}

// config returns what the muxer is told.
func (h *HLS) config() hls.Config {
	low := slices.Contains(h.Variants, "ll")
	c := hls.Config{
		TS:         slices.Contains(h.Variants, "ts"),
		FMP4:       low || slices.Contains(h.Variants, "fmp4"),
		LowLatency: low,
		Segment:    time.Duration(h.Segment),
		Part:       time.Duration(h.Part),
		Window:     h.Window,
		WindowTime: time.Duration(h.WindowDuration),
		DVR:        time.Duration(h.DVR),
		Sessions:   sessionKinds[h.Sessions],
		AlwaysOn:   h.AlwaysOn || h.DVR > 0 || h.Storage != nil,
	}
	if h.Storage != nil {
		c.Storage = h.Storage.config()
	}
	if h.Encrypt != nil {
		c.KeyEvery = h.Encrypt.Rotate
	}
	return c
}

// hlsConfig returns the HLS configuration in force for a stream.
func (e *engine) hlsConfig(k live.Key) hls.Config {
	a := e.current.Load()
	if a == nil {
		return hls.DefaultConfig()
	}
	app := a.application(k)
	if app == nil {
		return hls.DefaultConfig()
	}
	c := app.HLS.config()
	c.Told = a.wantsSegments()
	return c
}
