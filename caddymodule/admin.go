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

// AdminAPI adds to Caddy's admin endpoint what the command "caddy rtmp" needs:
//
//	/rtmp/hooks/…   what back ends were told: see outbox.Handler
type AdminAPI struct{}

// CaddyModule returns the Caddy module information.
func (*AdminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.rtmp", New: func() caddy.Module { return new(AdminAPI) }}
}

// Routes returns the routes of the admin endpoint.
func (a *AdminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: adminPath + "/hooks/", Handler: withEngine(func(e *engine) http.Handler {
			return http.StripPrefix(adminPath+"/hooks", e.deliveries())
		})},
	}
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
var _ caddy.AdminRouter = (*AdminAPI)(nil)
