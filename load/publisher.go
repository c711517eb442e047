package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
)

// An ingest counts what all publishers send.
type ingest struct {
	onAir    atomic.Int64
	bytes    atomic.Int64
	frames   atomic.Int64
	late     histogram // how much later than it should a frame was written
	register register
}

// A publisher sends a film round and round.
type publisher struct {
	url  string
	tls  *tls.Config
	film *film
	in   *ingest

	mark mark // of the next picture
}

// run publishes until ctx is done or the server ends it. accepted is called when it is on air.
func (p *publisher) run(ctx context.Context, accepted func()) error {
	joining, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	client, err := rtmpapp.Dial(joining, p.url, p.tls)
	if err != nil {
		return err
	}
	defer client.Close()
	w, err := client.Publish(joining)
	if err != nil {
		return err
	}
	p.in.onAir.Add(1)
	accepted()
	defer p.in.onAir.Add(-1)
	return p.send(ctx, w)
}

// send writes each frame at its time.
func (p *publisher) send(ctx context.Context, w live.FrameWriter) error {
	start := time.Now()
	for base := int64(0); ; base += p.film.lap {
		for _, c := range p.film.cues {
			if base > 0 && !c.frame.Media() {
				continue // what describes the stream has been said
			}
			at := base + c.frame.Time
			due := start.Add(time.Duration(at) * time.Millisecond)
			if !rest(ctx, time.Until(due)) {
				return context.Cause(ctx)
			}
			p.in.late.add(time.Since(due))
			if err := w.WriteFrame(p.next(c, at)); err != nil {
				return fmt.Errorf("writing a frame: %w", err)
			}
			p.in.bytes.Add(int64(len(c.frame.Body)))
			p.in.frames.Add(1)
		}
	}
}

// next returns the frame of a cue, for a time and with its mark.
func (p *publisher) next(c cue, at int64) *live.Frame {
	f := *c.frame
	f.Time = at
	if c.mark > 0 {
		f.Body = slices.Clone(f.Body)
		p.mark.sent = time.Now()
		p.mark.put(f.Body[c.mark:])
		p.mark.number++
	}
	return &f
}
