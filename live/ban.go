package live

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// maxBans bounds how many bans there are at a time.
const maxBans = 10_000

// A Ban keeps clients out until it ends: those of an origin, those who want to do something with a stream, or those of an
// origin who want to do something with a stream. The Hub asks for bans before it asks the guard, so that no protocol can
// forget them. They belong to the Hub: they outlive configurations.
// Who wants them to outlive the process keeps [Hub.Bans] and gives them to [Hub.RestoreBans].
type Ban struct {
	// ID names the ban: eight characters.
	ID string
	// Origin is whom it keeps out, as [OriginOf] says. The zero prefix stands for everybody.
	Origin netip.Prefix
	// Key is what it keeps them from, with the Action. The zero key stands for every stream, and for both actions.
	Key    Key
	Action Action
	// Began is when it was made, Until when it ends.
	Began, Until time.Time
}

// BanBy says what a ban holds for. The zero BanBy is BanAddress.
type BanBy uint8

// What a ban may hold for. Both together are the clients of one origin on one stream.
const (
	BanAddress BanBy = 1 << iota // the client's origin, whatever it wants
	BanStream                    // what the client does with its stream, whoever wants to
)

// The reasons why there is no ban.
var (
	ErrNoSession   = errors.New("no such session")
	ErrNoAddress   = errors.New("the client's address is not known")
	ErrTooManyBans = errors.New("too many bans")
)

// originBits is how much of an IPv6 address counts as one origin. A subscriber is given a /64 at least (RFC 6177, and
// SLAAC needs one), in which he may take as many addresses as he likes: to count, or to ban, those would bound nobody.
const originBits = 64

// OriginOf returns what counts as one client's place in the network: an IPv4 address, or the /64 of an IPv6 address. All
// whose address is not known share the zero origin.
func OriginOf(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	bits := a.BitLen()
	if a.Is6() {
		bits = originBits
	}
	p, _ := a.WithZone("").Prefix(bits) // fails for an invalid address alone
	return p
}

// A banScope is all of a ban that tells whom it holds for.
type banScope struct {
	origin netip.Prefix
	key    Key
	action Action
}

// scopes returns the scopes of all bans that can hold for r.
func scopes(r *Request) [3]banScope {
	origin, key := OriginOf(r.Remote.Addr()), r.Key.normal()
	return [...]banScope{{origin: origin}, {key: key, action: r.Action}, {origin, key, r.Action}}
}

// Ban ends the session of the given id and all others that the ban holds for, with an error that wraps ErrKicked, and keeps
// their like out for d. A ban that holds for the same takes the place of the one before. The error is ErrNoSession,
// ErrNoAddress or ErrTooManyBans; nobody is ended then. It returns at once.
func (h *Hub) Ban(id string, by BanBy, d time.Duration) (Ban, error) {
	ban, ended, err := h.ban(id, by, d)
	for _, ses := range ended {
		ses.End(Refuse(ErrKicked, "kicked, and not let in again before %s", moment(ban.Until)))
	}
	return ban, err
}

// ban puts a ban on the list and returns the sessions that it ends.
func (h *Hub) ban(id string, by BanBy, d time.Duration) (ban Ban, ended []*Session, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ses := h.sessions[id]
	if ses == nil {
		return Ban{}, nil, ErrNoSession
	}
	now := time.Now()
	scope, err := scopeOf(&ses.Request, by)
	if err != nil {
		return Ban{}, nil, err
	}
	if err := h.makeRoom(scope, now); err != nil {
		return Ban{}, nil, err
	}
	ban = Ban{ID: newID(8), Origin: scope.origin, Key: scope.key, Action: scope.action, Began: now, Until: now.Add(d)}
	h.bans[scope] = ban
	for _, s := range h.sessions {
		if all := scopes(&s.Request); slices.Contains(all[:], scope) {
			ended = append(ended, s)
		}
	}
	return ban, ended, nil
}

// scopeOf returns what a ban of a client holds for.
func scopeOf(r *Request, by BanBy) (banScope, error) {
	all := scopes(r)
	by = cmp.Or(by, BanAddress)
	if by&BanAddress != 0 && !all[0].origin.IsValid() {
		return banScope{}, ErrNoAddress
	}
	return all[by-1], nil
}

// makeRoom makes room for a ban, also by forgetting those that are over. h.mu must be held.
func (h *Hub) makeRoom(scope banScope, now time.Time) error {
	if h.bans == nil {
		h.bans = make(map[banScope]Ban)
	}
	if _, again := h.bans[scope]; again || len(h.bans) < maxBans {
		return nil
	}
	h.forgetBans(now)
	if len(h.bans) >= maxBans {
		return ErrTooManyBans
	}
	return nil
}

// forgetBans forgets the bans that are over. h.mu must be held.
func (h *Hub) forgetBans(now time.Time) {
	for scope, b := range h.bans {
		if !now.Before(b.Until) {
			delete(h.bans, scope)
		}
	}
}

// Bans returns the bans in force, the first to end first.
func (h *Hub) Bans() []Ban {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forgetBans(time.Now())
	list := make([]Ban, 0, len(h.bans))
	for _, b := range h.bans {
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b Ban) int { return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.ID, b.ID)) })
	return list
}

// RestoreBans puts bans on the list that another Hub has had. Those that are over, or one too many, are left out.
func (h *Hub) RestoreBans(list []Ban) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for _, b := range list {
		scope := banScope{b.Origin, b.Key, b.Action}
		if now.Before(b.Until) && h.makeRoom(scope, now) == nil {
			h.bans[scope] = b
		}
	}
}

// LiftBan ends the ban of the given id, and tells whether there was one.
func (h *Hub) LiftBan(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forgetBans(time.Now())
	for scope, b := range h.bans {
		if b.ID == id {
			delete(h.bans, scope)
			return true
		}
	}
	return false
}

// CheckBans returns a refusal that wraps ErrBanned if a ban holds for r, the key of which is resolved. Publish, Play and
// Admit do so by themselves; who serves without a session asks here.
func (h *Hub) CheckBans(r *Request) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.checkBans(r)
}

// checkBans is CheckBans with h.mu held.
func (h *Hub) checkBans(r *Request) error {
	if len(h.bans) == 0 {
		return nil
	}
	now := time.Now()
	for _, scope := range scopes(r) {
		if b, ok := h.bans[scope]; ok && now.Before(b.Until) {
			return b.refusal()
		}
	}
	return nil
}

// refusal is what those are told whom the ban keeps out.
func (b *Ban) refusal() error {
	who, what := "your address", "publish or play"
	if !b.Origin.IsValid() {
		who = "everybody"
	}
	if b.Key != (Key{}) {
		what = b.Action.String() + " " + b.Key.String()
	}
	return Refuse(ErrBanned, "%s is banned: it may not %s before %s", who, what, moment(b.Until))
}

// moment renders a time for clients.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
