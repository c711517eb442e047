package stats

import (
	"net/http"
	"slices"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

type clientsBody struct {
	envelope
	Total   int         `json:"total"` // of all pages
	Clients []clientRow `json:"clients"`
}

type clientBody struct {
	envelope
	Client clientRow `json:"client"`
}

type clientRow struct {
	ID        string  `json:"id"`
	Vhost     string  `json:"vhost"`  // its id
	Stream    string  `json:"stream"` // its id
	IP        string  `json:"ip"`
	PageURL   string  `json:"pageUrl"`
	SWFURL    string  `json:"swfUrl"`
	TCURL     string  `json:"tcUrl"`
	URL       string  `json:"url"`
	Name      string  `json:"name"`
	Type      string  `json:"type"`
	Publish   bool    `json:"publish"`
	Alive     decimal `json:"alive"` // seconds
	SendBytes int64   `json:"send_bytes"`
	RecvBytes int64   `json:"recv_bytes"`
	Kbps      Kbps    `json:"kbps"`

	// What SRS has not: who the client has proved to be, what a back end remarks, and when its permission ends.
	User    string     `json:"user,omitempty"`
	Note    string     `json:"note,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
}

func (a *API) clients(r *request) (any, error) {
	if r.method == http.MethodDelete {
		return a.kick(r.id, r.query)
	}
	if r.readOnly() != nil {
		return nil, notAllowed("GET, HEAD, DELETE, OPTIONS")
	}
	v := a.view()
	if r.id != "" {
		i := slices.IndexFunc(v.Sessions, func(info live.SessionInfo) bool { return info.ID == r.id })
		if i < 0 {
			return nil, codeClientNotFound
		}
		return clientBody{a.envelope(), v.clientRow(&v.Sessions[i])}, nil
	}
	list := page(v.Sessions, r.query)
	rows := make([]clientRow, 0, len(list))
	for i := range list {
		rows = append(rows, v.clientRow(&list[i]))
	}
	return clientsBody{a.envelope(), len(v.Sessions), rows}, nil
}

func (v *view) clientRow(info *live.SessionInfo) clientRow {
	row := clientRow{
		ID:        info.ID,
		Vhost:     v.vhostIDs[info.Key.Vhost],
		Stream:    info.StreamID,
		PageURL:   info.PageURL,
		SWFURL:    info.SWFURL,
		TCURL:     tcURL(&info.Request),
		URL:       info.Key.URL(),
		Name:      info.Key.Name,
		Type:      clientType(&info.Request),
		Publish:   info.Action == live.ActionPublish,
		Alive:     decimal(v.now.Sub(info.Began).Seconds()),
		SendBytes: info.Totals.Sent,
		RecvBytes: info.Totals.Received,
		Kbps:      v.api.Rates.Of(info.ID),
		User:      info.Grant.User,
		Note:      info.Grant.Note,
	}
	if end := info.Grant.Expires; !end.IsZero() {
		end = end.UTC().Truncate(time.Second)
		row.Expires = &end
	}
	if addr := info.Remote.Addr(); addr.IsValid() {
		row.IP = addr.Unmap().String()
	}
	return row
}

// clientType returns SRS's word for what a client does. All continuous streams over HTTP are FLV to SRS.
func clientType(r *live.Request) string {
	publish := r.Action == live.ActionPublish
	switch {
	case publish && r.Protocol == live.ProtocolRTMP:
		return "fmle-publish"
	case publish:
		return "Unknown"
	}
	switch r.Protocol {
	case live.ProtocolRTMP:
		return "rtmp-play"
	case live.ProtocolFLV, live.ProtocolTS, live.ProtocolAAC, live.ProtocolMP3:
		return "flv-play"
	case live.ProtocolHLS:
		return "hls-play"
	}
	return "Unknown"
}
