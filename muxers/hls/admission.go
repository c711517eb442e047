package hls

import (
	"strings"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// admitList sets the viewer that asks for a media playlist and returns the channel, to be released; ch is the one that
// there is, or nil. A token that was made here but has no session any more gets a new one if the guard agrees, at the
// same URLs, also one from before a restart. Without a stream on air nobody is asked for: who has seen its end may fetch the
// rest, others wait for a publisher.
func (x *exchange) admitList(ch *channel) (*channel, error) {
	if ch != nil {
		if done, err := x.recognise(ch); done {
			if err != nil {
				x.server.release(ch)
				return nil, err
			}
			return ch, nil
		}
		x.server.release(ch)
	}
	if x.mint().valid(x.target.key, x.query.token) {
		return x.comeBack()
	}
	if ch == nil {
		return nil, errNoFile
	}
	return nil, errNoSession
}

// recognise sets the viewer if the list has it and it needs no session but what it has. done is false if the guard is to
// be asked.
func (x *exchange) recognise(ch *channel) (done bool, err error) {
	v := ch.viewer(x.query.token)
	if v == nil {
		return false, nil
	}
	v.touch()
	switch v.look() {
	case kicked:
		return true, live.ErrKicked
	case absent:
		return false, nil
	case drained:
		if x.onAir() {
			return false, nil
		}
	}
	v.settled.Store(true)
	x.viewer = v
	return true, nil
}

// admitObject sets the viewer that asks for an object, or looks at the signature that stands for all viewers; one from
// before a reload stays good for its time. Objects ask no guard: who has no session begins with a playlist.
func (x *exchange) admitObject(ch *channel) error {
	switch {
	case !x.counts():
		return nil
	case x.query.signature != "":
		return x.checkSignature()
	case x.query.token == "" && x.config.Sessions == SessionsCache:
		return errNoSignature
	}
	v := ch.viewer(x.query.token)
	if v == nil {
		return errNoSession
	}
	v.touch()
	switch v.look() {
	case kicked:
		return live.ErrKicked
	case absent:
		return errNoSession
	}
	v.settled.Store(true)
	x.viewer = v
	return nil
}

// checkSignature refuses URLs of objects that were not made here, and those that were once.
func (x *exchange) checkSignature() error {
	sig := x.query.signature
	if !x.mint().signed(x.target.key, x.target.file, sig) {
		return errNoSignature
	}
	if date, _, _ := strings.Cut(sig, "."); expired(date, time.Now()) {
		return errOldSignature
	}
	return nil
}
