package stats

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// maxBan is the longest ban. A ban does not outlive the process anyway.
const maxBan = 365 * 24 * time.Hour

type bansBody struct {
	envelope
	Total int      `json:"total"` // of all pages
	Bans  []banRow `json:"bans"`
}

type banBody struct {
	envelope
	Ban banRow `json:"ban"`
}

// A banRow tells of a ban. What it does not hold for in particular is missing: it holds for all of that.
type banRow struct {
	ID     string `json:"id"`
	IP     string `json:"ip,omitempty"` // an IPv4 address, or the /64 of an IPv6 address
	Vhost  string `json:"vhost,omitempty"`
	App    string `json:"app,omitempty"`
	Stream string `json:"stream,omitempty"`
	Action string `json:"action,omitempty"` // publish or play

	Began time.Time `json:"began"`
	Until time.Time `json:"until"`
	Left  decimal   `json:"left"` // seconds
}

func newBanRow(b *live.Ban) banRow {
	row := banRow{
		ID:    b.ID,
		Began: b.Began.UTC().Truncate(time.Millisecond),
		Until: b.Until.UTC().Truncate(time.Millisecond),
		Left:  decimal(time.Until(b.Until).Seconds()),
	}
	if b.Origin.IsValid() {
		row.IP = originText(b.Origin)
	}
	if b.Key != (live.Key{}) {
		row.Vhost, row.App, row.Stream, row.Action = b.Key.Vhost, b.Key.App, b.Key.Name, b.Action.String()
	}
	return row
}

// originText renders one address as such.
func originText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func (a *API) bans(r *request) (any, error) {
	switch {
	case r.method == http.MethodDelete && r.id != "":
		if !a.Hub.LiftBan(r.id) {
			return nil, codeBanNotFound
		}
		a.bansChanged()
		return a.envelope(), nil
	case r.readOnly() != nil:
		return nil, notAllowed("GET, HEAD, DELETE, OPTIONS")
	}
	all := a.Hub.Bans()
	if r.id != "" {
		i := slices.IndexFunc(all, func(b live.Ban) bool { return b.ID == r.id })
		if i < 0 {
			return nil, codeBanNotFound
		}
		return banBody{a.envelope(), newBanRow(&all[i])}, nil
	}
	list := page(all, r.query)
	rows := make([]banRow, 0, len(list))
	for i := range list {
		rows = append(rows, newBanRow(&list[i]))
	}
	return bansBody{a.envelope(), len(all), rows}, nil
}

// kick ends a session, and bans its client if the query says so. Its protocol closes the connection a moment after the
// answer.
func (a *API) kick(id string, query url.Values) (any, error) {
	if !query.Has("ban") && !query.Has("by") {
		if !a.Hub.Kick(id) {
			return nil, codeClientNotFound
		}
		return a.envelope(), nil
	}
	d, ok := banTime(query.Get("ban"))
	by, known := banBy[query.Get("by")]
	if !ok || !known {
		return nil, codeParameter
	}
	ban, err := a.Hub.Ban(id, by, d)
	switch {
	case errors.Is(err, live.ErrNoSession):
		return nil, codeClientNotFound
	case errors.Is(err, live.ErrNoAddress):
		return nil, codeParameter
	case err != nil:
		return nil, codeTooManyBans
	}
	a.bansChanged()
	return banBody{a.envelope(), newBanRow(&ban)}, nil
}

func (a *API) bansChanged() {
	if a.BansChanged != nil {
		a.BansChanged()
	}
}

// banBy are the values of by=.
var banBy = map[string]live.BanBy{
	"":               live.BanAddress,
	"address":        live.BanAddress,
	"stream":         live.BanStream,
	"address,stream": live.BanAddress | live.BanStream,
	"stream,address": live.BanAddress | live.BanStream,
}

// banTime reads the value of ban=: a duration such as 10m or 1h30m, or seconds.
func banTime(text string) (d time.Duration, ok bool) {
	d, err := time.ParseDuration(text)
	if err != nil {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return 0, false
		}
		d = time.Duration(seconds) * time.Second
	}
	return d, 0 < d && d <= maxBan
}
