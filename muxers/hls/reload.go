package hls

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/httplive"
)

// A reload is what a player wants of a media playlist by delivery directives (RFC 8216bis, 6.2.5), and by "dvr".
type reload struct {
	form    form
	waits   bool  // for a segment or a part
	segment int64 // its number
	part    int64 // the index of the part, -1 for the whole segment
}

// The query parameters of a media playlist.
const (
	directives  = "_HLS_"
	msnParam    = "_HLS_msn"
	partParam   = "_HLS_part"
	skipParam   = "_HLS_skip"
	dvrParam    = "dvr"
	partUnknown = -1
)

// parseReload reads the directives of a raw query. Those that are not known mean nothing.
func parseReload(query string) (r reload, err error) {
	r.part = partUnknown
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case msnParam:
			r.waits = true
			r.segment, err = parseNumber(value, err)
		case partParam:
			r.part, err = parseNumber(value, err)
		case skipParam:
			if value == "YES" || value == "v2" {
				r.form |= delta
			}
		case dvrParam:
			r.form |= long
		}
	}
	if err == nil && r.part != partUnknown && !r.waits {
		err = live.Refuse(httplive.ErrBadRequest, "%s needs %s", partParam, msnParam)
	}
	return r, err
}

func parseNumber(value string, err error) (int64, error) {
	n, bad := strconv.ParseInt(value, 10, 64)
	if bad != nil || n < 0 || n > math.MaxInt32 {
		return 0, live.Refuse(httplive.ErrBadRequest, "%q is no number of a segment or part", value)
	}
	return n, err
}

// A verdict says what becomes of a reload.
type verdict uint8

const (
	ready  verdict = iota // the playlist has what is asked for
	coming                // it will have that soon
	absurd                // it will not have that for long
)

// judge tells whether p has what r waits for.
func (p *playlist) judge(r reload) verdict {
	if !r.waits || p.partTarget == 0 || p.ended {
		return ready
	}
	last := p.segments[len(p.segments)-1]
	if r.segment == last.number && len(last.parts) > 0 && r.part >= int64(len(last.parts)) {
		r.segment, r.part = last.number+1, 0 // the part behind the last one is the first of what follows
	}
	parts := int64(0)
	if p.open != nil {
		parts = int64(len(p.open.parts))
	}
	switch {
	case r.segment <= last.number:
		return ready
	case r.segment > last.number+2:
		return absurd
	case r.part == partUnknown || r.segment > last.number+1:
		return coming
	case r.part < parts:
		return ready
	case r.part >= parts+p.advance():
		return absurd
	}
	return coming
}

// advance returns how many parts ahead of the last one a player may wait for (RFC 8216bis, 6.2.5.2).
func (p *playlist) advance() int64 {
	if p.partTarget >= 1000 {
		return 3
	}
	return 3000 / p.partTarget
}

// reload returns the playlist as soon as it has what r waits for. It does not wait beyond ctx or three target durations.
func (w *window) reload(ctx context.Context, r reload) (*playlist, error) {
	p, changed, closed := w.state()
	if p.judge(r) == ready {
		return p, nil
	}
	timer := time.NewTimer(p.patience())
	defer timer.Stop()
	for {
		switch v := p.judge(r); {
		case v == ready:
			return p, nil
		case v == absurd:
			return nil, live.Refuse(httplive.ErrBadRequest, "segment %d is not to be expected soon", r.segment)
		case closed != nil:
			return nil, closed
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil, live.Refuse(httplive.ErrUnavailable, "segment %d has not come in time", r.segment)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		p, changed, closed = w.state()
	}
}

// reload returns the playlist that r waits for.
func (x *exchange) reload(ch *channel, r reload) (*playlist, error) {
	w := ch.window(x.target.of)
	if w == nil {
		return nil, errNotOnAir
	}
	ctx, done := x.block()
	defer done()
	return w.reload(ctx, r)
}

// block returns the context of a request that may block for its viewer: it ends with the session too, by a kick or with the
// server. done must be called behind it.
func (x *exchange) block() (ctx context.Context, done func()) {
	ses := x.viewer.session()
	if ses == nil {
		return x.r.Context(), func() {}
	}
	ctx, cancel := context.WithCancelCause(x.r.Context())
	stop := context.AfterFunc(ses.Context(), func() {
		if err := ses.Err(); errors.Is(err, live.ErrKicked) || errors.Is(err, live.ErrClosing) || errors.Is(err, live.ErrRemoved) {
			cancel(err)
		}
	})
	x.viewer.waiting.Add(1)
	return ctx, func() {
		x.viewer.waiting.Add(-1)
		x.viewer.touch()
		stop()
		cancel(nil)
	}
}
