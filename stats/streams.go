package stats

import (
	"slices"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

type streamsBody struct {
	envelope
	Total   int         `json:"total"` // of all pages
	Streams []streamRow `json:"streams"`
}

type streamBody struct {
	envelope
	Stream streamRow `json:"stream"`
}

type streamRow struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Vhost       string     `json:"vhost"` // its id
	App         string     `json:"app"`
	TCURL       string     `json:"tcUrl"`
	URL         string     `json:"url"`
	LiveMS      int64      `json:"live_ms"` // the server's clock, not the time on air: SRS means it so
	Clients     int        `json:"clients"` // publisher and viewers
	Frames      int64      `json:"frames"`
	AudioFrames int64      `json:"audio_frames"`
	VideoFrames int64      `json:"video_frames"`
	SendBytes   int64      `json:"send_bytes"`
	RecvBytes   int64      `json:"recv_bytes"`
	Kbps        Kbps       `json:"kbps"`
	Publish     publishRow `json:"publish"`
	Video       *videoRow  `json:"video"`
	Audio       *audioRow  `json:"audio"`
}

// publishRow has SinceMS beyond what SRS has: when the publisher began, in milliseconds since 1970.
type publishRow struct {
	Active  bool   `json:"active"`
	CID     string `json:"cid,omitempty"` // the publisher's id in clients
	SinceMS int64  `json:"since_ms,omitempty"`
}

func (a *API) streams(r *request) (any, error) {
	if err := r.readOnly(); err != nil {
		return nil, err
	}
	v := a.view()
	if r.id != "" {
		i := slices.IndexFunc(v.Streams, func(info live.StreamInfo) bool { return info.ID == r.id })
		if i < 0 {
			return nil, codeStreamNotFound
		}
		return streamBody{a.envelope(), v.streamRow(&v.Streams[i])}, nil
	}
	list := page(v.Streams, r.query)
	rows := make([]streamRow, 0, len(list))
	for i := range list {
		rows = append(rows, v.streamRow(&list[i]))
	}
	return streamsBody{a.envelope(), len(v.Streams), rows}, nil
}

func (v *view) streamRow(info *live.StreamInfo) streamRow {
	opener := v.opener(info)
	row := streamRow{
		ID:          info.ID,
		Name:        info.Key.Name,
		Vhost:       v.vhostIDs[info.Key.Vhost],
		App:         info.Key.App,
		TCURL:       tcURL(&opener.Request),
		URL:         info.Key.URL(),
		LiveMS:      v.now.UnixMilli(),
		Clients:     info.Sessions,
		Frames:      info.Totals.AudioFrames + info.Totals.VideoFrames,
		AudioFrames: info.Totals.AudioFrames,
		VideoFrames: info.Totals.VideoFrames,
		SendBytes:   info.Totals.Sent,
		RecvBytes:   info.Totals.Received,
		Kbps:        v.api.Rates.Of(info.ID),
	}
	if p := info.Publisher; p != nil {
		row.Publish = publishRow{Active: true, CID: p.ID, SinceMS: p.Began.UnixMilli()}
		row.Video, row.Audio = mediaRows(info.Setup)
	}
	return row
}
