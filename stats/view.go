package stats

import (
	"net/url"
	"strings"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A view is what the rows of one answer have in common.
type view struct {
	api      *API
	now      time.Time
	vhostIDs map[string]string // by name, as far as they were asked for
}

func (a *API) view() *view { return &view{api: a, now: time.Now(), vhostIDs: make(map[string]string)} }

func (v *view) vhostID(name string) string {
	id, ok := v.vhostIDs[name]
	if !ok {
		id = v.api.Hub.VhostID(name)
		v.vhostIDs[name] = id
	}
	return id
}

// asksKey tells whether a query asks for a stream of this key and id.
func (v *view) asksKey(query url.Values, k live.Key, id string) bool {
	return asks(query, "app", k.App) && asks(query, "stream", k.Name, id) &&
		(!query.Has("vhost") || asks(query, "vhost", k.Vhost, v.vhostID(k.Vhost)))
}

// tcURL returns the URL without the stream: RTMP's own, or what SRS makes up for HTTP.
func tcURL(r *live.Request) string {
	if r.TCURL != "" || r.Host == "" {
		return r.TCURL
	}
	u := url.URL{Scheme: "http", Host: r.Host, Path: "/" + r.Key.App}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	if strings.Contains(r.Host, ":") && !strings.HasPrefix(r.Host, "[") {
		u.Host = "[" + r.Host + "]" // an IPv6 address
	}
	return u.String()
}
