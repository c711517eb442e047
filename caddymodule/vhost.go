package caddymodule

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// Vhost is a name space of its own: streams and apps of one vhost are not those of another, whatever their names. A client
// selects it as in SRS: by `?vhost=` or `?domain=` in the query of its URL, by RTMP's old form `app...vhost...name`, else by
// the host of its URL.
type Vhost struct {
	// Aliases are further names of the vhost, under which the same streams are found. `*.example.com` stands for every name
	// with one label in place of the asterisk that no vhost has otherwise. Default: none.
	Aliases []string `json:"aliases,omitempty"`

	// Applications are the vhost's apps, by name. `*` stands for every app that has no entry of its own here; apps of the
	// default vhost do not exist here. Default: `*` with its defaults.
	Applications map[string]*Application `json:"applications,omitempty"`
}

// provisionVhosts sets up the vhosts and the names under which clients find them.
func (a *App) provisionVhosts(ctx caddy.Context) error {
	repl := caddy.NewReplacer()
	vhosts := make(map[string]*Vhost, len(a.Vhosts))
	names := make(map[string]string)
	for _, raw := range slices.Sorted(maps.Keys(a.Vhosts)) {
		v := a.Vhosts[raw]
		if v == nil { // null in JSON
			v = new(Vhost)
		}
		name := vhostName(repl.ReplaceAll(raw, ""))
		if strings.HasPrefix(name, "*") {
			return fmt.Errorf("vhost %q: a name with an asterisk may only be a further name", name)
		}
		for _, alias := range append([]string{name}, v.Aliases...) {
			alias = vhostName(repl.ReplaceAll(alias, ""))
			if err := checkVhostName(alias); err != nil {
				return fmt.Errorf("vhost %q: %w", raw, err)
			}
			if other, ok := names[alias]; ok {
				return fmt.Errorf("vhost %q: the name %q belongs to the vhost %q already", raw, alias, other)
			}
			names[alias] = name
		}
		v.Applications = withDefaultApplication(v.Applications)
		if err := provisionApplications(ctx, v.Applications, a.logger.With(zap.String("vhost", name))); err != nil {
			return fmt.Errorf("vhost %q: %w", raw, err)
		}
		vhosts[name] = v
	}
	a.Vhosts, a.vhostNames = vhosts, names
	return nil
}

// vhostName returns a name in the form in which live looks it up.
func vhostName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// maxVhostName is the longest name of the DNS.
const maxVhostName = 253

// checkVhostName refuses what no client can ask for, or would read as something else in a URL.
func checkVhostName(s string) error {
	name := strings.TrimPrefix(s, "*.")
	odd := func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune(".-_", c)
	}
	switch {
	case s == vhostName(live.DefaultVhost):
		return errors.New("the apps of the default vhost are those outside of all vhosts")
	case name == "":
		return errors.New("a name is empty")
	case len(s) > maxVhostName:
		return fmt.Errorf("the name %q is longer than %d bytes", s, maxVhostName)
	case strings.ContainsFunc(name, odd):
		return fmt.Errorf("%q is no host name; it must have neither scheme, port nor path", s)
	}
	return nil
}

// withDefaultApplication returns apps, or the one for all if there is none.
func withDefaultApplication(apps map[string]*Application) map[string]*Application {
	if len(apps) == 0 {
		return map[string]*Application{anyApplication: {}}
	}
	return apps
}

func provisionApplications(ctx caddy.Context, apps map[string]*Application, logger *zap.Logger) error {
	for name, app := range apps {
		if app == nil { // null in JSON
			app = new(Application)
			apps[name] = app
		}
		if err := app.provision(ctx, logger.With(zap.String("app", name))); err != nil {
			return fmt.Errorf("application %q: %w", name, err)
		}
	}
	return nil
}

// applications returns the apps of a vhost, nil if it is not declared.
func (a *App) applications(vhost string) map[string]*Application {
	if vhost == live.DefaultVhost || vhost == "" {
		return a.Applications
	}
	if v := a.Vhosts[vhost]; v != nil {
		return v.Applications
	}
	return nil
}

// application returns the application of a stream, nil if there is none.
func (a *App) application(k live.Key) *Application {
	apps := a.applications(k.Vhost)
	if app := apps[k.App]; app != nil && k.App != anyApplication {
		return app
	}
	return apps[anyApplication]
}

// errNoApplication is what the clients of an app that does not exist are told.
func errNoApplication(k live.Key) error {
	if k.Vhost == live.DefaultVhost {
		return live.Refuse(live.ErrApp, "there is no app %q on this server", k.App)
	}
	return live.Refuse(live.ErrApp, "there is no app %q on the vhost %s", k.App, k.Vhost)
}

// hlsFragment tells whether a vhost has HLS, and how long its segments are: those of `*`, or of its first app by name.
func (e *engine) hlsFragment(vhost string) (fragment time.Duration, enabled bool) {
	a := e.current.Load()
	if a == nil {
		return 0, false
	}
	apps := a.applications(vhost)
	for _, name := range append([]string{anyApplication}, slices.Sorted(maps.Keys(apps))...) {
		if app := apps[name]; app != nil {
			return time.Duration(app.HLS.Segment), true
		}
	}
	return 0, false
}
