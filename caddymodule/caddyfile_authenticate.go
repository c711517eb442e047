package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// parseGuard parses an authenticator without arguments, in whose block only the given options are known.
func parseGuard(d *caddyfile.Dispenser, options map[string]option) error {
	d.Next() // the module's name
	name := d.Val()
	if d.NextArg() {
		return d.ArgErr()
	}
	return parseBlock(d, name, options)
}

// wordOption parses `<name> <word>`, where the word must not be empty.
func wordOption(to *string) option {
	return func(d *caddyfile.Dispenser) error {
		if !d.AllArgs(to) || *to == "" {
			return d.ArgErr()
		}
		return nil
	}
}
