// Package httplive serves the continuous formats over plain net/http: one response that lasts as long as the stream.
//
// What the bytes are is the business of a muxer; muxers/flv and muxers/mpegts bring theirs. What all HTTP viewers have
// in common, HLS's too, is here: which stream a URL means, who asks, and how a refusal is answered.
package httplive

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

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
	// AudioOnly says that the format has no room for a picture.
	AudioOnly bool
	// Carries tells whether there is anything in a stream, as far as it was chosen, that the format can carry. Nil means
	// that it carries whatever there is.
	Carries func(s *live.Setup) bool
	// New makes a muxer for viewers of a view.
	New func(v live.View) live.Muxer
}

// A Handler answers GET /{app}/{stream}{ending} with the stream, for as long as it lasts, and HEAD with the headers. A
// WebSocket gets the same bytes in binary messages. Other paths get 404. Each viewer is a session of the hub; the handler blocks until it ends.
type Handler struct {
	Hub    *live.Hub
	Format Format
	// Began, if set, is told of each viewer's session before anything is written.
	Began func(r *http.Request, ses *live.Session)
	// Bound, if set, has the server end each Write and Flush of a response that takes longer than limit, from now on until it
	// is called with another or the request ends, and tells whether it does so. Without it, or where it does not, the handler
	// sets write deadlines. It is called by the handler of r.
	Bound func(r *http.Request, limit time.Duration) bool
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
	ses, view, err := h.admit(w, r)
	if ses == nil {
		return err
	}
	return h.show(w, r, ses, view)
}

// admit makes the session of a viewer, and answers a request that is none's: then there is no session. What stays on the
// stack for as long as a viewer watches is a large part of what it costs, so this is a function of its own.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request) (*live.Session, live.View, error) {
	key, ok := MatchFile(r.URL.Path, h.Format.Ending)
	if !ok {
		return nil, live.View{}, live.Refuse(live.ErrNotFound, "there is no such file")
	}
	if CORS(w, r) {
		return nil, live.View{}, nil
	}
	if err := CheckMethod(r); err != nil {
		return nil, live.View{}, err
	}
	view, err := live.ParseView(r.URL.RawQuery)
	if err != nil {
		return nil, view, err
	}
	if h.Format.AudioOnly {
		view.Tracks.Video = live.NoTrack
	}
	key.Vhost = Vhost(r)
	key = h.Hub.Resolve(key)
	wait := live.DefaultRules().Wait
	if rules, err := h.Hub.Rules(key); err == nil {
		wait = rules.Wait
	}
	ses, err := h.Hub.Play(r.Context(), Request(r, h.Format.Protocol, key), wait)
	if err != nil {
		return nil, view, err
	}
	if h.Began != nil {
		h.Began(r, ses)
	}
	if r.Method == http.MethodHead {
		h.head(w)
		w.WriteHeader(http.StatusOK)
		ses.Close(nil)
		return nil, view, nil
	}
	return ses, view, nil
}

// show serves the stream until one side ends it, and closes the session.
func (h *Handler) show(w http.ResponseWriter, r *http.Request, ses *live.Session, view live.View) error {
	out := h.sink(w, r, ses)
	started, err := h.stream(out, ses, view)
	switch {
	case errors.Is(err, live.ErrSlow):
	case r.Context().Err() != nil, errors.Is(err, context.Canceled):
		err = nil // the client has left, whatever became of the last write
	case errors.Is(err, io.EOF):
		err = live.ErrEnded
	}
	out.close(err)
	ses.Close(err)
	switch {
	case started:
		return nil
	case errors.Is(err, live.ErrEnded):
		return live.Refuse(live.ErrNotFound, "the stream %s has ended", ses.Key)
	}
	return err
}

// A sink is where a viewer's bytes go.
type sink interface {
	// begin sends the headers. An error means that none were sent.
	begin() error
	// write writes b and counts it. The error says why the viewer was lost.
	write(b []byte) error
	// close ends it, for a reason that the viewer is told if there is a way, and waits until nobody else uses it.
	close(reason error)
}

func (h *Handler) sink(w http.ResponseWriter, r *http.Request, ses *live.Session) sink {
	if isWebSocket(r) {
		return newSocket(w, r, ses)
	}
	return h.newOutput(w, r, ses)
}

// stream copies the feed to the sink until one of them ends, and tells whether the response was begun.
func (h *Handler) stream(out sink, ses *live.Session, view live.View) (started bool, err error) {
	newMuxer := func() live.Muxer { return h.Format.New(view) }
	reader := ses.Feed(h.Format.Protocol, view, newMuxer).Join(ses)
	defer reader.Leave()
	bufs, err := h.first(reader, ses, view.Tracks)
	if err != nil {
		return false, err
	}
	if err := out.begin(); err != nil {
		return false, err
	}
	for {
		for _, b := range bufs {
			if err := out.write(b); err != nil {
				return true, err
			}
		}
		if bufs, err = reader.Next(ses.Context(), bufs); err != nil {
			return true, err
		}
	}
}

// atLeast is how long a viewer waits for a stream on air to say what it consists of, even if it would not wait for a
// publisher.
const atLeast = 2 * time.Second

// first returns the first bytes. A viewer may have to wait long for a key frame, but not for what will never come: a stream
// in which there is nothing that the format can carry.
func (h *Handler) first(reader *live.FeedReader, ses *live.Session, t live.Tracks) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ses.Context(), max(ses.Stream().Rules().Wait, atLeast))
	defer cancel()
	bufs, err := reader.Next(ctx, nil)
	switch {
	case !errors.Is(err, context.DeadlineExceeded) || ses.Err() != nil:
		return bufs, err
	case !h.carries(ses.Stream().Setup(), t):
		return nil, live.Refuse(live.ErrNotFound, "the stream %s has nothing that %s could carry", ses.Key, h.Format.Ending)
	}
	return reader.Next(ses.Context(), nil)
}

// carries tells whether the format can carry anything of the chosen tracks. One that carries all may wait for a stream that
// has not said yet what it consists of.
func (h *Handler) carries(s *live.Setup, t live.Tracks) bool {
	chosen := t.In(s)
	if h.Format.Carries != nil {
		return h.Format.Carries(chosen)
	}
	return len(s.Tracks()) == 0 || len(chosen.Tracks()) > 0
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
