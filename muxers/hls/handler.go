package hls

import (
	"net/http"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/httplive"
)

// A Handler answers GET and HEAD for the playlists and segments of a Server; see the package's comment for the URLs. The
// first request for a stream blocks until it has a finished segment: at most the time that the hub's rules let a viewer
// wait for a publisher, and that of the longest first segment, and never longer than the request.
// One for what is to come next blocks until it is there (RFC 8216bis, 6.2.5.2 and 6.2.6), its session has ended, or three
// target durations have passed.
type Handler struct {
	Server *Server
	// Config returns how a stream is served. It is asked at every request, and must be fast. Nil means DefaultConfig.
	Config func(k live.Key) Config
	// Began, if set, is told of the session behind each request, before anything is written.
	Began func(r *http.Request, ses *live.Session)
}

// Match tells whether the handler is meant by r's path.
func (h *Handler) Match(r *http.Request) bool {
	_, ok := parseTarget(r.URL.Path)
	return ok
}

// ServeHTTP serves the object, or answers with the reason why it cannot.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.Serve(w, r); err != nil {
		httplive.WriteError(w, err)
	}
}

// Serve serves the object. It returns an error only if nothing was written yet; httplive.Status turns it into a status.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request) error {
	t, ok := parseTarget(r.URL.Path)
	if !ok {
		return errNoFile
	}
	if httplive.CORS(w, r) {
		return nil
	}
	if err := httplive.CheckMethod(r); err != nil {
		return err
	}
	t.key.Vhost = httplive.Vhost(r)
	t.key = h.Server.hub.Resolve(t.key)
	x := &exchange{server: h.Server, config: h.config(t.key), began: h.Began, target: t, w: w, r: r, query: parseQuery(r.URL.RawQuery)}
	if t.kind == entry {
		x.target.of = x.config.entry(t.inside).main()
	}
	return x.serve()
}

func (h *Handler) config(k live.Key) Config {
	if h.Config == nil {
		return DefaultConfig()
	}
	return h.Config(k).normal()
}

var (
	errNoFile    = live.Refuse(live.ErrNotFound, "there is no such file")
	errNotOnAir  = live.Refuse(live.ErrNotFound, "the stream is not on air")
	errNoSession = live.Refuse(live.ErrDenied, "there is no session behind this URL; begin with the stream's entry playlist")

	errNoSignature  = live.Refuse(live.ErrDenied, "this URL has no valid signature; take the one of the playlist")
	errOldSignature = live.Refuse(live.ErrDenied, "this URL has expired; take the one of the playlist")
)
