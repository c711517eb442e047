package stats

import (
	"slices"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

type vhostsBody struct {
	envelope
	Vhosts []vhostRow `json:"vhosts"`
}

type vhostBody struct {
	envelope
	Vhost vhostRow `json:"vhost"`
}

type vhostRow struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Enabled   bool   `json:"enabled"`
	Clients   int    `json:"clients"` // publishers too
	Streams   int    `json:"streams"` // with a publisher
	SendBytes int64  `json:"send_bytes"`
	RecvBytes int64  `json:"recv_bytes"`
	Kbps      Kbps   `json:"kbps"`
	HLS       hlsRow `json:"hls"`
}

type hlsRow struct {
	Enabled  bool     `json:"enabled"`
	Fragment *decimal `json:"fragment,omitempty"` // in seconds
}

func (a *API) vhosts(r *request) (any, error) {
	if err := r.readOnly(); err != nil {
		return nil, err
	}
	v := a.view()
	if r.id != "" {
		i := slices.IndexFunc(v.Vhosts, func(info live.VhostInfo) bool { return info.ID == r.id })
		if i < 0 {
			return nil, codeVhostNotFound
		}
		return vhostBody{a.envelope(), v.vhostRow(&v.Vhosts[i])}, nil
	}
	rows := make([]vhostRow, 0, len(v.Vhosts))
	for i := range v.Vhosts {
		rows = append(rows, v.vhostRow(&v.Vhosts[i]))
	}
	return vhostsBody{a.envelope(), rows}, nil
}

func (v *view) vhostRow(info *live.VhostInfo) vhostRow {
	row := vhostRow{
		ID:        info.ID,
		Name:      info.Name,
		Enabled:   true, // a vhost that is not enabled has no sessions
		Clients:   info.Sessions,
		Streams:   info.Streams,
		SendBytes: info.Totals.Sent,
		RecvBytes: info.Totals.Received,
		Kbps:      v.api.Rates.Of(info.ID),
	}
	if v.api.HLS == nil {
		return row
	}
	if fragment, ok := v.api.HLS(info.Name); ok {
		row.HLS = hlsRow{Enabled: true, Fragment: new(decimal(fragment.Seconds()))}
	}
	return row
}
