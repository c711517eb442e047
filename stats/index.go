package stats

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// A Link is a line of the index: an endpoint's name, and what it is for.
type Link struct{ Name, About string }

// links are a JSON object in a fixed order.
type links []Link

// MarshalJSON returns an object of the names.
func (l links) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, link := range l {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, text := range []string{link.Name, link.About} {
			if j > 0 {
				b.WriteByte(':')
			}
			if err := enc.Encode(text); err != nil {
				return nil, err
			}
			b.Truncate(b.Len() - 1) // the line feed
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

type indexBody struct {
	envelope
	URLs  links `json:"urls"`
	Tests links `json:"tests,omitempty"`
}

func (a *API) root(*request) (any, error) {
	return indexBody{envelope: a.envelope(), URLs: links{{"api", "the HTTP API"}}}, nil
}

func (a *API) versionsOfAPI(*request) (any, error) {
	return indexBody{envelope: a.envelope(), URLs: links{{"v1", "version 1 of the API"}}}, nil
}

// v1 are the endpoints of this API: SRS's in its order, then others.
var v1 = links{
	{"versions", "the version of this server"},
	{"summaries", "the summary of this process and its machine: pid, memory, cpu, network, connections"},
	{"rusages", "what this process has used, by getrusage"},
	{"self_proc_stats", "what the kernel says of this process: /proc/self/stat"},
	{"system_proc_stats", "what the machine's cores have done: /proc/stat"},
	{"meminfos", "the machine's memory"},
	{"authors", "the license and who has written this server"},
	{"features", "what this server can do, and how it was built"},
	{"requests", "this request, as it came in"},
	{"vhosts", "the vhosts, or /{id} for one"},
	{"streams", "the streams, or /{id} for one; start and count select a page; app, stream and vhost filter; sort sorts"},
	{"clients", "the clients, or /{id} for one, which DELETE ends; pages as streams, and type filters too"},
	{"raw", "the raw API: rpc=raw only"},
	{"clusters", "the origin cluster, of which there is none"},
	{"bans", "who is kept out, or /{id} for one ban, which DELETE lifts; start and count select a page"},
}

// v1Tests are the endpoints below tests/.
var v1Tests = links{
	{"requests", "this request, as it came in"},
	{"errors", "always the error 100"},
	{"redirects", "always a redirect to errors"},
}

var description = Link{"openapi.json", "this API, described for programs"}

func (a *API) index(*request) (any, error) {
	return indexBody{a.envelope(), slices.Concat(v1, links(a.Others), links{description}), v1Tests}, nil
}

type versionRow struct {
	Major    int    `json:"major"`
	Minor    int    `json:"minor"`
	Revision int    `json:"revision"`
	Version  string `json:"version"`
}

func (a *API) versions(*request) (any, error) {
	return dataBody{a.envelope(), parseVersion(a.Version)}, nil
}

// parseVersion reads "1.2.3", also as "v1.2.3-rc.1". What is missing is 0.
func parseVersion(s string) versionRow {
	row := versionRow{Version: strings.TrimPrefix(s, "v")}
	core, _, _ := strings.Cut(row.Version, "-")
	core, _, _ = strings.Cut(core, "+")
	for _, part := range []*int{&row.Major, &row.Minor, &row.Revision} {
		var number string
		number, core, _ = strings.Cut(core, ".")
		*part, _ = strconv.Atoi(number) // 0 is the answer for what is no number
	}
	return row
}
