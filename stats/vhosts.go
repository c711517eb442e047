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
	list := a.Hub.Vhosts()
	if r.id != "" {
		i := slices.IndexFunc(list, func(info live.VhostInfo) bool { return info.ID == r.id })
		if i < 0 {
			return nil, codeVhostNotFound
		}
		return vhostBody{a.envelope(), a.vhostRow(&list[i])}, nil
	}
	list = slices.DeleteFunc(list, func(info live.VhostInfo) bool { return !asks(r.query, "vhost", info.Name, info.ID) })
	if err := a.vhostRanks().arrange(list, r.query); err != nil {
		return nil, err
	}
	rows := make([]vhostRow, 0, len(list))
	for i := range list {
		rows = append(rows, a.vhostRow(&list[i]))
	}
	return vhostsBody{a.envelope(), rows}, nil
}

func (a *API) vhostRanks() ranks[live.VhostInfo] {
	return ranks[live.VhostInfo]{
		"id":         func(v live.VhostInfo) rank { return byText(v.ID) },
		"name":       func(v live.VhostInfo) rank { return byText(v.Name) },
		"clients":    func(v live.VhostInfo) rank { return byNumber(v.Sessions) },
		"streams":    func(v live.VhostInfo) rank { return byNumber(v.Streams) },
		"send_bytes": func(v live.VhostInfo) rank { return byNumber(v.Totals.Sent) },
		"recv_bytes": func(v live.VhostInfo) rank { return byNumber(v.Totals.Received) },
		"send_30s":   func(v live.VhostInfo) rank { return byNumber(a.Rates.Of(v.ID).Send) },
		"recv_30s":   func(v live.VhostInfo) rank { return byNumber(a.Rates.Of(v.ID).Recv) },
	}
}

func (a *API) vhostRow(info *live.VhostInfo) vhostRow {
	row := vhostRow{
		ID:        info.ID,
		Name:      info.Name,
		Enabled:   true, // a vhost that is not enabled has no sessions
		Clients:   info.Sessions,
		Streams:   info.Streams,
		SendBytes: info.Totals.Sent,
		RecvBytes: info.Totals.Received,
		Kbps:      a.Rates.Of(info.ID),
	}
	if a.HLS == nil {
		return row
	}
	if fragment, ok := a.HLS(info.Name); ok {
		row.HLS = hlsRow{Enabled: true, Fragment: new(decimal(fragment.Seconds()))}
	}
	return row
}
