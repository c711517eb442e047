package caddymodule

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
)

// Login is a server that knows who is logged in, as Caddy's `forward_auth` asks one.
type Login struct {
	// URL is asked. It must be given. Placeholders are replaced.
	URL string `json:"url,omitempty"`

	// Timeout bounds a question. Default: 5s; at most 30s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// UserHeader is the header of an answer that says who the client is. Default: `Remote-User`.
	UserHeader string `json:"user_header,omitempty"`

	// TLS says how to verify the server of an `https://` URL. Default: against the system's authorities.
	TLS *reverseproxy.TLSConfig `json:"tls,omitempty"`
}

var errNoLoginURL = errors.New("forward needs the URL to ask")

// target checks the configuration and returns the URL.
func (l *Login) target() (*url.URL, error) {
	if l.URL == "" {
		return nil, errNoLoginURL
	}
	if l.Timeout < 0 || l.Timeout > caddy.Duration(hooks.MaxTimeout) {
		return nil, fmt.Errorf("a timeout of %s is not between 0 and %s", time.Duration(l.Timeout), hooks.MaxTimeout)
	}
	return hooks.ParseURL(caddy.NewReplacer().ReplaceAll(l.URL, ""))
}

// parse parses what follows forward.
//
//	<url> {
//		timeout     <duration>
//		user_header <name>
//		tls {
//			...
//		}
//	}
func (l *Login) parse(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.Err(errNoLoginURL.Error())
	}
	l.URL = d.Val()
	if d.NextArg() {
		return d.ArgErr()
	}
	return parseBlock(d, "forward", map[string]option{
		"timeout":     durationOption(&l.Timeout),
		"user_header": wordOption(&l.UserHeader),
		"tls":         clientTLSOption(&l.TLS),
	})
}
