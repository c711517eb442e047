package caddymodule

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// OnReload says what becomes of publishers and viewers when a new configuration has taken the place of the one before. A
// reload that fails harms nobody. Streams of apps that are gone end in any case.
type OnReload struct {
	// Policy is `keep`, `reauthorize` or `close`. `keep` lets them stay. `reauthorize` asks the new rules about them, and
	// whether the secret or password that they have used is still there; neither hooks nor tokens that expire by themselves
	// are asked again. Of an HTTP viewer the rules see the address, the query, the page and the user agent, not the rest of
	// its header. `close` ends them after Delay, whatever the rules say; who comes again is asked again. Default: `keep`.
	Policy string `json:"policy,omitempty"`

	// Delay is the time to go on that `close` leaves. Default: 0.
	Delay caddy.Duration `json:"delay,omitempty"`
}

// The policies of OnReload.
const (
	reloadKeep        = "keep"
	reloadReauthorize = "reauthorize"
	reloadClose       = "close"
)

func (o *OnReload) check() error {
	switch {
	case o.Delay < 0:
		return errNegative(o.Delay)
	case o.Delay > 0 && o.Policy != reloadClose:
		return fmt.Errorf("on_reload: a delay goes with the policy %s", reloadClose)
	}
	switch o.Policy {
	case "", reloadKeep, reloadReauthorize, reloadClose:
		return nil
	}
	return fmt.Errorf("on_reload %q is neither %s, %s nor %s", o.Policy, reloadKeep, reloadReauthorize, reloadClose)
}

// askingTime is longer than a guard may take for its answer.
const askingTime = 40 * time.Second

// succeed deals with the sessions of the configuration before, which has just been withdrawn.
func (a *App) succeed() {
	switch a.OnReload.Policy {
	case reloadReauthorize:
		a.engine.hub.Review(a.reauthorize)
		// Once more for those about whom the configuration before was being asked.
		a.review = time.AfterFunc(askingTime, func() { a.engine.hub.Review(a.reauthorize) })
	case reloadClose:
		a.review = time.AfterFunc(time.Duration(a.OnReload.Delay), func() {
			a.engine.hub.Review(func(s *live.SessionInfo) error {
				if a.admitted(s) {
					return nil
				}
				return live.ErrReloaded
			})
		})
	}
}

// admitted tells whether a session was certainly admitted by this configuration.
func (a *App) admitted(s *live.SessionInfo) bool { return !s.Began.Before(a.activated) }

// reauthorize returns why a session of an older configuration must end.
func (a *App) reauthorize(s *live.SessionInfo) error {
	if a.admitted(s) {
		return nil
	}
	app := a.application(s.Key)
	if app == nil {
		return errNoApplication(s.Key)
	}
	return app.access(s.Action).review(s)
}

// parseOnReload parses `on_reload keep|reauthorize|close <delay>`.
func (a *App) parseOnReload(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 || len(args) > 2 || (len(args) == 2) != (args[0] == reloadClose) {
		return d.Errf("on_reload is %s, %s or %s with a delay, such as: on_reload %[3]s 30s", reloadKeep, reloadReauthorize, reloadClose)
	}
	a.OnReload.Policy = args[0]
	if len(args) == 2 {
		return parseDuration(d, args[1], &a.OnReload.Delay)
	}
	if err := a.OnReload.check(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}
