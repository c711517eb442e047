package caddymodule

import (
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func (a *Application) parseHLS(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	a.HLS = new(HLS)
	return parseBlock(d, "hls", map[string]option{
		"variants":  a.HLS.parseVariants,
		"segment":   durationOption(&a.HLS.Segment),
		"part":      durationOption(&a.HLS.Part),
		"window":    a.HLS.parseWindow,
		"dvr":       durationOption(&a.HLS.DVR),
		"sessions":  a.HLS.parseSessions,
		"storage":   a.HLS.parseStorage,
		"encrypt":   a.HLS.parseEncrypt,
		"always_on": flagOption(&a.HLS.AlwaysOn),
	})
}

func (h *HLS) parseVariants(d *caddyfile.Dispenser) error {
	h.Variants = d.RemainingArgs()
	if len(h.Variants) == 0 {
		return d.ArgErr()
	}
	for _, v := range h.Variants {
		if !slices.Contains(hlsVariants, v) {
			return d.Errf("%q is neither ts, fmp4 nor ll", v)
		}
	}
	return nil
}

// parseStorage parses `storage memory`, or `storage disk <folder>` and its block.
func (h *HLS) parseStorage(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	switch {
	case len(args) == 1 && args[0] == "memory":
		h.Storage = nil
		return nil
	case len(args) != 2 || args[0] != "disk":
		return d.Err("hls storage is memory, or disk and a folder")
	}
	h.Storage = &HLSStorage{Folder: args[1]}
	unchecked := func(string) error { return nil } // until all is known
	return parseBlock(d, "hls storage", map[string]option{
		"playlist": textOption(&h.Storage.Playlist, unchecked),
		"segment":  textOption(&h.Storage.Segment, unchecked),
		"keep":     flagOption(&h.Storage.Keep),
		"recover":  h.Storage.parseRecover,
	})
}

func (s *HLSStorage) parseRecover(d *caddyfile.Dispenser) error {
	var text string
	if !d.AllArgs(&text) {
		return d.ArgErr()
	}
	if text != "on" && text != "off" {
		return d.Errf("%q is neither on nor off", text)
	}
	on := text == "on"
	s.Recover = &on
	return nil
}

// parseEncrypt parses `encrypt` and its block.
func (h *HLS) parseEncrypt(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	h.Encrypt = new(HLSEncryption)
	return parseBlock(d, "hls encrypt", map[string]option{"rotate": h.Encrypt.parseRotate})
}

func (e *HLSEncryption) parseRotate(d *caddyfile.Dispenser) error {
	var text string
	if !d.AllArgs(&text) {
		return d.ArgErr()
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return d.Errf("%q is no number of segments", text)
	}
	e.Rotate = n
	return nil
}

// parseWindow parses a number of segments or a duration.
func (h *HLS) parseWindow(d *caddyfile.Dispenser) error {
	var text string
	if !d.AllArgs(&text) {
		return d.ArgErr()
	}
	n, err := strconv.Atoi(text)
	if err == nil && n > 0 {
		h.Window = n
		return nil
	}
	if parseDuration(d, text, &h.WindowDuration) != nil {
		return d.Errf("%q is neither a number of segments nor a duration", text)
	}
	return nil
}

func (h *HLS) parseSessions(d *caddyfile.Dispenser) error {
	return textOption(&h.Sessions, func(text string) error {
		if _, ok := sessionKinds[text]; !ok {
			return d.Errf("%q is neither on, cache nor off", text)
		}
		return nil
	})(d)
}
