package hooks

import (
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// Observe implements live.Observer: it queues what targets are to be told. Call Backends.Forget after all observers were
// told that a session was refused or has ended.
func (w *Webhook) Observe(e live.Event) {
	switch e.Type {
	case live.EventPublish:
		w.began(e, OnPublish, OnUnpublish)
	case live.EventPlay:
		w.began(e, OnPlay, OnStop)
	case live.EventUnpublish:
		w.ended(e, OnPublish, OnUnpublish)
	case live.EventStop:
		w.ended(e, OnPlay, OnStop)
	case live.EventRefuse:
		w.refused(e)
	case live.EventClose:
		w.closed(e)
	}
}

// began notes what targets are owed at the end that were not asked, and what has become of the name for those that were.
func (w *Webhook) began(e live.Event, begin, end string) {
	if !w.Wants(end) {
		return
	}
	asked := w.Wants(begin)
	for _, t := range w.targets {
		stream, owed := w.backends.owes(e.Session.ID, t.name)
		if !owed {
			stream, _ = orderOf(&e.Session.Request)
		}
		if owed && e.Session.Grant.Stream != "" || !owed && !asked {
			w.owe(t, end, &e.Session, stream)
		}
	}
}

// owe notes that a target is to be told of a session's end, whatever happens.
func (w *Webhook) owe(t *target, end string, s *live.SessionInfo, stream string) {
	d := w.delivery(t, end, &s.Request, stream, w.backends.Identity.ended(end, s, 1))
	w.check(w.backends.begin(w.outbox(), s.ID, &d))
}

// ended tells the targets of a session's end: those that have accepted it, or all if they are not asked.
func (w *Webhook) ended(e live.Event, begin, end string) {
	if !w.Wants(end) {
		return
	}
	asked := w.Wants(begin)
	for _, t := range w.targets {
		stream, owed := w.backends.owes(e.Session.ID, t.name)
		if asked && !owed {
			continue
		}
		if !owed {
			stream, _ = orderOf(&e.Session.Request)
		}
		d := w.delivery(t, end, &e.Session.Request, stream, w.backends.Identity.ended(end, &e.Session, e.Clients))
		w.check(w.backends.end(w.outbox(), e.Session.ID, &d))
	}
}

// refused tells the targets that have accepted a session which the hub has refused then, say because another publisher
// was quicker, that it has ended.
func (w *Webhook) refused(e live.Event) {
	begin, end := OnPlay, OnStop
	if e.Session.Action == live.ActionPublish {
		begin, end = OnPublish, OnUnpublish
	}
	if w.Wants(begin) {
		w.ended(e, begin, end)
	}
}

// closed tells the targets of the end of an RTMP connection.
func (w *Webhook) closed(e live.Event) {
	if !w.Wants(OnClose) || e.Session.Protocol != live.ProtocolRTMP {
		return
	}
	stream, _ := orderOf(&e.Session.Request)
	body := w.backends.Identity.closed(&e.Session)
	for _, t := range w.targets {
		w.check(w.outbox().Put(w.delivery(t, OnClose, &e.Session.Request, stream, body)))
	}
}

// delivery returns an event for a target.
func (w *Webhook) delivery(t *target, event string, r *live.Request, stream string, body []byte) outbox.Delivery {
	_, client := orderOf(r)
	now := time.Now()
	return outbox.Delivery{
		ID:      outbox.NewID(),
		Target:  t.name,
		Stream:  stream,
		Client:  client,
		Event:   event,
		Body:    body,
		Created: now,
		Expires: now.Add(lives(event)),
		End:     event == OnUnpublish || event == OnStop || event == OnClose,
	}
}

// lives returns how long an event is worth delivering.
func lives(event string) time.Duration {
	switch event {
	case OnHLS:
		return outbox.SegmentLife
	case OnHLSNotify:
		return notifyLife
	}
	return outbox.DefaultLife
}
