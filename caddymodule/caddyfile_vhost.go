package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// applicationOption parses `app <name>` with its block and adds it to apps.
func applicationOption(apps map[string]*Application) option {
	return func(d *caddyfile.Dispenser) error {
		var name string
		if !d.AllArgs(&name) {
			return d.ArgErr()
		}
		if apps[name] != nil {
			return d.Errf("the app %q is configured already", name)
		}
		app := new(Application)
		if err := app.parse(d); err != nil {
			return err
		}
		apps[name] = app
		return nil
	}
}

// parseVhost parses `vhost <name> [<alias...>]` with its block.
func (a *App) parseVhost(d *caddyfile.Dispenser) error {
	names := d.RemainingArgs()
	if len(names) == 0 {
		return d.Err("a vhost needs a host name, such as tv.example.com")
	}
	name := names[0]
	if strings.HasPrefix(name, "*") {
		return d.Errf("the first name of a vhost is its own; %q can only be a further one", name)
	}
	if a.Vhosts[name] != nil {
		return d.Errf("the vhost %q is configured already", name)
	}
	for _, name := range names {
		if strings.Contains(name, "{") {
			continue // a placeholder, which is not known yet
		}
		if err := checkVhostName(vhostName(name)); err != nil {
			return d.WrapErr(err)
		}
	}
	v := &Vhost{Aliases: names[1:], Applications: make(map[string]*Application)}
	if err := parseBlock(d, "vhost", map[string]option{"app": applicationOption(v.Applications)}); err != nil {
		return err
	}
	if a.Vhosts == nil {
		a.Vhosts = make(map[string]*Vhost)
	}
	a.Vhosts[name] = v
	return nil
}
