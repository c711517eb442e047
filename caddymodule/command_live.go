package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

// A liveClient is "caddy rtmp streams", "clients" or "kick".
type liveClient struct {
	adminClient
	app, stream, vhost, kind, sort string
	count                          int
	ip, ban, by                    string
}

func streamsCommand() *cobra.Command {
	c := new(liveClient)
	cmd := c.command(&cobra.Command{
		Use: "streams", Short: "Lists the streams that have a publisher or a viewer", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.streams() },
	})
	c.filters(cmd)
	return cmd
}

func clientsCommand() *cobra.Command {
	c := new(liveClient)
	cmd := c.command(&cobra.Command{
		Use: "clients", Short: "Lists publishers and viewers", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.clients() },
	})
	c.filters(cmd)
	cmd.Flags().StringVar(&c.kind, "type", "", "Only those of this type, such as flv-play or fmle-publish")
	return cmd
}

func kickCommand() *cobra.Command {
	c := new(liveClient)
	cmd := c.command(&cobra.Command{
		Use:   "kick [<id>…]",
		Short: "Ends publishers and viewers, and keeps them out for a while if asked to",
		Long: `Ends the publishers and viewers with the given ids, or all of a stream, of a client's address, or of both.
With --ban they are kept out for so long.`,
		RunE: func(_ *cobra.Command, ids []string) error { return c.kick(ids) },
	})
	f := cmd.Flags()
	f.StringVar(&c.stream, "stream", "", "All of this stream, as the lists name it: /app/stream, or vhost/app/stream")
	f.StringVar(&c.ip, "ip", "", "All that come from this address")
	f.StringVar(&c.kind, "type", "", "Only those of this type, with --stream or --ip")
	f.StringVar(&c.ban, "ban", "", "Keep them out for so long, such as 10m")
	f.StringVar(&c.by, "by", "", "What the ban holds for: address (default), stream, or address,stream")
	return cmd
}

// command adds the flags of the client.
func (c *liveClient) command(cmd *cobra.Command) *cobra.Command {
	c.flags(cmd)
	cmd.SilenceUsage = true
	return cmd
}

// filters adds the flags that select from a list.
func (c *liveClient) filters(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.app, "app", "", "Only those of this app")
	f.StringVar(&c.stream, "stream", "", "Only those of streams of this name")
	f.StringVar(&c.vhost, "vhost", "", "Only those of this vhost")
	f.StringVar(&c.sort, "sort", "", "A field of the API to sort by, with a minus before it the greatest first")
	f.IntVar(&c.count, "count", 100, "How many")
}

func (c *liveClient) query() url.Values {
	query := url.Values{"count": {strconv.Itoa(max(c.count, 1))}}
	for name, value := range map[string]string{
		"app": c.app, "stream": c.stream, "vhost": c.vhost, "type": c.kind, "sort": c.sort,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

// An apiAnswer is what each answer of the API has. Its Code is SRS's.
type apiAnswer struct {
	Code  int `json:"code"`
	Total int `json:"total"`
}

// codeClientGone is the code for a client that is not there.
const codeClientGone = 2049

func (a *apiAnswer) err() error {
	switch a.Code {
	case 0:
		return nil
	case codeClientGone:
		return errors.New("there is no such client")
	}
	return fmt.Errorf("the API answers with the code %d: the request makes no sense to it", a.Code)
}

// A traffic is how fast bytes flow, in kilobits per second.
type traffic struct {
	In  int64 `json:"recv_30s"`
	Out int64 `json:"send_30s"`
}

type streamsAnswer struct {
	apiAnswer
	Streams []struct {
		URL     string  `json:"url"`
		Clients int     `json:"clients"`
		Sent    int64   `json:"send_bytes"`
		Kbps    traffic `json:"kbps"`
		Publish struct {
			Active bool   `json:"active"`
			ID     string `json:"cid"`
			OnAir  int64  `json:"on_air_ms"`
		} `json:"publish"`
		Video *struct {
			Codec  string  `json:"codec"`
			Width  int     `json:"width"`
			Height int     `json:"height"`
			FPS    float64 `json:"fps"`
		} `json:"video"`
		Audio *struct {
			Codec string `json:"codec"`
		} `json:"audio"`
	} `json:"streams"`
}

func (c *liveClient) streams() error {
	var a streamsAnswer
	if done, err := c.get("/api/v1/streams/", c.query(), &a); done || err != nil {
		return err
	}
	if err := a.err(); err != nil {
		return err
	}
	if len(a.Streams) == 0 {
		return c.say("There is no stream.")
	}
	t := c.table("STREAM", "PUBLISHER", "ON AIR", "VIEWERS", "VIDEO", "AUDIO", "IN", "OUT", "SENT")
	for _, s := range a.Streams {
		onAir, video, audio, watching := "", "", "", s.Clients
		if s.Publish.Active {
			onAir, watching = (time.Duration(s.Publish.OnAir) * time.Millisecond).Round(time.Second).String(), watching-1
		}
		if v := s.Video; v != nil {
			video = fmt.Sprintf("%s %dx%d %.4g fps", v.Codec, v.Width, v.Height, v.FPS)
		}
		if s.Audio != nil {
			audio = s.Audio.Codec
		}
		t.row(s.URL, s.Publish.ID, onAir, watching, video, audio, kbps(s.Kbps.In), kbps(s.Kbps.Out), size(s.Sent))
	}
	return c.end(t, a.Total-len(a.Streams))
}

type clientsAnswer struct {
	apiAnswer
	Clients []clientInfo `json:"clients"`
}

type clientInfo struct {
	ID       string  `json:"id"`
	Type     string  `json:"type"`
	URL      string  `json:"url"`
	IP       string  `json:"ip"`
	User     string  `json:"user"`
	Alive    float64 `json:"alive"`
	Sent     int64   `json:"send_bytes"`
	Received int64   `json:"recv_bytes"`
	Kbps     traffic `json:"kbps"`
}

func (c *liveClient) clients() error {
	var a clientsAnswer
	if done, err := c.get("/api/v1/clients/", c.query(), &a); done || err != nil {
		return err
	}
	if err := a.err(); err != nil {
		return err
	}
	if len(a.Clients) == 0 {
		return c.say("There is no client.")
	}
	t := c.table("ID", "TYPE", "STREAM", "IP", "USER", "SINCE", "RECEIVED", "SENT", "IN", "OUT")
	for _, info := range a.Clients {
		alive := time.Duration(info.Alive * float64(time.Second)).Round(time.Second)
		t.row(info.ID, info.Type, info.URL, info.IP, info.User, alive, size(info.Received), size(info.Sent), kbps(info.Kbps.In), kbps(info.Kbps.Out))
	}
	return c.end(t, a.Total-len(a.Clients))
}

// end prints the table, and how many rows it lacks.
func (c *liveClient) end(t *table, more int) error {
	if err := t.end(); err != nil || more <= 0 {
		return err
	}
	return c.say("… and %d more: --count", more)
}

// kbps shows a rate, nothing if nothing flows.
func kbps(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10) + " kbps"
}

func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// kick ends the clients of the given ids, or all that the flags select.
func (c *liveClient) kick(ids []string) error {
	chosen := c.stream != "" || c.ip != ""
	switch {
	case len(ids) > 0 && (chosen || c.kind != ""), len(ids) == 0 && !chosen:
		return errors.New("name the ids of clients, or --stream or --ip")
	case c.by != "" && c.ban == "":
		return errors.New("--by says what --ban holds for")
	}
	query := make(url.Values)
	if c.ban != "" {
		query.Set("ban", c.ban)
	}
	if c.by != "" {
		query.Set("by", c.by)
	}
	if len(ids) == 0 {
		var err error
		if ids, err = c.find(); err != nil {
			return err
		}
	}
	for _, id := range ids {
		var a apiAnswer
		done, err := c.call(http.MethodDelete, "/api/v1/clients/"+url.PathEscape(id), query, &a)
		switch {
		case err != nil:
		case done:
			continue
		case a.Code == codeClientGone && chosen: // it has left, or was ended by the ban of another
			err = c.say("%s has left", id)
		case a.Code != 0:
			err = fmt.Errorf("%s: %w", id, a.err())
		default:
			err = c.say("%s is kicked", id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// find returns the ids of the clients that the flags select.
func (c *liveClient) find() (ids []string, err error) {
	ask := c.adminClient
	ask.json = false
	query := url.Values{"count": {strconv.Itoa(1 << 30)}}
	if c.kind != "" {
		query.Set("type", c.kind)
	}
	var a clientsAnswer
	if _, err := ask.get("/api/v1/clients/", query, &a); err != nil {
		return nil, err
	}
	if err := a.err(); err != nil {
		return nil, err
	}
	a.Clients = slices.DeleteFunc(a.Clients, func(info clientInfo) bool {
		return c.stream != "" && info.URL != c.stream || c.ip != "" && info.IP != c.ip
	})
	for _, info := range a.Clients {
		ids = append(ids, info.ID)
	}
	if len(ids) == 0 {
		return nil, errors.New("there is no such client")
	}
	return ids, nil
}
