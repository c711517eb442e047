package load

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
)

// A place is where one viewer is at a time: with viewers who leave, one after the other.
type place struct {
	config *Config
	tally  *tally
	stream int
	stuck  bool
	looks  bool // at what it receives, and does not only count it

	bytes atomic.Int64
	mark  int64 // bytes when the measurement began
}

// joinTimeout bounds connecting and the answer to a request; a server may let a viewer wait for a publisher meanwhile.
const joinTimeout = 20 * time.Second

// run lets viewers come for as long as ctx lasts and more says so.
func (p *place) run(ctx context.Context, more func() bool) {
	for ctx.Err() == nil && more() {
		err := p.visit(ctx)
		if ctx.Err() == nil && err != nil {
			p.tally.register.add(1, err, faultEnded)
		}
		if p.config.Stay == 0 {
			return
		}
		if err != nil {
			rest(ctx, 100*time.Millisecond) // a server that is away need not be asked all the time
		}
	}
}

// errLeft is the cause for which a viewer leaves who has stayed long enough, or has waited too long for a picture.
var errLeft = errors.New("the viewer has left")

// visit is one viewer, from its request on until it leaves or is left. A viewer who left of its own accord has no error.
func (p *place) visit(ctx context.Context) error {
	w := newWatch(p.tally, &p.bytes, p.config.Stall, p.looks)
	defer w.leave()
	if p.config.Stay > 0 {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		// It is no deadline of the context: whoever dials would take that for a fault of the server.
		timer := time.AfterFunc(joinTimeout, func() { cancel(errLeft) })
		defer timer.Stop()
		stay := time.Duration((0.5 + rand.Float64()) * float64(p.config.Stay)) //nolint:gosec // no secret
		w.begins = func() { timer.Reset(stay) }
	}
	err := p.watch(ctx, w)
	switch {
	case ctx.Err() == nil:
		return err
	case p.looks && !p.stuck && !w.media && (p.config.Stay == 0 || errors.Is(context.Cause(ctx), errLeft)):
		return &fault{faultEmpty, errors.New("a viewer has seen nothing")}
	}
	return nil
}

// watch plays in the protocol of the place.
func (p *place) watch(ctx context.Context, w *watch) error {
	switch {
	case p.tally.protocol == RTMP:
		return p.playRTMP(ctx, w)
	case p.tally.protocol.segmented():
		return p.playHLS(ctx, w)
	}
	return p.playHTTP(ctx, w)
}

// playHLS plays segments.
func (p *place) playHLS(ctx context.Context, w *watch) error {
	client := p.config.newWeb(p.stuck)
	defer client.close()
	w.stall = 1<<63 - 1 // the player knows better
	return newHLSPlayer(w, client, p.config.Stall).play(ctx, p.config.address(p.tally.protocol, p.stream))
}

// readBytes is what is read at once from an HTTP stream: more than a batch of one stream usually has.
const readBytes = 32 << 10

// playHTTP plays a stream without end.
func (p *place) playHTTP(ctx context.Context, w *watch) error {
	client := p.config.newWeb(p.stuck)
	defer client.close()
	asking := ctx
	if p.stuck {
		asking = context.WithoutCancel(ctx) // it is looked at once more in the end
	}
	resp, err := p.openHTTP(asking, client)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if p.stuck {
		return p.hang(ctx, w, resp.Body)
	}
	check := p.check(w)
	buf := make([]byte, readBytes)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			now := time.Now()
			w.received(n, now)
			if err := check(buf[:n], now); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return &fault{faultEnded, errors.New("the server has ended the stream")}
		case err != nil:
			return &fault{faultEnded, err}
		}
	}
}

// openHTTP asks for the stream; the answer has joinTimeout to come.
func (p *place) openHTTP(ctx context.Context, client *web) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(joinTimeout, func() { cancel(errors.New("no answer within " + joinTimeout.String())) })
	resp, err := client.open(ctx, p.config.address(p.tally.protocol, p.stream))
	if !timer.Stop() && err != nil {
		err = &fault{faultConnect, context.Cause(ctx)}
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Body = &cancelBody{resp.Body, cancel}
	return resp, nil
}

// A cancelBody ends its request when it is closed.
type cancelBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

// Close implements io.Closer.
func (b *cancelBody) Close() error {
	b.cancel(nil)
	return b.ReadCloser.Close()
}

// check returns what looks at the bytes of the viewer's format.
func (p *place) check(w *watch) func(b []byte, now time.Time) error {
	switch {
	case !p.looks:
		return func([]byte, time.Time) error { return nil }
	case p.tally.protocol == TS:
		return newTSCheck(w).read
	}
	return newFLVCheck(w).read
}

// playRTMP plays by RTMP. What counts as received are the bodies of the messages.
func (p *place) playRTMP(ctx context.Context, w *watch) error {
	joining, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	client, err := rtmpapp.DialFrom(joining, dialer(p.stuck), p.config.address(RTMP, p.stream), p.config.TLS)
	if err != nil {
		return &fault{faultConnect, err}
	}
	defer client.Close()
	frames, err := client.Play(joining)
	if err != nil {
		return &fault{faultRefused, err}
	}
	if p.stuck {
		return p.hang(ctx, w, &frameBody{frames, client})
	}
	for {
		f, err := frames.ReadFrame(ctx)
		switch {
		case errors.Is(err, live.ErrTag):
			return &fault{faultFormat, err}
		case err != nil:
			return &fault{faultEnded, err}
		}
		now := time.Now()
		w.received(len(f.Body), now)
		if p.looks && f.Media() && f.Track == 0 {
			head := f.Payload()
			w.frame(f.Kind, f.Time, 32, f.Key, head[:min(len(head), flvHead)], now)
		}
	}
}

// rest waits, and tells whether ctx has not ended meanwhile.
func rest(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
