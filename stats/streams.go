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
	Video       *mainVideo `json:"video"`
	Audio       *mainAudio `json:"audio"`

	// What SRS has not.
	Dropped   droppedRow `json:"dropped"`         // for all who were at the stream
	Repaired  int64      `json:"repaired_frames"` // the time of which leapt or fell
	LastError *faultRow  `json:"last_error"`      // of the name's publishers, also before
	Tracks    []any      `json:"tracks"`          // a videoTrack or audioTrack each
	Latency   latencyRow `json:"latency"`
}

// publishRow has beyond what SRS has since when the publisher is on air, in milliseconds since 1970, for how many, and how
// many no media has come.
type publishRow struct {
	Active  bool   `json:"active"`
	CID     string `json:"cid,omitempty"` // the id in clients of the publisher, or of the last one
	SinceMS int64  `json:"since_ms,omitempty"`
	OnAirMS *int64 `json:"on_air_ms,omitempty"`
	Silent  *int64 `json:"silent_ms,omitempty"` // since no media has come
}

// A faultRow tells what went wrong with a publisher.
type faultRow struct {
	AtMS   int64  `json:"at_ms"`  // in milliseconds since 1970
	Client string `json:"client"` // the publisher's id; it may have gone
	Text   string `json:"text"`
}

func (a *API) streams(r *request) (any, error) {
	if err := r.readOnly(); err != nil {
		return nil, err
	}
	v, list := a.view(), a.Hub.Streams()
	if r.id != "" {
		i := slices.IndexFunc(list, func(s *live.Stream) bool { return s.ID() == r.id })
		if i < 0 {
			return nil, codeStreamNotFound
		}
		return streamBody{a.envelope(), v.streamRow(list[i].Info())}, nil
	}
	list = slices.DeleteFunc(list, func(s *live.Stream) bool { return !v.asksKey(r.query, s.Key(), s.ID()) })
	if err := v.streamRanks().arrange(list, r.query); err != nil {
		return nil, err
	}
	rows := []streamRow{}
	for _, s := range page(list, r.query) {
		rows = append(rows, v.streamRow(s.Info()))
	}
	return streamsBody{a.envelope(), len(list), rows}, nil
}

func (v *view) streamRanks() ranks[*live.Stream] {
	rates := v.api.Rates
	return ranks[*live.Stream]{
		"id":         func(s *live.Stream) rank { return byText(s.ID()) },
		"name":       func(s *live.Stream) rank { return byText(s.Key().Name) },
		"app":        func(s *live.Stream) rank { return byText(s.Key().App) },
		"clients":    func(s *live.Stream) rank { return byNumber(s.Info().Sessions) },
		"frames":     func(s *live.Stream) rank { return byNumber(frames(s.Info().Totals)) },
		"send_bytes": func(s *live.Stream) rank { return byNumber(s.Info().Totals.Sent) },
		"recv_bytes": func(s *live.Stream) rank { return byNumber(s.Info().Totals.Received) },
		"send_30s":   func(s *live.Stream) rank { return byNumber(rates.Of(s.ID()).Send) },
		"recv_30s":   func(s *live.Stream) rank { return byNumber(rates.Of(s.ID()).Recv) },
		"on_air_ms":  func(s *live.Stream) rank { return byNumber(v.onAir(s.Info().Publisher)) },
	}
}

func frames(t live.Totals) int64 { return t.AudioFrames + t.VideoFrames }

// onAir returns since how many milliseconds somebody publishes, -1 if nobody does.
func (v *view) onAir(publisher *live.SessionInfo) int64 {
	if publisher == nil {
		return -1
	}
	return v.now.Sub(publisher.Began).Milliseconds()
}

func (v *view) streamRow(info live.StreamInfo) streamRow {
	row := streamRow{
		ID:          info.ID,
		Name:        info.Key.Name,
		Vhost:       v.vhostID(info.Key.Vhost),
		App:         info.Key.App,
		URL:         info.Key.URL(),
		LiveMS:      v.now.UnixMilli(),
		Clients:     info.Sessions,
		Frames:      frames(info.Totals),
		AudioFrames: info.Totals.AudioFrames,
		VideoFrames: info.Totals.VideoFrames,
		SendBytes:   info.Totals.Sent,
		RecvBytes:   info.Totals.Received,
		Kbps:        v.api.Rates.Of(info.ID),
		Publish:     publishRow{CID: info.Newest},
		Dropped:     dropped(&info.Totals),
		Repaired:    info.Repaired,
		Tracks:      []any{},
		Latency:     latency(&info),
	}
	if p := info.Waiting; p != nil {
		row.TCURL = tcURL(&p.Request)
	}
	if p := info.Publisher; p != nil {
		row.TCURL = tcURL(&p.Request)
		row.Publish.Active, row.Publish.SinceMS, row.Publish.OnAirMS = true, p.Began.UnixMilli(), new(v.onAir(p))
		row.Publish.Silent = new(info.Silence.Milliseconds())
		v.addTracks(&row, &info)
	}
	if f := info.Fault; f != nil {
		row.LastError = &faultRow{AtMS: f.Time.UnixMilli(), Client: f.Session, Text: f.Err.Error()}
	}
	return row
}
