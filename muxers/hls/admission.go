package hls

import "github.com/caddy-rtmp/caddy-rtmp/live"

// admitList sets the viewer that asks for a media playlist and returns the channel, to be released; ch is the one that
// there is, or nil. A token that was made here but has no session any more gets a new one if the guard agrees, at the
// same URLs. Without a stream on air nobody is asked for: who has seen its end may fetch the rest, others find nothing.
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
	switch {
	case !x.server.mint.valid(x.target.key, x.token):
		if ch == nil {
			return nil, errNoFile
		}
		return nil, errNoSession
	case !x.onAir():
		return nil, errNotOnAir
	}
	return x.comeBack()
}

// recognise sets the viewer if the list has it and it needs no session but what it has. done is false if the guard is to
// be asked.
func (x *exchange) recognise(ch *channel) (done bool, err error) {
	v := ch.viewer(x.token)
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
	x.viewer = v
	return true, nil
}

// admitObject sets the viewer that asks for a segment. Segments ask no guard: who has no session begins with a playlist.
func (x *exchange) admitObject(ch *channel) error {
	if !x.config.Sessions {
		return nil
	}
	v := ch.viewer(x.token)
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
	x.viewer = v
	return nil
}
