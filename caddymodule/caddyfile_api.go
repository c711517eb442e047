package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
)

// parseAPI parses the directive of the API.
func parseAPI(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(APIHandler)
	err := handler.UnmarshalCaddyfile(h.Dispenser)
	return handler, err
}

// UnmarshalCaddyfile sets up the handler from tokens. Several auth lines add to each other.
//
//	rtmp_api [<matcher>] {
//		auth loopback
//		auth token <token...>
//		auth basic <user> <hash>
//		auth basic {
//			<user> <hash>
//		}
//		auth provider <name> [<args...>] {
//			...
//		}
//		auth provider <name> <json>
//		auth forward <url> {
//			timeout     <duration>
//			user_header <name>
//			tls {
//				...
//			}
//		}
//		auth by_site
//	}
func (h *APIHandler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.ArgErr()
	}
	var basic caddyauth.HTTPBasicAuth
	h.Auth = new(APIAuth)
	err := parseBlock(d, "rtmp_api", map[string]option{
		"auth": func(d *caddyfile.Dispenser) error { return h.Auth.parse(d, &basic) },
	})
	if err != nil {
		return err
	}
	if len(basic.AccountList) > 0 {
		basic.Realm = "api"
		basic.HashCache = new(caddyauth.Cache) // as basic_auth has it: comparing takes long
		if h.Auth.ProvidersRaw == nil {
			h.Auth.ProvidersRaw = make(caddy.ModuleMap)
		}
		h.Auth.ProvidersRaw["http_basic"] = caddyconfig.JSON(basic, nil)
	}
	if h.Auth.empty() {
		return d.Err(errNoAPIAuth.Error())
	}
	return nil
}

// parse parses what follows auth.
func (a *APIAuth) parse(d *caddyfile.Dispenser, basic *caddyauth.HTTPBasicAuth) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	kind := d.Val()
	switch kind {
	case "basic":
		return parseAccounts(d, basic)
	case "provider":
		return a.parseProvider(d)
	case "forward":
		f := new(APIForward)
		a.Forward = append(a.Forward, f)
		return f.parse(d)
	case "token":
		tokens := d.RemainingArgs()
		if len(tokens) == 0 {
			return d.ArgErr()
		}
		a.Tokens = append(a.Tokens, tokens...)
		return nil
	case "loopback":
		a.Loopback = true
	case "by_site":
		a.BySite = true
	default:
		return d.Errf("unknown auth %q: loopback, token, basic, provider, forward and by_site are known", kind)
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	return nil
}

// parseProvider parses what follows provider.
func (a *APIAuth) parseProvider(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	if a.ProvidersRaw == nil {
		a.ProvidersRaw = make(caddy.ModuleMap)
	}
	return parseProvider(d, a.ProvidersRaw)
}

// parseAccounts parses `<user> <hash>`, or a block of such lines.
func parseAccounts(d *caddyfile.Dispenser, basic *caddyauth.HTTPBasicAuth) error {
	add := func(args []string) error {
		if len(args) != 2 {
			return d.Err("an account is a user and a password hash, as made by caddy hash-password")
		}
		basic.AccountList = append(basic.AccountList, caddyauth.Account{Username: args[0], Password: args[1]})
		return nil
	}
	if args := d.RemainingArgs(); len(args) > 0 {
		return add(args)
	}
	before := len(basic.AccountList)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := add(append([]string{d.Val()}, d.RemainingArgs()...)); err != nil {
			return err
		}
	}
	if len(basic.AccountList) == before {
		return add(nil)
	}
	return nil
}

// Interface guards
var _ caddyfile.Unmarshaler = (*APIHandler)(nil)
