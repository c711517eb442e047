package caddymodule

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/dustin/go-humanize"
)

func init() {
	httpcaddyfile.RegisterGlobalOption(appName, parseApp)
}

// parseApp parses the global option. It may stand several times; what follows adds to what came before.
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	app := new(App)
	if prev, ok := existing.(httpcaddyfile.App); ok {
		if err := json.Unmarshal(prev.Value, app); err != nil {
			return nil, fmt.Errorf("reading the rtmp option before: %w", err)
		}
	}
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: appName, Value: caddyconfig.JSON(app, nil)}, nil
}

// An option parses one sub-directive, the name of which was just consumed.
type option func(d *caddyfile.Dispenser) error

// parseBlock parses the block that opens next, in which only the given options are known.
func parseBlock(d *caddyfile.Dispenser, what string, options map[string]option) error {
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		parse, ok := options[d.Val()]
		if !ok {
			return d.Errf("unknown %s option %q", what, d.Val())
		}
		if err := parse(d); err != nil {
			return err
		}
	}
	return nil
}

// UnmarshalCaddyfile sets up the app from the global option.
//
//	rtmp {
//		server <address...> {
//			tls [<name...>]
//			listener_wrappers {
//				<wrapper...>
//			}
//		}
//		server off
//		app <name> {
//			publish {
//				match [<matcher>] <args...>
//				allow all|private_ranges|<ranges...>
//				deny  all|private_ranges|<ranges...>
//				authenticate <module> <args...>
//			}
//			play {
//				...
//			}
//			on_conflict          auto|reject|replace
//			latency              low|normal|dense|<duration>
//			time_jitter          full|zero|off
//			gop_cache            <duration> [<size>] | off
//			lag                  <duration> [<size>]
//			write_timeout        <duration>
//			wait                 <duration>
//			first_packet_timeout <duration>
//			idle_timeout         <duration>
//			kickoff_for_idle     <duration>
//			reconnect_window     <duration>
//			hls {
//				variants ts|fmp4|ll...
//				segment  <duration>
//				part     <duration>
//				window   <count>|<duration>
//				dvr      <duration>
//				sessions on|cache|off
//				always_on
//				storage  memory | disk <folder> {
//					playlist <template>
//					segment  <template>
//					keep
//					recover  on|off
//				}
//				encrypt {
//					rotate <segments>
//				}
//			}
//		}
//		vhost <name> [<alias...>] {
//			app <name> {
//				...
//			}
//		}
//		hook <module> <args...>
//		on_reload keep|reauthorize|close <delay>
//		heartbeat <url> {
//			interval  <duration>
//			device_id <text>
//			summaries
//			token     <token>
//			tls {
//				...
//			}
//		}
//		metrics {
//			per_stream <count>
//		}
//		shutdown_grace    <duration>
//		handshake_timeout <duration>
//		connect_timeout   <duration>
//		max_connections   <all>|off [<per_address>|off [<unauthenticated_per_address>|off]]
//		max_message       <command_size> [<media_size> [<admitted_media_size>]]
//		max_chunk_streams <count>
//		max_amf           <depth> [<values>]
//	}
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	if d.NextArg() {
		return d.ArgErr()
	}
	if a.Applications == nil {
		a.Applications = make(map[string]*Application)
	}
	return parseBlock(d, "rtmp", map[string]option{
		"server":            a.parseServer,
		"app":               applicationOption(a.Applications),
		"vhost":             a.parseVhost,
		"hook":              a.parseHook,
		"on_reload":         a.parseOnReload,
		"heartbeat":         a.parseHeartbeat,
		"metrics":           a.parseMetrics,
		"shutdown_grace":    durationOption(&a.ShutdownGrace),
		"handshake_timeout": durationOption(&a.HandshakeTimeout),
		"connect_timeout":   durationOption(&a.ConnectTimeout),
		"max_connections":   a.limitsOption(connectionLimits),
		"max_message":       a.limitsOption(messageLimits),
		"max_chunk_streams": a.limitsOption(chunkStreamLimits),
		"max_amf":           a.limitsOption(amfLimits),
	})
}

func (a *App) parseServer(d *caddyfile.Dispenser) error {
	s := &Server{Listen: d.RemainingArgs()}
	if len(s.Listen) == 0 {
		return d.Err("a server needs an address, such as " + defaultListen)
	}
	off, isOff := s.Listen[0] == "off", a.Servers != nil && len(a.Servers) == 0
	switch {
	case off && a.Servers == nil && len(s.Listen) == 1:
		a.Servers = make(map[string]*Server)
		return parseBlock(d, "server off", nil)
	case off, isOff:
		return d.Err("server off stands alone: it means that there is no server")
	}
	err := parseBlock(d, "server", map[string]option{
		"tls":               s.parseTLS,
		"listener_wrappers": s.parseWrappers,
	})
	if err != nil {
		return err
	}
	if a.Servers == nil {
		a.Servers = make(map[string]*Server)
	}
	a.Servers["srv"+strconv.Itoa(len(a.Servers))] = s
	return nil
}

func (s *Server) parseTLS(d *caddyfile.Dispenser) error {
	s.AutomateNames = append(s.AutomateNames, d.RemainingArgs()...)
	if len(s.TLSConnectionPolicies) == 0 {
		s.TLSConnectionPolicies = caddytls.ConnectionPolicies{{ALPN: []string{"rtmp"}}}
	}
	return nil
}

func (s *Server) parseWrappers(d *caddyfile.Dispenser) error {
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		unm, err := caddyfile.UnmarshalModule(d, "caddy.listeners."+name)
		if err != nil {
			return err
		}
		wrapper, ok := unm.(caddy.ListenerWrapper)
		if !ok {
			return d.Errf("%s is no listener wrapper", name)
		}
		s.ListenerWrappersRaw = append(s.ListenerWrappersRaw, caddyconfig.JSONModuleObject(wrapper, "wrapper", name, nil))
	}
	return nil
}

// parse parses an app's block, which opens next.
func (a *Application) parse(d *caddyfile.Dispenser) error {
	return parseBlock(d, "app", map[string]option{
		"publish":              accessOption(&a.Publish),
		"play":                 accessOption(&a.Play),
		"on_conflict":          textOption(&a.OnConflict, checkConflict),
		"latency":              textOption(&a.Latency, checkLatency),
		"time_jitter":          textOption(&a.TimeJitter, checkJitter),
		"gop_cache":            a.parseGOPCache,
		"lag":                  a.parseLag,
		"write_timeout":        durationOption(&a.WriteTimeout),
		"wait":                 a.parseWait,
		"first_packet_timeout": durationOption(&a.FirstPacketTimeout),
		"idle_timeout":         durationOption(&a.IdleTimeout),
		"kickoff_for_idle":     durationOption(&a.KickoffForIdle),
		"reconnect_window":     durationOption(&a.ReconnectWindow),
		"hls":                  a.parseHLS,
	})
}

func checkConflict(s string) error {
	if _, ok := conflictRules[s]; !ok {
		return fmt.Errorf("%q is neither auto, reject nor replace", s)
	}
	return nil
}

func checkJitter(s string) error {
	if _, ok := jitterRules[s]; !ok {
		return fmt.Errorf("%q is neither full, zero nor off", s)
	}
	return nil
}

func checkLatency(s string) error {
	_, err := parseLatency(s)
	return err
}

func (a *Application) parseGOPCache(d *caddyfile.Dispenser) error {
	a.GOPCache = new(GOPCache)
	args := d.RemainingArgs()
	if len(args) == 1 && args[0] == "off" {
		a.GOPCache.Off = true
		return nil
	}
	return a.GOPCache.parse(d, args)
}

func (a *Application) parseLag(d *caddyfile.Dispenser) error {
	a.Lag = new(Bound)
	return a.Lag.parse(d, d.RemainingArgs())
}

func (b *Bound) parse(d *caddyfile.Dispenser, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return d.ArgErr()
	}
	if err := parseDuration(d, args[0], &b.Duration); err != nil {
		return err
	}
	if len(args) == 2 {
		size, err := humanize.ParseBytes(args[1])
		if err != nil || size == 0 || size > 1<<40 {
			return d.Errf("%q is no size; write it like 16MiB", args[1])
		}
		b.Size = int64(size)
	}
	return nil
}

func (a *Application) parseWait(d *caddyfile.Dispenser) error {
	a.Wait = new(caddy.Duration)
	var text string
	if !d.AllArgs(&text) {
		return d.ArgErr()
	}
	if text == "0" {
		return nil
	}
	return parseDuration(d, text, a.Wait)
}

// durationOption parses `<name> <duration>`.
func durationOption(to *caddy.Duration) option {
	return func(d *caddyfile.Dispenser) error {
		var text string
		if !d.AllArgs(&text) {
			return d.ArgErr()
		}
		return parseDuration(d, text, to)
	}
}

func parseDuration(d *caddyfile.Dispenser, text string, to *caddy.Duration) error {
	duration, err := caddy.ParseDuration(text)
	if err != nil || duration <= 0 {
		return d.Errf("%q is no duration; write it like 500ms, 10s or 2m", text)
	}
	*to = caddy.Duration(duration)
	return nil
}

// textOption parses `<name> <text>`, where check may refuse the text.
func textOption(to *string, check func(string) error) option {
	return func(d *caddyfile.Dispenser) error {
		if !d.AllArgs(to) {
			return d.ArgErr()
		}
		if err := check(*to); err != nil {
			return d.WrapErr(err)
		}
		return nil
	}
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*App)(nil)
	_ caddyfile.Unmarshaler = (*Access)(nil)
)
