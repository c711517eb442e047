package stats

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// A requestRow is a request as it came in.
type requestRow struct {
	URI     string            `json:"uri"`
	Path    string            `json:"path"`
	Method  string            `json:"METHOD"`
	Headers map[string]string `json:"headers"`
}

// secretHeaders are those of which only the presence is shown.
var secretHeaders = map[string]bool{"Authorization": true, "Cookie": true, "Proxy-Authorization": true}

func (a *API) requests(r *request) (any, error) {
	row := requestRow{
		URI:     withoutToken(r.http.URL),
		Path:    r.http.URL.Path,
		Method:  r.http.Method,
		Headers: map[string]string{"Host": r.http.Host},
	}
	for name, values := range r.http.Header {
		row.Headers[name] = strings.Join(values, ", ")
		if secretHeaders[name] {
			row.Headers[name] = "REDACTED"
		}
	}
	return dataBody{a.envelope(), row}, nil
}

// withoutToken returns the path and query of a request, with no token in it that admits to this API.
func withoutToken(u *url.URL) string {
	query := u.Query()
	if !query.Has("token") {
		return u.RequestURI()
	}
	query.Set("token", "REDACTED")
	clean := *u
	clean.RawQuery = query.Encode()
	return clean.RequestURI()
}

func (a *API) testErrors(*request) (any, error) { return nil, codeTest }

func (a *API) testRedirects(*request) (any, error) { return nil, redirect("/api/v1/tests/errors") }

// nothing answers for endpoints of older versions of SRS, which scripts still call.
func (a *API) nothing(*request) (any, error) { return dataBody{a.envelope(), struct{}{}}, nil }

type rawBody struct {
	Code    int        `json:"code"`
	HTTPAPI httpAPIRow `json:"http_api"`
}

type httpAPIRow struct {
	Enabled     bool      `json:"enabled"`
	Listen      string    `json:"listen"` // the port that was asked
	CrossDomain bool      `json:"crossdomain"`
	RawAPI      rawAPIRow `json:"raw_api"`
}

type rawAPIRow struct {
	Enabled     bool `json:"enabled"`
	AllowReload bool `json:"allow_reload"`
	AllowQuery  bool `json:"allow_query"`
	AllowUpdate bool `json:"allow_update"`
}

// raw tells that there is no raw API: Caddy's own admin API reloads and changes configurations.
func (a *API) raw(r *request) (any, error) {
	if r.query.Get("rpc") != "raw" {
		return nil, codeRawDisabled
	}
	body := rawBody{HTTPAPI: httpAPIRow{Enabled: true, CrossDomain: true}}
	if addr, ok := r.http.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		_, body.HTTPAPI.Listen, _ = net.SplitHostPort(addr.String()) // a Unix socket has no port
	}
	return body, nil
}

type clustersBody struct {
	Code int         `json:"code"`
	Data clustersRow `json:"data"`
}

type clustersRow struct {
	Query  clusterQuery `json:"query"`
	Origin *struct{}    `json:"origin"` // null
}

type clusterQuery struct {
	IP     string `json:"ip"`
	Vhost  string `json:"vhost"`
	App    string `json:"app"`
	Stream string `json:"stream"`
}

// clusters says that no other origin has a stream.
func (a *API) clusters(r *request) (any, error) {
	q := r.query
	query := clusterQuery{IP: q.Get("ip"), Vhost: q.Get("vhost"), App: q.Get("app"), Stream: q.Get("stream")}
	return clustersBody{Data: clustersRow{Query: query}}, nil
}
