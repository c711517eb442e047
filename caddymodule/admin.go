package caddymodule

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(new(AdminAPI))
}

// adminPath is where the admin endpoint has what is ours.
const adminPath = "/rtmp"

// AdminAPI adds to Caddy's admin endpoint, which is the operator's own, what the command "caddy rtmp" needs:
//
//	/rtmp/api/…     all that the rtmp_api handler has below /api/, without an authentication of its own
//	/rtmp/hooks/…   what back ends were told: see outbox.Handler
type AdminAPI struct {
	done <-chan struct{} // closed when the configuration is replaced
}

// CaddyModule returns the Caddy module information.
func (*AdminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.rtmp", New: func() caddy.Module { return new(AdminAPI) }}
}

// Provision notes how long the configuration lasts.
func (a *AdminAPI) Provision(ctx caddy.Context) error {
	a.done = ctx.Done()
	return nil
}

// Routes returns the routes of the admin endpoint.
func (a *AdminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: adminPath + "/api/", Handler: withEngine(func(e *engine) http.Handler {
			return http.StripPrefix(adminPath, withoutOrigin(e.apiHandler(a.done, nil)))
		})},
		{Pattern: adminPath + "/hooks/", Handler: withEngine(func(e *engine) http.Handler {
			return http.StripPrefix(adminPath+"/hooks", e.deliveries())
		})},
	}
}

// withoutOrigin hides which page a request comes from. The admin endpoint has judged that, and answers with headers of its
// own; those of the API let in the pages of all sites.
func withoutOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Origin")
		next.ServeHTTP(w, r)
	})
}

// withEngine answers with the handler of the engine that there is. It is looked up for each request: the admin endpoint
// is there before the app.
func withEngine(handler func(e *engine) http.Handler) caddy.AdminHandler {
	return caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		e := currentEngine()
		if e == nil {
			return caddy.APIError{
				HTTPStatus: http.StatusNotFound,
				Err:        errors.New("the configuration has no rtmp app; add the rtmp global option to it"),
			}
		}
		handler(e).ServeHTTP(w, r)
		return nil
	})
}

// Interface guards
var (
	_ caddy.AdminRouter = (*AdminAPI)(nil)
	_ caddy.Provisioner = (*AdminAPI)(nil)
)
