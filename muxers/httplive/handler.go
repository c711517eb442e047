// Package httplive serves the continuous formats over plain net/http: one response that lasts as long as the stream.
//
// What the bytes are is the business of a muxer; muxers/flv and muxers/mpegts bring theirs. What all HTTP viewers have
// in common, HLS's too, is here: which stream a URL means, who asks, and how a refusal is answered.
package httplive

import (
	"errors"
	"io"
	"net/http"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A Format is a continuous format.
type Format struct {
	// Protocol names the viewers' sessions: live.ProtocolFLV and so on.
	Protocol string
	// Ending is that of the URL, with its dot.
	Ending string
	// ContentType is the media type of the response.
	ContentType string
	// New makes a muxer for the tracks that its viewers have chosen.
	New func(t live.Tracks) live.Muxer
}

// A Handler answers GET /{app}/{stream}{ending} with the stream, for as long as it lasts, and HEAD with the headers.
// Other paths get 404. Each viewer is a session of the hub; the handler blocks until it ends.
type Handler struct {
	Hub    *live.Hub
	Format Format
	// Began, if set, is told of each viewer's session before anything is written.
	Began func(r *http.Request, ses *live.Session)
}

// Match tells whether the handler is meant by r's path.
func (h *Handler) Match(r *http.Request) bool {
	_, ok := MatchFile(r.URL.Path, h.Format.Ending)
	return ok
}

// ServeHTTP serves the stream, or answers with the reason why it cannot.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.Serve(w, r); err != nil {
		WriteError(w, err)
	}
}

// Serve serves the stream. It returns an error only if nothing was written yet; Status turns it into a status.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request) error {
	key, ok := MatchFile(r.URL.Path, h.Format.Ending)
	if !ok {
		return live.Refuse(live.ErrNotFound, "there is no such file")
	}
	if CORS(w, r) {
		return nil
	}
	if err := CheckMethod(r); err != nil {
		return err
	}
	tracks, err := live.ParseTracks(r.URL.RawQuery)
	if err != nil {
		return err
	}
	key.Vhost = Vhost(r)
	key = h.Hub.Resolve(key)
	wait := live.DefaultRules().Wait
	if rules, err := h.Hub.Rules(key); err == nil {
		wait = rules.Wait
	}
	ses, err := h.Hub.Play(r.Context(), Request(r, h.Format.Protocol, key), wait)
	if err != nil {
		return err
	}
	if h.Began != nil {
		h.Began(r, ses)
	}
	if r.Method == http.MethodHead {
		h.head(w)
		w.WriteHeader(http.StatusOK)
		ses.Close(nil)
		return nil
	}
	started, err := h.stream(w, r, ses, tracks)
	switch {
	case errors.Is(err, live.ErrSlow):
		ses.Close(err)
	case r.Context().Err() != nil:
		ses.Close(nil) // the client has left, whatever became of the last write
	case errors.Is(err, io.EOF):
		ses.Close(live.ErrEnded)
		err = live.Refuse(live.ErrNotFound, "the stream %s has ended", key)
	default:
		ses.Close(err)
	}
	if started {
		return nil
	}
	return err
}

// stream copies the feed to the response until one of them ends, and tells whether the response was begun.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request, ses *live.Session, tracks live.Tracks) (started bool, err error) {
	newMuxer := func() live.Muxer { return h.Format.New(tracks) }
	reader := ses.Stream().Feed(h.Format.Protocol, tracks, newMuxer).Join(ses)
	defer reader.Leave()
	out := newOutput(w, r, ses)
	defer out.close()
	var bufs [][]byte
	for {
		bufs, err = reader.Next(ses.Context(), bufs)
		if err != nil {
			return started, err
		}
		if !started {
			h.head(w)
			out.begin()
			started = true
		}
		for _, b := range bufs {
			if err := out.write(b); err != nil {
				return true, err
			}
		}
	}
}

// head sets the headers of a stream. no-transform keeps an encode directive off, Incremental (RFC 10036) and
// X-Accel-Buffering keep proxies from collecting it.
func (h *Handler) head(w http.ResponseWriter) {
	head := w.Header()
	head.Set("Content-Type", h.Format.ContentType)
	head.Set("Cache-Control", "no-store, no-transform")
	head.Set("Incremental", "?1")
	head.Set("X-Accel-Buffering", "no")
	head.Set("X-Content-Type-Options", "nosniff")
}
