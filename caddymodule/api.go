package caddymodule

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-rtmp/caddy-rtmp/stats"
)

func init() {
	caddy.RegisterModule(new(APIHandler))
}

// Version is the version of caddy-rtmp that the API tells.
const Version = "0.1.0"

// APIHandler serves SRS's HTTP API below `/api/`, what happens at `/api/v1/events`, which ends with a configuration, and
// what back ends were told below `/api/v1/hooks/`. Other paths go to the next handler; if that has nothing for `/`, the index
// is there. It does not load without an Auth: the API shows who watches what, and ends sessions.
type APIHandler struct {
	// Auth says who may call. It must be given.
	Auth *APIAuth `json:"auth,omitempty"`

	api http.Handler
}

// CaddyModule returns the Caddy module information.
func (*APIHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.rtmp_api", New: func() caddy.Module { return new(APIHandler) }}
}

// Provision sets up the handler.
func (h *APIHandler) Provision(ctx caddy.Context) error {
	app, err := configuredApp(ctx)
	if err != nil {
		return err
	}
	if h.Auth.empty() {
		return errNoAPIAuth
	}
	if err := h.Auth.provision(ctx); err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	h.api = app.engine.apiHandler(ctx.Done(), h.Auth.byToken)
	return nil
}

// Cleanup ends what the authentication has begun.
func (h *APIHandler) Cleanup() error { return h.Auth.cleanup() }

// ServeHTTP answers an API request of an authenticated caller, or passes on. A CORS preflight goes before authentication,
// since browsers send it without.
func (h *APIHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	switch path := r.URL.Path; {
	case path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		return h.serveRoot(w, r, next)
	case path != "/api" && !strings.HasPrefix(path, "/api/"):
		return next.ServeHTTP(w, r)
	}
	return h.serve(w, r)
}

// serve answers a request to the API.
func (h *APIHandler) serve(w http.ResponseWriter, r *http.Request) error {
	if stats.CORS(w, r) {
		return nil
	}
	w.Header().Set("Cache-Control", "no-store")
	return h.Auth.serve(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		h.api.ServeHTTP(w, r)
		return nil
	}))
}

// Interface guards
var (
	_ caddy.Provisioner           = (*APIHandler)(nil)
	_ caddy.CleanerUpper          = (*APIHandler)(nil)
	_ caddyhttp.MiddlewareHandler = (*APIHandler)(nil)
)
