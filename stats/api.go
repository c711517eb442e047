package stats

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// An API serves SRS's HTTP API for a hub:
//
//	GET    /  /api/  /api/v1/        what there is
//	GET    /api/v1/openapi.json      the same for programs, with all that is below
//	GET    /api/v1/versions          the version of this server; also authors, features
//	GET    /api/v1/summaries         process and machine; also rusages, self_proc_stats, system_proc_stats, meminfos
//	GET    /api/v1/requests          the request; below tests/ also errors, redirects
//	GET    /api/v1/raw, clusters     that there are none
//	GET    /api/v1/vhosts/[{id}]     vhosts that have had a client
//	GET    /api/v1/streams/[{id}]    streams that have a client      ?start=0&count=10
//	GET    /api/v1/clients/[{id}]    publishers and viewers          ?start=0&count=10
//	DELETE /api/v1/clients/{id}      ends a client's session         ?ban=10m&by=address,stream keeps its like out
//	GET    /api/v1/bans/[{id}]       who is kept out                 ?start=0&count=10
//	DELETE /api/v1/bans/{id}         lets them in again
//
// Streams and clients are filtered by ?app=, ?stream= and ?vhost= (a name or id) and clients by ?type=, each of which may be
// given several times; ?sort= sorts them and vhosts by a field, with a minus before its name the greatest first.
//
// It looks at the whole path of a request, so a prefix must not have been stripped; the last slash may be missing. Other
// paths are 404, as text. What goes wrong with an object is SRS's {"code":N} with status 200.
//
// With ?callback=name the answer is JSONP, and ?method= then stands for the method of a GET.
//
// An API does not authenticate: that is the business of who calls it. Its fields must not be changed while it serves.
type API struct {
	// Hub is what is shown. It must not be nil.
	Hub *live.Hub
	// Rates gives kbps. If nil, all rates are 0.
	Rates *Rates
	// System gives most of summaries and of the other endpoints about the machine, which are zeros and "ok":false if nil.
	System *System

	// Server names the server ("vid-" and seven characters of NewID), best the same one after a restart. Service is
	// another one for each start of the process (eight characters of NewID): by it clients notice a restart.
	Server, Service string
	// Version is the version of this server as "major.minor.revision".
	Version string

	// Others are endpoints below /api/v1/ that another handler serves, for the index.
	Others []Link

	// HLS tells whether a vhost has HLS, and the length of its segments. If nil, none has.
	HLS func(vhost string) (fragment time.Duration, enabled bool)

	// BansChanged, if set, is called after a request has made or lifted a ban, before the answer.
	BansChanged func()

	// AllowJSONPChanges tells whether a GET request may act as another method by ?callback= and ?method=, as SRS's
	// console ends clients. Any web page can make a browser send such a request, so it may be true only if the request
	// proves more than where it comes from, say by a token in it. If nil, none may. A request that may not is answered 405.
	AllowJSONPChanges func(r *http.Request) bool
}

// NewID returns n random characters, at most 26, of those that SRS's ids consist of (a-z, 0-9).
func NewID(n int) string { return strings.ToLower(rand.Text()[:n]) }

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if CORS(w, r) {
		return
	}
	if strings.Contains(r.URL.Path, "..") {
		writeText(w, http.StatusBadRequest)
		return
	}
	query := r.URL.Query()
	callback := query.Get("callback")
	if !validCallback(callback) {
		writeJSON(w, "", codeBody{codeCallback})
		return
	}
	body, err := a.answer(r, query)
	if err != nil {
		writeError(w, callback, err)
		return
	}
	writeJSON(w, callback, body)
}

// A request is what an endpoint is asked for.
type request struct {
	method string
	id     string // what follows the endpoint's name in the path
	query  url.Values
	http   *http.Request
}

// readOnly returns an error for a method that changes something.
func (r *request) readOnly() error {
	if r.method != http.MethodGet && r.method != http.MethodHead {
		return notAllowed("GET, HEAD, OPTIONS")
	}
	return nil
}

// An endpoint answers requests with a body for encoding/json. Its error is a code, notAllowed or errNotFound.
type endpoint func(*API, *request) (body any, err error)

// documents have a path of their own, and SRS does not check their methods; collections have objects below them.
var (
	documents = map[string]endpoint{
		"":                          (*API).root,
		"/api":                      (*API).versionsOfAPI,
		"/api/v1":                   (*API).index,
		"/api/v1/versions":          (*API).versions,
		"/api/v1/summaries":         (*API).summaries,
		"/api/v1/rusages":           (*API).rusages,
		"/api/v1/self_proc_stats":   (*API).selfProcStats,
		"/api/v1/system_proc_stats": (*API).systemProcStats,
		"/api/v1/meminfos":          (*API).meminfos,
		"/api/v1/authors":           (*API).authors,
		"/api/v1/features":          (*API).features,
		"/api/v1/requests":          (*API).requests,
		"/api/v1/raw":               (*API).raw,
		"/api/v1/clusters":          (*API).clusters,
		"/api/v1/tests/requests":    (*API).requests,
		"/api/v1/tests/errors":      (*API).testErrors,
		"/api/v1/tests/redirects":   (*API).testRedirects,
		"/api/v1/perf":              (*API).nothing,
		"/api/v1/configs":           (*API).nothing,
		"/api/v1/openapi.json":      (*API).openAPI,
	}
	collections = map[string]endpoint{
		"/api/v1/vhosts":  (*API).vhosts,
		"/api/v1/streams": (*API).streams,
		"/api/v1/clients": (*API).clients,
		"/api/v1/bans":    (*API).bans,
	}
)

func (a *API) answer(r *http.Request, query url.Values) (body any, err error) {
	req := &request{query: query, http: r}
	if req.method, err = a.method(r, query); err != nil {
		return nil, err
	}
	path := strings.TrimSuffix(r.URL.Path, "/")
	if serve, ok := documents[path]; ok {
		return serve(a, req)
	}
	if serve, ok := collections[path]; ok {
		return serve(a, req)
	}
	i := strings.LastIndexByte(path, '/')
	if serve, ok := collections[path[:max(i, 0)]]; ok {
		req.id = path[i+1:]
		return serve(a, req)
	}
	return nil, errNotFound
}

// method returns the method that a request stands for.
func (a *API) method(r *http.Request, query url.Values) (string, error) {
	method := query.Get("method")
	if r.Method != http.MethodGet || query.Get("callback") == "" || method == "" || method == r.Method {
		return r.Method, nil
	}
	if a.AllowJSONPChanges == nil || !a.AllowJSONPChanges(r) {
		return "", notAllowed("GET, HEAD, OPTIONS")
	}
	return method, nil
}
