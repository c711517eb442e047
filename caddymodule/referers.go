package caddymodule

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// referers are domains of the pages on which clients may be embedded, with their subdomains. none stands for clients that
// name no page.
type referers []string

// noReferer is the name for clients that name no page.
const noReferer = "none"

// checkReferers refuses what is no domain.
func checkReferers(list []string) error {
	for _, d := range list {
		if d == "" || d != refererHost("//"+d) {
			return fmt.Errorf("the referer %q is no domain; write it in lower case, like example.com, for its subdomains too", d)
		}
	}
	return nil
}

// check refuses a client that is embedded elsewhere. What RTMP clients say is their pageUrl, what HTTP clients say is
// their Referer or Origin; any client may say anything, so this keeps browsers out and nobody else.
func (d referers) check(r *live.Request) error {
	if len(d) == 0 {
		return nil
	}
	host := refererHost(r.PageURL)
	if host == "" {
		if slices.Contains(d, noReferer) {
			return nil
		}
		return live.Refuse(live.ErrDenied, "you may not %s without a page that says where you come from", r.Action)
	}
	for _, domain := range d {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return nil
		}
	}
	return live.Refuse(live.ErrDenied, "you may not %s on pages of %s", r.Action, host)
}

// refererHost returns the host of a page's URL, in lower case; empty if there is none.
func refererHost(page string) string {
	u, err := url.Parse(page)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
}
