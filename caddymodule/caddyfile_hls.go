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
