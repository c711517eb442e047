package caddymodule

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// parseHook parses `hook <module> ...`. Hooks are asked and told in the order in which they stand.
func (a *App) parseHook(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	name := d.Val()
	unm, err := caddyfile.UnmarshalModule(d, "rtmp.hooks."+name)
	if err != nil {
		return err
	}
	_, asks := unm.(live.Guard)
	_, told := unm.(live.Observer)
	if !asks && !told {
		return d.Errf("%s is no hook", name)
	}
	a.HooksRaw = append(a.HooksRaw, caddyconfig.JSONModuleObject(unm, "hook", name, nil))
	return nil
}

// listOption parses `<name> <text...>`. Several lines add to each other.
func listOption(to *[]string) option {
	return func(d *caddyfile.Dispenser) error {
		list := d.RemainingArgs()
		if len(list) == 0 {
			return d.ArgErr()
		}
		*to = append(*to, list...)
		return nil
	}
}

// countOption parses `<name> <number>`.
func countOption(to *int) option {
	return func(d *caddyfile.Dispenser) error {
		var text string
		if !d.AllArgs(&text) {
			return d.ArgErr()
		}
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			return d.Errf("%q is no positive number", text)
		}
		*to = n
		return nil
	}
}
