package stats

import (
	"net/url"
	"strings"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A view is what one answer is made of: the hub at one moment.
type view struct {
	live.Snapshot
	api      *API
	now      time.Time
	vhostIDs map[string]string // by name
	openers  map[string]live.SessionInfo
}

func (a *API) view() *view {
	v := &view{Snapshot: a.Hub.Snapshot(), api: a, now: time.Now(), vhostIDs: make(map[string]string)}
	for _, info := range v.Vhosts {
		v.vhostIDs[info.Name] = info.ID
	}
	return v
}

// opener returns the session that a stream's tcUrl is taken from: its publisher, or the first of those that wait for one.
func (v *view) opener(s *live.StreamInfo) live.SessionInfo {
	if s.Publisher != nil {
		return *s.Publisher
	}
	if v.openers == nil {
		v.openers = make(map[string]live.SessionInfo)
		for _, ses := range v.Sessions {
			if first, ok := v.openers[ses.StreamID]; !ok || ses.Began.Before(first.Began) {
				v.openers[ses.StreamID] = ses
			}
		}
	}
	return v.openers[s.ID]
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
