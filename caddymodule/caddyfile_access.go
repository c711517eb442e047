package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// accessOption parses a publish or play block.
func accessOption(to **Access) option {
	return func(d *caddyfile.Dispenser) error {
		if *to != nil {
			return d.Errf("%s stands twice", d.Val())
		}
		*to = new(Access)
		return (*to).UnmarshalCaddyfile(d)
	}
}

// UnmarshalCaddyfile sets up the rule from the block that opens next.
//
//	publish|play {
//		match <matcher> <args...>
//		match {
//			<matcher> <args...>
//		}
//		allow all|private_ranges|<ranges...>
//		deny  all|private_ranges|<ranges...>
//		referer <domain...>|none
//		authenticate <module> <args...>
//	}
//
// Of several match lines one must match; of the matchers in a match block all.
func (a *Access) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	what := d.Val()
	if d.NextArg() {
		return d.ArgErr()
	}
	return parseBlock(d, what, map[string]option{
		"match":        a.parseMatch,
		"allow":        rangesOption(&a.Allow),
		"deny":         rangesOption(&a.Deny),
		"referer":      a.parseReferer,
		"authenticate": a.parseAuthenticate,
	})
}

func (a *Access) parseMatch(d *caddyfile.Dispenser) error {
	// The nested form reads a line of matchers as well as a block of them, but must be given one or the other.
	set, err := caddyhttp.ParseCaddyfileNestedMatcherSet(d)
	if err != nil {
		return err
	}
	if len(set) == 0 {
		return d.Err("match needs a matcher, such as remote_ip")
	}
	a.MatchersRaw = append(a.MatchersRaw, set)
	return nil
}

func (a *Access) parseReferer(d *caddyfile.Dispenser) error {
	list := d.RemainingArgs()
	if len(list) == 0 {
		return d.ArgErr()
	}
	if err := checkReferers(list); err != nil {
		return d.WrapErr(err)
	}
	a.Referers = append(a.Referers, list...)
	return nil
}

func (a *Access) parseAuthenticate(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	name := d.Val()
	unm, err := caddyfile.UnmarshalModule(d, "rtmp.authenticators."+name)
	if err != nil {
		return err
	}
	guard, ok := unm.(live.Guard)
	if !ok {
		return d.Errf("%s is no authenticator", name)
	}
	a.AuthenticatorsRaw = append(a.AuthenticatorsRaw, caddyconfig.JSONModuleObject(guard, "authenticator", name, nil))
	return nil
}

// rangesOption parses `<name> <ranges...>`.
func rangesOption(to *[]string) option {
	return func(d *caddyfile.Dispenser) error {
		list := d.RemainingArgs()
		if len(list) == 0 {
			return d.ArgErr()
		}
		if _, err := parseRanges(list); err != nil {
			return d.WrapErr(err)
		}
		*to = append(*to, list...)
		return nil
	}
}
