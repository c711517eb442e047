package stats

import (
	"strconv"
	"strings"
)

type indexBody struct {
	envelope
	URLs any `json:"urls"`
}

type rootURLs struct {
	V1 string `json:"v1"`
}

type v1URLs struct {
	Versions  string `json:"versions"`
	Summaries string `json:"summaries"`
	Vhosts    string `json:"vhosts"`
	Streams   string `json:"streams"`
	Clients   string `json:"clients"`
	Bans      string `json:"bans"`
}

func (a *API) root(*request) (any, error) {
	return indexBody{a.envelope(), rootURLs{V1: "version 1 of the API"}}, nil
}

func (a *API) index(*request) (any, error) {
	return indexBody{a.envelope(), v1URLs{
		Versions:  "the version of this server",
		Summaries: "the summary of this process and its machine: pid, memory, cpu, network, connections",
		Vhosts:    "the vhosts, or /{id} for one",
		Streams:   "the streams, or /{id} for one; start and count select a page",
		Clients:   "the clients, or /{id} for one, which DELETE ends; start and count select a page",
		Bans:      "who is kept out, or /{id} for one ban, which DELETE lifts; start and count select a page",
	}}, nil
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
