package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/audio"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/flv"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/hls"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/httplive"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/mpegts"
)

func init() {
	caddy.RegisterModule(new(FLVHandler))
	caddy.RegisterModule(new(TSHandler))
	caddy.RegisterModule(new(AudioHandler))
	caddy.RegisterModule(new(HLSHandler))
}

// FLVHandler plays streams as FLV at `/{app}/{stream}.flv`, over HTTP and WebSocket. Other paths go to the next handler.
type FLVHandler struct{ Handler }

// TSHandler plays streams as MPEG-TS at `/{app}/{stream}.ts`, over HTTP and WebSocket. Other paths go to the next handler.
type TSHandler struct{ Handler }

// AudioHandler plays the sound of streams alone, AAC at `/{app}/{stream}.aac` and MP3 at `/{app}/{stream}.mp3`. Other paths
// go to the next handler.
type AudioHandler struct{ Handler }

// HLSHandler plays streams by HLS at `/{app}/{stream}.m3u8` and `/{app}/{stream}/index.m3u8`, with all its objects below
// `/{app}/{stream}/`. Other paths go to the next handler.
type HLSHandler struct{ Handler }

// Handler is what the handlers that play have in common.
type Handler struct {
	// Apps are the RTMP apps to play; others go to the next handler. Default: all.
	Apps []string `json:"apps,omitempty"`

	// Vhosts are the vhosts to play, by any of their names; `__defaultVhost__` is the default one. Requests for others go
	// to the next handler, also those that name another by `?vhost=`. Default: all.
	Vhosts []string `json:"vhosts,omitempty"`

	app    *App
	player player
}

// A player is one of the handlers below Caddy.
type player interface {
	Match(r *http.Request) bool
	Serve(w http.ResponseWriter, r *http.Request) error
}

// CaddyModule returns the Caddy module information.
func (*FLVHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.rtmp_flv", New: func() caddy.Module { return new(FLVHandler) }}
}

// CaddyModule returns the Caddy module information.
func (*TSHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.rtmp_ts", New: func() caddy.Module { return new(TSHandler) }}
}

// CaddyModule returns the Caddy module information.
func (*AudioHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.rtmp_audio", New: func() caddy.Module { return new(AudioHandler) }}
}

// CaddyModule returns the Caddy module information.
func (*HLSHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.rtmp_hls", New: func() caddy.Module { return new(HLSHandler) }}
}

// Provision sets up the handler.
func (h *FLVHandler) Provision(ctx caddy.Context) error {
	if err := h.provision(ctx); err != nil {
		return err
	}
	h.player = h.continuous(flv.Format())
	return nil
}

// Provision sets up the handler.
func (h *TSHandler) Provision(ctx caddy.Context) error {
	if err := h.provision(ctx); err != nil {
		return err
	}
	h.player = h.continuous(mpegts.Format())
	return nil
}

// Provision sets up the handler.
func (h *AudioHandler) Provision(ctx caddy.Context) error {
	if err := h.provision(ctx); err != nil {
		return err
	}
	h.player = anyOf{h.continuous(audio.AAC()), h.continuous(audio.MP3())}
	return nil
}

// continuous returns the player of a continuous format.
func (h *Handler) continuous(f httplive.Format) player {
	return &httplive.Handler{Hub: h.app.engine.hub, Format: f, Began: began, Bound: boundWrites}
}

// anyOf is the players of several kinds of files.
type anyOf []player

// Match tells whether there is a player for r.
func (a anyOf) Match(r *http.Request) bool { return a.find(r) != nil }

// Serve lets the first player serve that r is for.
func (a anyOf) Serve(w http.ResponseWriter, r *http.Request) error { return a.find(r).Serve(w, r) }

func (a anyOf) find(r *http.Request) player {
	for _, p := range a {
		if p.Match(r) {
			return p
		}
	}
	return nil
}

// Provision sets up the handler.
func (h *HLSHandler) Provision(ctx caddy.Context) error {
	if err := h.provision(ctx); err != nil {
		return err
	}
	h.player = &hls.Handler{Server: h.app.engine.hls, Config: h.app.engine.hlsConfig, Began: began}
	return nil
}

// provision finds the app, which is set up first, whatever the order of the configuration.
func (h *Handler) provision(ctx caddy.Context) error {
	app, err := configuredApp(ctx)
	if err != nil {
		return err
	}
	h.app = app
	for i, name := range h.Vhosts {
		vhost := app.policy.Vhosts[vhostName(name)]
		if vhost == "" && vhostName(name) != vhostName(live.DefaultVhost) {
			return fmt.Errorf("there is no vhost %q in the rtmp app", name)
		}
		h.Vhosts[i] = cmp.Or(vhost, live.DefaultVhost)
	}
	return nil
}

// configuredApp returns the rtmp app of this configuration. ctx.App would make an empty one.
func configuredApp(ctx caddy.Context) (*App, error) {
	v, err := ctx.AppIfConfigured(appName)
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, fmt.Errorf("the rtmp app is not configured; add the global option \"rtmp\": %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("getting the rtmp app: %w", err)
	}
	return v.(*App), nil //nolint:errcheck // the only app of that name
}

// ServeHTTP plays the stream that the path names, or passes on.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !h.player.Match(r) || !h.plays(r) {
		return next.ServeHTTP(w, r)
	}
	r = withClientAddress(r)
	if err := h.player.Serve(w, r); err != nil {
		return refuse(w, r, err)
	}
	return nil
}

// refuse answers a request that was not served, or lets the site's own error pages do so.
func refuse(w http.ResponseWriter, r *http.Request, err error) error {
	if r.Context().Err() != nil {
		w.WriteHeader(statusClientGone) // for the log; it is nobody's fault
		return nil
	}
	if server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server.Errors != nil {
		w.Header().Set("Cache-Control", "no-store") // a stream that is missing now may be there soon
		status := httplive.Status(err)
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", httplive.Challenge(err))
		}
		return caddyhttp.Error(status, err) // the site has error pages of its own
	}
	httplive.WriteError(w, err)
	return nil
}

// boundWrites lets Caddy's own deadline bound each Write of a stream, in the place of one beside it, and lets each go to the
// socket in one piece. Caddy cuts writes into pieces, so that its deadline for each bounds only a standstill; write_timeout
// is meant for a whole batch. A rate that the server demands cannot be held by a stream, which gives no more than it has.
func boundWrites(r *http.Request, limit time.Duration) bool {
	_, w := caddyhttp.IdleTimeoutsFromContext(r.Context())
	if w == nil || limit <= 0 {
		return false
	}
	w.Override(limit, 0, math.MaxInt) // what it returns would undo that, but the writer ends with the request
	return true
}

// statusClientGone is the status that the access log shows for a viewer that left while it waited for a publisher, the
// same as Caddy's for a client that leaves a proxy waiting.
const statusClientGone = 499

// plays tells whether the app of a request and its vhost are among those to be played.
func (h *Handler) plays(r *http.Request) bool {
	app, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if len(h.Apps) > 0 && !slices.Contains(h.Apps, app) {
		return false
	}
	key := live.Key{Vhost: httplive.Vhost(r)}
	return len(h.Vhosts) == 0 || slices.Contains(h.Vhosts, h.app.engine.hub.Resolve(key).Vhost)
}

// withClientAddress returns r with the address of the client instead of a proxy's, where the server trusts that proxy.
func withClientAddress(r *http.Request) *http.Request {
	client, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	host, port, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		port = "0" // a Unix socket
	}
	if _, err := netip.ParseAddr(client); err != nil || host == client {
		return r
	}
	clone := *r
	clone.RemoteAddr = net.JoinHostPort(client, port)
	return &clone
}

// began makes a viewer's session known to the access log and to placeholders.
func began(r *http.Request, ses *live.Session) {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		setPlaceholders(repl, &ses.Request)
		repl.Set("rtmp.session.id", ses.ID)
	}
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.Logs == nil {
		return // nothing is logged of requests
	}
	if fields, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		fields.Set(zap.String("rtmp_app", ses.Key.App))
		fields.Set(zap.String("rtmp_stream", ses.Key.Name))
		fields.Set(zap.String("rtmp_session", ses.ID))
	}
}

// Interface guards
var (
	_ caddy.Provisioner           = (*FLVHandler)(nil)
	_ caddy.Provisioner           = (*TSHandler)(nil)
	_ caddy.Provisioner           = (*AudioHandler)(nil)
	_ caddy.Provisioner           = (*HLSHandler)(nil)
	_ caddyhttp.MiddlewareHandler = (*FLVHandler)(nil)
	_ caddyhttp.MiddlewareHandler = (*TSHandler)(nil)
	_ caddyhttp.MiddlewareHandler = (*AudioHandler)(nil)
	_ caddyhttp.MiddlewareHandler = (*HLSHandler)(nil)
)
