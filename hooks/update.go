package hooks

import (
	"context"
	"sync"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

const (
	// DefaultUpdateInterval is how often on_update tells of each session where nothing else is said. It is nginx-rtmp's.
	DefaultUpdateInterval = 30 * time.Second
	// updatesInFlight bounds the sessions that are told of at a time.
	updatesInFlight = 16
)

// Update tells of each publisher and viewer by on_update, once in every interval of its life, until ctx is done. As with
// nginx-rtmp an answer that refuses ends the session; one that does not come changes nothing, and is not repeated.
func (w *Webhook) Update(ctx context.Context) {
	if !w.Wants(OnUpdate) {
		return
	}
	interval := w.options.UpdateInterval
	tick := time.NewTicker(max(interval/10, 100*time.Millisecond))
	defer tick.Stop()
	var told sync.WaitGroup
	defer told.Wait()
	slots := make(chan struct{}, updatesInFlight)
	last := make(map[string]time.Time) // by session, when it was told of
	var telling sync.Map               // the sessions that are being told of
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		snap := w.backends.Hub.Snapshot()
		clients := make(map[string]int, len(snap.Streams))
		for _, s := range snap.Streams {
			clients[s.ID] = s.Sessions
		}
		next := make(map[string]time.Time, len(snap.Sessions))
		for _, s := range snap.Sessions {
			before, ok := last[s.ID]
			if !ok {
				before = s.Began
			}
			if next[s.ID] = before; now.Sub(before) < interval {
				continue
			}
			if _, busy := telling.LoadOrStore(s.ID, nil); busy { // the back end is slower than the interval
				continue
			}
			next[s.ID] = now
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			body := w.backends.Identity.updated(&s, now, clients[s.StreamID])
			told.Go(func() {
				defer func() { telling.Delete(s.ID); <-slots }()
				w.update(ctx, &s, body)
			})
		}
		last = next
	}
}

// update tells of a session, and ends it if a target does not want it any more.
func (w *Webhook) update(ctx context.Context, s *live.SessionInfo, body []byte) {
	stream, client := orderOf(&s.Request)
	for _, t := range w.targets {
		_, err := t.ask(ctx, OnUpdate, stream, client, body)
		if isRefusal(err) {
			w.options.Logger.Info("a back end ends a session", "target", t.name, "session", s.ID, "stream", s.Key.URL(), "error", err.Error())
			w.backends.Hub.Kick(s.ID)
			return
		}
		if err != nil && ctx.Err() == nil {
			w.options.Logger.Warn("a back end was not told how a session goes on", "target", t.name, "session", s.ID, "error", err.Error())
		}
	}
}

// updated returns the body of on_update for a session as it was at now.
func (i Identity) updated(s *live.SessionInfo, now time.Time, clients int) []byte {
	r := &s.Request
	return encode(updateBody{
		playBody: playBody{
			i.head(OnUpdate, r), streamName(r), tcURL(r), param(r), r.PageURL, r.Key.URL(), s.StreamID, clients,
		},
		Publish:   r.Action == live.ActionPublish,
		Duration:  decimal(now.Sub(s.Began).Seconds()),
		SendBytes: s.Totals.Sent,
		RecvBytes: s.Totals.Received,
	})
}
