package caddymodule

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// Access says who may publish, or play. A client is admitted if no Deny range holds its address, if it comes from a page
// of Referers where there are any, if an Allow range or a match set fits where there are any, and if one authenticator
// accepts it where there are any.
type Access struct {
	// MatchersRaw are Caddy's HTTP request matchers. Within a set all must match; of several sets one must. They look at
	// a request with the method PUBLISH or PLAY, the path /app/stream, the query and the address of the client. remote_ip
	// and client_ip are the same here. Default: none.
	MatchersRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// Allow holds addresses and ranges in CIDR form; `private_ranges` and `all` are understood too. Clients of a Unix
	// socket have the address 127.0.0.1. Default: none.
	Allow []string `json:"allow,omitempty"`

	// Deny holds address ranges like Allow, and goes before it. Default: none.
	Deny []string `json:"deny,omitempty"`

	// Referers are domains, with their subdomains, of the pages on which clients may be embedded: RTMP's pageUrl, HTTP's
	// Referer or Origin. `none` stands for clients that name no page, as most programs that are no browsers. Default: any
	// page, and none.
	Referers []string `json:"referers,omitempty"`

	// AuthenticatorsRaw are modules that prove who a client is. One of them must accept. Default: none.
	AuthenticatorsRaw []json.RawMessage `json:"authenticate,omitempty" caddy:"namespace=rtmp.authenticators inline_key=authenticator"`

	action         live.Action
	matchers       caddyhttp.MatcherSets
	allow, deny    ranges
	authenticators []authenticator
	logger         *zap.Logger
	warned         sync.Once
}

func (a *Access) provision(ctx caddy.Context, action live.Action, logger *zap.Logger) error {
	a.action = action
	a.logger = logger
	mods, err := ctx.LoadModule(a, "MatchersRaw")
	if err != nil {
		return fmt.Errorf("loading matchers: %w", err)
	}
	if err := a.matchers.FromInterface(mods); err != nil {
		return fmt.Errorf("loading matchers: %w", err)
	}
	if a.allow, err = parseRanges(a.Allow); err != nil {
		return fmt.Errorf("allow: %w", err)
	}
	if a.deny, err = parseRanges(a.Deny); err != nil {
		return fmt.Errorf("deny: %w", err)
	}
	if err := checkReferers(a.Referers); err != nil {
		return err
	}
	a.authenticators, err = loadAuthenticators(ctx, a)
	return err
}

// restricts tells whether there is any rule.
func (a *Access) restricts() bool {
	return len(a.matchers) > 0 || len(a.allow) > 0 || len(a.deny) > 0 || len(a.Referers) > 0 || len(a.authenticators) > 0
}

// admit implements live.Guard.
func (a *Access) admit(ctx context.Context, r *live.Request) (live.Grant, error) {
	if err := a.check(r); err != nil {
		return live.Grant{}, err
	}
	return authenticate(ctx, a.authenticators, r)
}

// check asks the rules that need no authentication.
func (a *Access) check(r *live.Request) error {
	address := addressOf(r)
	if len(a.deny) > 0 && !address.IsValid() {
		return live.Refuse(live.ErrDenied, "you may not %s, since your address is not known and some are denied", a.action)
	}
	if a.deny.contain(address) {
		return live.Refuse(live.ErrDenied, "you may not %s from %s", a.action, address)
	}
	if err := referers(a.Referers).check(r); err != nil {
		return err
	}
	return a.checkOrigin(r)
}

// review returns why a session that an older configuration has admitted must end.
func (a *Access) review(s *live.SessionInfo) error {
	if err := a.check(&s.Request); err != nil {
		return err
	}
	return review(a.authenticators, s)
}

// checkOrigin asks the rules about where a client comes from.
func (a *Access) checkOrigin(r *live.Request) error {
	address := addressOf(r)
	if len(a.matchers) == 0 && len(a.allow) == 0 {
		if a.action == live.ActionPlay || len(a.authenticators) > 0 || privateRanges.contain(address) {
			return nil
		}
		a.warned.Do(func() {
			a.logger.Warn("refused a publisher from a public address, since this app has no publish rule; "+
				"add a publish block with allow, match or authenticate to admit it", zap.Stringer("address", address))
		})
		return live.Refuse(live.ErrDenied,
			"without a publish rule this server takes publishers from loopback and private addresses only, not from %s", place(address))
	}
	if a.allow.contain(address) {
		return nil
	}
	if len(a.matchers) > 0 && address.IsValid() { // else "not remote_ip" would let in whom nobody knows
		ok, err := a.matchers.AnyMatchWithError(syntheticRequest(r))
		if err != nil {
			return fmt.Errorf("matching: %w", err)
		}
		if ok {
			return nil
		}
	}
	return live.Refuse(live.ErrDenied, "no rule lets you %s from %s", a.action, place(address))
}

// addressOf returns the address of a client, IPv4 as such, and an invalid one where it is not known.
func addressOf(r *live.Request) netip.Addr { return r.Remote.Addr().Unmap() }

// place names an address for people.
func place(a netip.Addr) string {
	if !a.IsValid() {
		return "an address that this server does not understand"
	}
	return a.String()
}

// setPlaceholders makes the {rtmp.*} placeholders known to repl. It costs little where nobody uses them.
func setPlaceholders(repl *caddy.Replacer, r *live.Request) {
	repl.Map(func(name string) (any, bool) {
		switch name {
		case "rtmp.vhost":
			return cmp.Or(r.Key.Vhost, live.DefaultVhost), true
		case "rtmp.app":
			return r.Key.App, true
		case "rtmp.stream":
			return r.Key.Name, true
		case "rtmp.action":
			return r.Action.String(), true
		case "rtmp.protocol":
			return r.Protocol, true
		case "rtmp.remote_ip":
			if address := addressOf(r); address.IsValid() {
				return address.String(), true
			}
			return "", true
		}
		return nil, false
	})
}

// ranges is a set of address ranges.
type ranges []netip.Prefix

// privateRanges holds loopback, private and link-local addresses.
var privateRanges = mustRanges("private_ranges", "169.254.0.0/16", "fe80::/10")

// allRanges holds every address.
var allRanges = []string{"0.0.0.0/0", "::/0"}

func mustRanges(list ...string) ranges {
	r, err := parseRanges(list)
	if err != nil {
		panic(err)
	}
	return r
}

// parseRanges reads addresses, ranges in CIDR form and the names all and private_ranges.
func parseRanges(list []string) (ranges, error) {
	repl := caddy.NewReplacer()
	var set ranges
	for _, raw := range list {
		texts := []string{repl.ReplaceAll(raw, "")}
		switch texts[0] {
		case "all":
			texts = allRanges
		case "private_ranges":
			texts = caddyhttp.PrivateRangesCIDR()
		}
		for _, text := range texts {
			p, err := caddyhttp.CIDRExpressionToPrefix(text)
			if err != nil {
				return nil, fmt.Errorf("%q is neither an address range, all nor private_ranges: %w", text, err)
			}
			set = append(set, p)
		}
	}
	return set, nil
}

// contain tells whether a range holds an address. One that is not known is held by the range of all addresses alone.
func (r ranges) contain(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(r, func(p netip.Prefix) bool { return p.Contains(a) || !a.IsValid() && p.Bits() == 0 })
}

// admit implements live.Policy for all apps.
func (a *App) admit(ctx context.Context, r *live.Request) (live.Grant, error) {
	app := a.application(r.Key)
	if app == nil {
		return live.Grant{}, errNoApplication(r.Key)
	}
	return app.access(r.Action).admit(ctx, r)
}

// access returns the rule for an action.
func (a *Application) access(action live.Action) *Access {
	if action == live.ActionPublish {
		return a.Publish
	}
	return a.Play
}
