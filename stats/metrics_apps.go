package stats

import "github.com/caddy-rtmp/caddy-rtmp/live"

// The metrics of an app.
var (
	appCounters = []struct {
		family
		value func(a *live.AppInfo) int64
	}{
		{appCounter("sent_bytes_total", "Bytes that were sent to viewers of an app."), func(a *live.AppInfo) int64 { return a.Totals.Sent }},
		{appCounter("received_bytes_total", "Bytes that were received for an app."), func(a *live.AppInfo) int64 { return a.Totals.Received }},
		{appCounter("publishes_total", "Publishers of an app that were admitted."), func(a *live.AppInfo) int64 { return a.Publishes }},
		{appCounter("plays_total", "Viewers of an app that were admitted."), func(a *live.AppInfo) int64 { return a.Plays }},
	}
	appStreams = gauge("app_streams", "Streams of an app that have a publisher.", "vhost", "app")
	appViewers = gauge("app_viewers", "Viewers of an app that there are.", "vhost", "app")
)

func appCounter(name, help string) family { return counter("app_"+name, help, "vhost", "app") }

// An appID is what an app's series are told apart by.
type appID struct{ vhost, app string }

// apps tells of apps. Those beyond the bound, which have no names here, are added up over all vhosts.
func (s scrape) apps(apps []live.AppInfo, streams []live.StreamInfo) {
	counted := make(map[appID][]int64)
	for i := range apps {
		id := appID{apps[i].Vhost, apps[i].Name}
		if apps[i].Name == "" {
			id = appID{app: otherLabel}
		}
		if counted[id] == nil {
			counted[id] = make([]int64, len(appCounters))
		}
		for n, c := range appCounters {
			counted[id][n] += c.value(&apps[i])
		}
	}
	onAir, watching := make(map[appID]int), make(map[appID]int)
	for i := range streams {
		id := appID{streams[i].Key.Vhost, streams[i].Key.App}
		if counted[id] == nil {
			id = appID{app: otherLabel}
		}
		watching[id] += viewersOf(&streams[i])
		if streams[i].Publisher != nil {
			onAir[id]++
		}
	}
	for id, values := range counted {
		for n, c := range appCounters {
			s.put(c.family, float64(values[n]), id.vhost, id.app)
		}
		s.put(appStreams, float64(onAir[id]), id.vhost, id.app)
		s.put(appViewers, float64(watching[id]), id.vhost, id.app)
	}
}

// viewersOf returns how many viewers a stream has.
func viewersOf(s *live.StreamInfo) int {
	if s.Publisher != nil {
		return s.Sessions - 1
	}
	return s.Sessions
}
