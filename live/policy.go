package live

import (
	"cmp"
	"context"
	"time"
)

// A Guard may refuse a session before it begins. It is asked by the Hub, so that no protocol can forget it. A refusal is
// a Refusal; any other error means that the guard could not decide, which refuses too. Admit may block until ctx is done,
// and must neither change r nor keep it.
type Guard interface {
	Admit(ctx context.Context, r *Request) (Grant, error)
}

// GuardFunc is a function that is a Guard.
type GuardFunc func(ctx context.Context, r *Request) (Grant, error)

// Admit calls g.
func (g GuardFunc) Admit(ctx context.Context, r *Request) (Grant, error) { return g(ctx, r) }

// A Grant is what a guard says of a session that it admits. The zero Grant admits it as it asked, for as long as it
// likes.
type Grant struct {
	// Expires is when the session is to end, with ErrExpired. The zero time is never.
	Expires time.Time
	// Stream is the name that the session gets instead of the one that it asked for, within the same app. Empty leaves it.
	Stream string
	// User is who the client has proved to be, Note what the operator's own system remarks. The API shows both.
	User, Note string
	// Basis is what the guard has admitted the session on, in the guard's own words, so that it can be asked later whether
	// that still holds. It holds no secret, and is shown to nobody.
	Basis string
}

// And returns what two guards say together: the earlier end, and the later guard's word where both name something.
func (g Grant) And(later Grant) Grant {
	if later.Expires.IsZero() || !g.Expires.IsZero() && g.Expires.Before(later.Expires) {
		later.Expires = g.Expires
	}
	later.Stream = cmp.Or(later.Stream, g.Stream)
	later.User = cmp.Or(later.User, g.User)
	later.Note = cmp.Or(later.Note, g.Note)
	later.Basis = cmp.Or(later.Basis, g.Basis)
	return later
}

// An Observer is told what has happened, in order for each stream's name. Observe must not block and must not call the
// Hub or close a session: it is called while other sessions of the stream wait to begin or end.
type Observer interface {
	Observe(e Event)
}

// ObserverFunc is a function that is an Observer.
type ObserverFunc func(e Event)

// Observe calls o.
func (o ObserverFunc) Observe(e Event) { o(e) }

// EventType says what has happened.
type EventType string

// The events. Every EventPublish is followed by one EventUnpublish of the same session, and every EventPlay by one
// EventStop. EventRefuse stands alone. EventClose follows all others of an RTMP connection.
const (
	EventPublish   EventType = "publish"
	EventUnpublish EventType = "unpublish"
	EventPlay      EventType = "play"
	EventStop      EventType = "stop"
	EventRefuse    EventType = "refuse"
	EventClose     EventType = "close"
)

// An Event is something that has happened to a session.
type Event struct {
	Type EventType
	Time time.Time
	// Session is as it is then. That of an EventClose is the last one that the connection had or was refused; its totals
	// are the connection's.
	Session SessionInfo
	// Clients is how many sessions its stream has then, this one among them although it may just have ended. It is 0 where
	// there is no stream.
	Clients int
	// Err is why a session was refused or has ended: io.EOF where the client left as it should.
	Err error
}

// A Policy is what one configuration says: who may, who is told, and by which rules. It is not changed once it was
// given to a Hub.
type Policy struct {
	// Guard is asked before every session. Nil admits everybody.
	Guard Guard
	// Observer is told of every session. Nil is told nothing.
	Observer Observer
	// Vhosts declares vhosts: it maps each name and alias, in lower case, to the name that Keys bear. A name that begins
	// with "*." stands for those that have one label in its place. Names that are not in it mean DefaultVhost.
	Vhosts map[string]string
	// Rules returns the rules for a stream, or a Refusal if its vhost or app does not exist. The key is resolved. It
	// must not call the Hub. Nil means DefaultRules for every app.
	Rules func(k Key) (Rules, error)
}

func (p *Policy) admit(ctx context.Context, r *Request) (Grant, error) {
	if p.Guard == nil {
		return Grant{}, nil
	}
	return p.Guard.Admit(ctx, r)
}

func (p *Policy) observe(e Event) {
	if p.Observer != nil {
		p.Observer.Observe(e)
	}
}

func (p *Policy) rules(k Key) (Rules, error) {
	if p.Rules == nil {
		return DefaultRules(), nil
	}
	r, err := p.Rules(k)
	if r.Latency <= 0 {
		r.Latency = DefaultRules().Latency
	}
	return r, err
}
