package hls

import (
	"sync"
	"weak"
)

// lobbySize is how many may come after a viewer before it has asked for anything but an entry playlist.
const lobbySize = 10_000

// A lobby bounds what entry playlists cost that nobody goes on from: of viewers who have asked for nothing else yet it
// knows the newest, and the older ones have gone. Should one of them still come, it is admitted at its media playlist.
type lobby struct {
	mu     sync.Mutex
	places []newcomer // in a ring, once it is full
	next   int
}

// A newcomer is a viewer in the lobby, as long as it is anything at all.
type newcomer struct {
	channel *channel
	viewer  weak.Pointer[viewer]
}

// enter gives a viewer a place, and takes it from who came longest ago.
func (l *lobby) enter(ch *channel, v *viewer) {
	n := newcomer{ch, weak.Make(v)}
	l.mu.Lock()
	if len(l.places) < lobbySize {
		l.places = append(l.places, n)
		l.mu.Unlock()
		return
	}
	n, l.places[l.next] = l.places[l.next], n
	l.next = (l.next + 1) % lobbySize
	l.mu.Unlock()
	if old := n.viewer.Value(); old != nil && !old.settled.Load() {
		n.channel.remove(old, nil)
	}
}
