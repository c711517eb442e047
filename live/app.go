package live

import "sync/atomic"

// maxApps bounds the apps that are counted by name. Where a policy has any app that a client asks for, clients choose the
// names, and what an app has counted is kept for as long as the hub lives.
const maxApps = 1000

// An app keeps what its streams have counted after they are gone.
type app struct {
	counters         Counters
	publishes, plays atomic.Int64
}

type appKey struct{ vhost, name string }

// An AppInfo is an app that has had a stream since the hub was made. The apps beyond the first thousand are one of their
// vhost, the name of which is empty.
type AppInfo struct {
	Vhost, Name      string
	Publishes, Plays int64 // sessions that have begun
	Totals           Totals
}

// app returns the app of a stream, a new one if there is none. h.mu must be held.
func (h *Hub) app(k Key) *app {
	id := appKey{k.Vhost, k.App}
	if h.apps[id] == nil && len(h.apps) >= maxApps {
		id.name = ""
	}
	a := h.apps[id]
	if a == nil {
		a = new(app)
		a.counters.parent = &h.vhost(k.Vhost).counters
		h.apps[id] = a
	}
	return a
}

// begin counts a session.
func (a *app) begin(ses *Session) {
	if ses.Action == ActionPublish {
		a.publishes.Add(1)
		return
	}
	a.plays.Add(1)
}

// Apps returns what the apps have counted, in no order.
func (h *Hub) Apps() []AppInfo {
	h.mu.Lock()
	defer h.mu.Unlock()
	infos := make([]AppInfo, 0, len(h.apps))
	for id, a := range h.apps {
		infos = append(infos, AppInfo{
			Vhost: id.vhost, Name: id.name,
			Publishes: a.publishes.Load(), Plays: a.plays.Load(), Totals: a.counters.Totals(),
		})
	}
	return infos
}
