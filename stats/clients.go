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

	// What SRS has not: when it began, what it speaks and with which software, and what it has missed.
	SinceMS   int64      `json:"since_ms"` // in milliseconds since 1970
	Protocol  string     `json:"protocol"`
	TLS       bool       `json:"tls"`
	UserAgent string     `json:"user_agent"`
	Dropped   droppedRow `json:"dropped"`

	// Likewise: who the client has proved to be, what a back end remarks, and when its permission ends.
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
		s, ok := a.Hub.Session(r.id)
		if !ok || s.Away() {
			return nil, codeClientNotFound
		}
		return clientBody{a.envelope(), v.clientRow(s.Info())}, nil
	}
	list := slices.DeleteFunc(a.Hub.Sessions(), func(s *live.Session) bool {
		return !v.asksKey(r.query, s.Key, s.Stream().ID()) || !asks(r.query, "type", clientType(&s.Request))
	})
	if err := v.clientRanks().arrange(list, r.query); err != nil {
		return nil, err
	}
	rows := []clientRow{}
	for _, s := range page(list, r.query) {
		rows = append(rows, v.clientRow(s.Info()))
	}
	return clientsBody{a.envelope(), len(list), rows}, nil
}

func (v *view) clientRanks() ranks[*live.Session] {
	rates := v.api.Rates
	return ranks[*live.Session]{
		"id":         func(s *live.Session) rank { return byText(s.ID) },
		"ip":         func(s *live.Session) rank { return byText(ip(&s.Request)) },
		"name":       func(s *live.Session) rank { return byText(s.Key.Name) },
		"type":       func(s *live.Session) rank { return byText(clientType(&s.Request)) },
		"alive":      func(s *live.Session) rank { return byNumber(v.now.Sub(s.Began()).Seconds()) },
		"send_bytes": func(s *live.Session) rank { return byNumber(s.Totals().Sent) },
		"recv_bytes": func(s *live.Session) rank { return byNumber(s.Totals().Received) },
		"send_30s":   func(s *live.Session) rank { return byNumber(rates.Of(s.ID).Send) },
		"recv_30s":   func(s *live.Session) rank { return byNumber(rates.Of(s.ID).Recv) },
	}
}

func (v *view) clientRow(info live.SessionInfo) clientRow {
	row := clientRow{
		ID:        info.ID,
		Vhost:     v.vhostID(info.Key.Vhost),
		Stream:    info.StreamID,
		IP:        ip(&info.Request),
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
		SinceMS:   info.Began.UnixMilli(),
		Protocol:  info.Protocol,
		TLS:       info.TLS != nil,
		UserAgent: info.UserAgent,
		Dropped:   dropped(&info.Totals),
		User:      info.Grant.User,
		Note:      info.Grant.Note,
	}
	if end := info.Grant.Expires; !end.IsZero() {
		end = end.UTC().Truncate(time.Second)
		row.Expires = &end
	}
	return row
}

// ip returns a client's address, "" if it is not known.
func ip(r *live.Request) string {
	if addr := r.Remote.Addr(); addr.IsValid() {
		return addr.Unmap().String()
	}
	return ""
}

// A droppedRow counts what was lost on its way: tags of a publisher that could not be read, and how often a viewer was too
// slow and jumped to a newer key frame, how often of these for the bound of its lag in bytes, and what it has missed so.
type droppedRow struct {
	BrokenTags   int64 `json:"broken_tags"`
	Skips        int64 `json:"skips"`
	SkipsByBytes int64 `json:"skips_by_bytes"`
	SkippedBytes int64 `json:"skipped_bytes"`
}

func dropped(t *live.Totals) droppedRow {
	return droppedRow{t.BrokenTags, t.Skips, t.SkipsByBytes, t.SkippedBytes}
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
