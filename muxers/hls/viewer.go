package hls

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// kickedFor is how long a kicked viewer is remembered after its last request. Then its token asks the guard again.
const kickedFor = time.Hour

// A viewer is who bears a token. Mostly there is a session behind it; without one it is a viewer that was kicked, that
// plays the rest of a stream that has ended, or that is just being asked for.
type viewer struct {
	token  string
	asking chan struct{} // holds one who asks the guard for this viewer

	last    atomic.Int64 // when it was seen last, in Unix nanoseconds
	waiting atomic.Int32 // requests that wait, which keep it alive
	away    atomic.Bool  // it was silent for so long that it counts no more
	settled atomic.Bool  // it has asked for more than an entry playlist

	mu     sync.Mutex
	ses    *live.Session // the newest; nil before the first
	cancel context.CancelFunc
	state  state
}

// A state says what stands behind a token.
type state uint8

const (
	absent  state = iota // there is no session: ask the guard
	present              // there is one
	drained              // it ended with its stream, the rest of which may still be fetched
	kicked               // it was ended from this side: nothing may be fetched
)

func newViewer(token string) *viewer {
	v := &viewer{token: token, asking: make(chan struct{}, 1)}
	v.touch()
	return v
}

// touch notes that the viewer was seen. Who was away is back.
func (v *viewer) touch() {
	v.last.Store(time.Now().UnixNano())
	if v.away.Load() {
		v.setAway(false)
	}
}

// setAway says whether the viewer counts.
func (v *viewer) setAway(away bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.away.Store(away)
	if v.state == present {
		v.ses.SetAway(away)
	}
}

// idle returns for how long the viewer was not seen.
func (v *viewer) idle(now time.Time) time.Duration {
	if v.waiting.Load() > 0 {
		return 0
	}
	return now.Sub(time.Unix(0, v.last.Load()))
}

// look returns the viewer's state.
func (v *viewer) look() state {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.state == present {
		v.settle()
	}
	return v.state
}

// settle notes that the session was ended by the hub. v.mu must be held.
func (v *viewer) settle() {
	switch err := v.ses.Err(); {
	case err == nil:
	case errors.Is(err, live.ErrKicked):
		v.state = kicked
	default:
		v.state = absent
	}
}

// ask admits the viewer to the stream that is on air, with the guard's consent, and puts the session in place of the one
// before. The session lives on after ctx, which bounds the asking only.
func (v *viewer) ask(ctx context.Context, hub *live.Hub, req live.Request, wait time.Duration) error {
	v.waiting.Add(1)
	defer v.waiting.Add(-1)
	life, cancel := context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, cancel)
	ses, err := hub.Play(life, req, wait)
	if !stop() && err == nil {
		err = context.Cause(ctx)
		ses.Close(nil)
	}
	if err == nil {
		if err = v.check(&req, ses); err != nil {
			ses.Close(err)
		}
	}
	if err != nil {
		cancel()
		return err
	}
	v.mu.Lock()
	v.ses, v.cancel, v.state = ses, cancel, present
	v.away.Store(false)
	v.mu.Unlock()
	v.touch()
	// The hub must not wait for the next sweep when it wants the session to end.
	context.AfterFunc(ses.Context(), func() {
		v.look()
		ses.Close(nil)
		cancel()
	})
	return nil
}

// check tells whether a session is for what was asked. A viewer that is new may be given another stream by the guard; the
// URLs of one that comes back are of that which it has.
func (v *viewer) check(req *live.Request, ses *live.Session) error {
	switch {
	case ses.Key.Vhost != req.Key.Vhost: // a reload has just taken the vhost away
		return errNotOnAir
	case v.token != "" && ses.Key.Name != req.Key.Name:
		return errNoSession
	}
	return nil
}

// end closes the session, if there is one, and leaves the viewer in the given state. A kicked viewer stays one.
func (v *viewer) end(s state, reason error) {
	v.mu.Lock()
	if v.state == present {
		v.settle()
	}
	if v.state != present {
		v.mu.Unlock()
		return
	}
	v.state = s
	ses, cancel := v.ses, v.cancel
	v.mu.Unlock()
	ses.Close(reason)
	cancel()
}

// watches tells whether the viewer's session is attached to s.
func (v *viewer) watches(s *live.Stream) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.state == present && v.ses.Stream() == s
}

// stream returns what the viewer's session is attached to, or nil.
func (v *viewer) stream() *live.Stream {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.state != present {
		return nil
	}
	return v.ses.Stream()
}

// session returns the newest session of a viewer; nil before the first, and where there are no viewers.
func (v *viewer) session() *live.Session {
	if v == nil {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ses
}

// sent counts n bytes that a Write has taken, also those of the rest of a stream that has ended. It fails if the viewer
// was kicked meanwhile.
func (v *viewer) sent(n int) error {
	v.touch()
	ses := v.session()
	if ses == nil {
		return nil
	}
	ses.Sent(n)
	if err := ses.Err(); errors.Is(err, live.ErrKicked) {
		return err
	}
	return nil
}
