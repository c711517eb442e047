package caddymodule

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("rtmp_flv", parsePlay(func() playHandler { return new(FLVHandler) }))
	httpcaddyfile.RegisterHandlerDirective("rtmp_ts", parsePlay(func() playHandler { return new(TSHandler) }))
	httpcaddyfile.RegisterHandlerDirective("rtmp_audio", parsePlay(func() playHandler { return new(AudioHandler) }))
	httpcaddyfile.RegisterHandlerDirective("rtmp_hls", parsePlay(func() playHandler { return new(HLSHandler) }))
	httpcaddyfile.RegisterDirective("rtmp_play", parsePlayAll)
	httpcaddyfile.RegisterHandlerDirective("rtmp_api", parseAPI)
	for _, name := range []string{"rtmp_flv", "rtmp_ts", "rtmp_audio", "rtmp_hls", "rtmp_play", "rtmp_api"} {
		httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, "respond")
	}
}

// A playHandler is a handler that plays.
type playHandler interface {
	caddyhttp.MiddlewareHandler
	caddyfile.Unmarshaler
}

// parsePlay parses the directive of a handler that plays.
func parsePlay(create func() playHandler) httpcaddyfile.UnmarshalHandlerFunc {
	return func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		handler := create()
		err := handler.UnmarshalCaddyfile(h.Dispenser)
		return handler, err
	}
}

// UnmarshalCaddyfile sets up the handler from tokens.
//
//	rtmp_flv|rtmp_ts|rtmp_audio|rtmp_hls [<matcher>] {
//		app   <name...>
//		vhost <name...>
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.ArgErr()
	}
	return parseBlock(d, d.Val(), map[string]option{
		"app":   namesOption(&h.Apps),
		"vhost": namesOption(&h.Vhosts),
	})
}

// namesOption parses `<option> <name...>`.
func namesOption(to *[]string) option {
	return func(d *caddyfile.Dispenser) error {
		names := d.RemainingArgs()
		if len(names) == 0 {
			return d.ArgErr()
		}
		*to = append(*to, names...)
		return nil
	}
}

// parsePlayAll parses the shortcut for FLV, TS and HLS together, which makes one route of the three handlers.
//
//	rtmp_play [<matcher>] {
//		app   <name...>
//		vhost <name...>
//	}
func parsePlayAll(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next() // the directive's name
	matchers, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	var common Handler
	if err := common.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	route := caddyhttp.Route{HandlersRaw: []json.RawMessage{
		caddyconfig.JSONModuleObject(&FLVHandler{common}, "handler", "rtmp_flv", nil),
		caddyconfig.JSONModuleObject(&TSHandler{common}, "handler", "rtmp_ts", nil),
		caddyconfig.JSONModuleObject(&AudioHandler{common}, "handler", "rtmp_audio", nil),
		caddyconfig.JSONModuleObject(&HLSHandler{common}, "handler", "rtmp_hls", nil),
	}}
	if len(matchers) > 0 {
		route.MatcherSetsRaw = []caddy.ModuleMap{matchers}
	}
	return []httpcaddyfile.ConfigValue{{Class: "route", Value: route}}, nil
}

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
		h.Auth.ProvidersRaw = caddy.ModuleMap{"http_basic": caddyconfig.JSON(basic, nil)}
	}
	if h.Auth.empty() {
		return d.Err("rtmp_api needs an auth: loopback, token, basic, or by_site if the site authenticates by itself")
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
		return d.Errf("unknown auth %q: loopback, token, basic and by_site are known", kind)
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	return nil
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
var (
	_ caddyfile.Unmarshaler = (*FLVHandler)(nil)
	_ caddyfile.Unmarshaler = (*TSHandler)(nil)
	_ caddyfile.Unmarshaler = (*AudioHandler)(nil)
	_ caddyfile.Unmarshaler = (*HLSHandler)(nil)
	_ caddyfile.Unmarshaler = (*APIHandler)(nil)
)
