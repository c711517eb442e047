package caddymodule

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
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

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*FLVHandler)(nil)
	_ caddyfile.Unmarshaler = (*TSHandler)(nil)
	_ caddyfile.Unmarshaler = (*AudioHandler)(nil)
	_ caddyfile.Unmarshaler = (*HLSHandler)(nil)
)
