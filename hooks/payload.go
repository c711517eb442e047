package hooks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// The events of webhooks, as SRS names them.
const (
	OnConnect   = "on_connect"
	OnClose     = "on_close"
	OnPublish   = "on_publish"
	OnUnpublish = "on_unpublish"
	OnPlay      = "on_play"
	OnStop      = "on_stop"
	OnHLS       = "on_hls"
	OnHLSNotify = "on_hls_notify"
	OnUpdate    = "on_update" // nginx-rtmp's
)

// events are all that a webhook can be told of.
var events = []string{
	OnConnect, OnClose, OnPublish, OnUnpublish, OnPlay, OnStop, OnHLS, OnHLSNotify, OnUpdate,
}

// reserved are SRS's events of features that are not there, with those features.
var reserved = map[string]string{"on_dvr": "recording", "on_forward": "relays"}

// CheckEvent returns an error that says what to do unless name is an event that a webhook can be told of.
func CheckEvent(name string) error {
	if slices.Contains(events, name) {
		return nil
	}
	if feature, ok := reserved[name]; ok {
		return fmt.Errorf("%s comes with %s, which this version does not have; leave it out", name, feature)
	}
	return fmt.Errorf("there is no event %q; there are %s", name, strings.Join(events, ", "))
}

// Identity is how this server calls itself in payloads: ID is the same after a restart, Service another one.
type Identity struct{ ID, Service string }

// The payloads are structs, since the order of their keys is SRS's. What was read there stands in notes of SRS 7.0.18 and
// the fields that 7.0.143 has added.
type head struct {
	ServerID  string `json:"server_id"`
	ServiceID string `json:"service_id"`
	Action    string `json:"action"`
	ClientID  string `json:"client_id"`
	IP        string `json:"ip"`
	Vhost     string `json:"vhost"`
	App       string `json:"app"`
}

type connectBody struct {
	head
	Stream  string `json:"stream"`
	Param   string `json:"param"`
	TCURL   string `json:"tcUrl"`
	PageURL string `json:"pageUrl"`
}

type closeBody struct {
	head
	SendBytes int64 `json:"send_bytes"`
	RecvBytes int64 `json:"recv_bytes"`
}

type playBody struct {
	head
	Stream    string `json:"stream"`
	TCURL     string `json:"tcUrl"`
	Param     string `json:"param"`
	PageURL   string `json:"pageUrl"`
	StreamURL string `json:"stream_url"`
	StreamID  string `json:"stream_id,omitempty"`
	Clients   int    `json:"clients"`
}

// streamBody is that of on_publish and on_unpublish, and of on_stop, which alone has Clients.
type streamBody struct {
	head
	TCURL     string `json:"tcUrl"`
	Stream    string `json:"stream"`
	Param     string `json:"param"`
	StreamURL string `json:"stream_url"`
	StreamID  string `json:"stream_id,omitempty"`
	Clients   *int   `json:"clients,omitempty"`
}

type hlsBody struct {
	head
	TCURL     string  `json:"tcUrl"`
	Stream    string  `json:"stream"`
	Param     string  `json:"param"`
	Duration  decimal `json:"duration"` // in seconds
	CWD       string  `json:"cwd"`
	File      string  `json:"file"`
	URL       string  `json:"url"`
	M3U8      string  `json:"m3u8"`
	M3U8URL   string  `json:"m3u8_url"`
	SeqNo     int64   `json:"seq_no"`
	StreamURL string  `json:"stream_url"`
	StreamID  string  `json:"stream_id,omitempty"`
}

// updateBody has the keys of on_play, and what has come of it so far.
type updateBody struct {
	playBody
	Publish   bool    `json:"publish"`
	Duration  decimal `json:"duration"` // since the session began, in seconds
	SendBytes int64   `json:"send_bytes"`
	RecvBytes int64   `json:"recv_bytes"`
}

// decimal is a number with two decimals, always.
type decimal float64

// MarshalJSON implements json.Marshaler.
func (d decimal) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(d), 'f', 2, 64), nil
}

// encode returns body as one compact JSON object without a line break.
func encode(body any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		panic(err) // strings and numbers only
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func (i Identity) head(action string, r *live.Request) head {
	return head{
		ServerID: i.ID, ServiceID: i.Service, Action: action, ClientID: r.ID, IP: address(r), Vhost: vhost(r.Key), App: r.Key.App,
	}
}

// question returns the body of on_connect, on_publish or on_play. streamID is empty while there is no stream of the name;
// clients are those of the stream, the one that asks among them.
func (i Identity) question(action string, r *live.Request, streamID string, clients int) []byte {
	h := i.head(action, r)
	switch action {
	case OnConnect:
		return encode(connectBody{h, streamName(r), param(r), tcURL(r), r.PageURL})
	case OnPlay:
		return encode(playBody{h, streamName(r), tcURL(r), param(r), r.PageURL, r.Key.URL(), streamID, clients})
	}
	return encode(streamBody{h, tcURL(r), streamName(r), param(r), r.Key.URL(), streamID, nil})
}

// ended returns the body of on_unpublish or on_stop.
func (i Identity) ended(action string, s *live.SessionInfo, clients int) []byte {
	body := streamBody{
		i.head(action, &s.Request), tcURL(&s.Request), streamName(&s.Request), param(&s.Request), s.Key.URL(), s.StreamID, nil,
	}
	if action == OnStop {
		body.Clients = &clients
	}
	return encode(body)
}

func (i Identity) closed(s *live.SessionInfo) []byte {
	return encode(closeBody{i.head(OnClose, &s.Request), s.Totals.Sent, s.Totals.Received})
}

// address returns the client's address, nothing if it is not known.
func address(r *live.Request) string {
	if a := r.Remote.Addr(); a.IsValid() {
		return a.Unmap().String()
	}
	return ""
}

func vhost(k live.Key) string {
	if k.Vhost == "" {
		return live.DefaultVhost
	}
	return k.Vhost
}

// streamName returns the stream as SRS names it, which for a viewer by HLS is the playlist.
func streamName(r *live.Request) string {
	if r.Protocol == live.ProtocolHLS {
		return r.Key.Name + ".m3u8"
	}
	return r.Key.Name
}

// param returns the query with its question mark. SRS leaves out a vhost that says nothing if it stands alone.
func param(r *live.Request) string {
	if r.Query == "" || r.Query == "vhost="+live.DefaultVhost {
		return ""
	}
	return "?" + r.Query
}

// tcURL returns the URL without the stream: as an RTMP client has sent it, else what SRS makes up.
func tcURL(r *live.Request) string {
	switch r.Protocol {
	case live.ProtocolRTMP:
		return r.TCURL
	case live.ProtocolHLS:
		host := r.Host
		if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
			host = net.JoinHostPort(host, "")
			host = strings.TrimSuffix(host, ":")
		}
		return "http://" + host + "/" + r.Key.App
	}
	return "rtmp://" + vhost(r.Key) + "/" + r.Key.App
}
