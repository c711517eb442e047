package hooks

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// Claims are the names of the claims in which a token says what it is for. A token without a claim that is not optional
// is refused, so that one that was made for something else opens nothing.
type Claims struct {
	// Action holds publish, play or *, several in a list or with spaces between them. Its name is action by default.
	Action Claim
	// Stream holds patterns for MatchStream, one or a list. Its name is stream by default.
	Stream Claim
	// App and Vhost hold patterns for these names, one or a list. Their names are app and vhost by default, and they are
	// always optional.
	App, Vhost Claim
	// User holds the name by which the API shows the client. Its name is sub by default, and it is always optional.
	User Claim
	// Expiry holds the end in seconds since 1970. Its name is exp by default; an exp that is there beside one of another
	// name holds as well.
	Expiry Claim
}

// A Claim is the name of a claim: that of a member, or of a member's member with a dot between, as in
// realm_access.roles.
type Claim struct {
	Name     string
	Optional bool
}

// normal returns c with its defaults.
func (c Claims) normal() Claims {
	for _, d := range []struct {
		claim *Claim
		name  string
	}{{&c.Action, "action"}, {&c.Stream, "stream"}, {&c.App, "app"}, {&c.Vhost, "vhost"}, {&c.User, "sub"}, {&c.Expiry, "exp"}} {
		d.claim.Name = cmp.Or(d.claim.Name, d.name)
	}
	c.App.Optional, c.Vhost.Optional, c.User.Optional = true, true, true
	return c
}

// claims are what a token says.
type claims struct {
	jwt.MapClaims
	names Claims
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *claims) UnmarshalJSON(text []byte) error { return json.Unmarshal(text, &c.MapClaims) }

// GetExpirationTime implements jwt.Claims for a claim of any name.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) {
	usual, err := c.MapClaims.GetExpirationTime()
	own := c.find(c.names.Expiry.Name)
	if err != nil || own == nil {
		return usual, err
	}
	end, err := jwt.MapClaims{"exp": own}.GetExpirationTime()
	if err != nil || usual != nil && usual.Before(end.Time) {
		return usual, err
	}
	return end, nil
}

// find returns the value of a claim, nil if there is none.
func (c *claims) find(name string) any {
	if v, ok := c.MapClaims[name]; ok {
		return v
	}
	var at any = map[string]any(c.MapClaims)
	for part := range strings.SplitSeq(name, ".") {
		object, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = object[part]
	}
	return at
}

func (c *claims) text(name string) string {
	s, _ := c.find(name).(string)
	return s
}

// list returns the texts of a claim. ok is false if there is something else in it.
func (c *claims) list(name string) (texts []string, ok bool) {
	switch v := c.find(name).(type) {
	case nil:
		return nil, true
	case string:
		return []string{v}, true
	case []any:
		texts = make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, false
			}
			texts = append(texts, s)
		}
		return texts, true
	}
	return nil, false
}

// permit returns a refusal unless the claims are for what r asks for.
func (c *claims) permit(r *live.Request) error {
	vhost := cmp.Or(r.Key.Vhost, live.DefaultVhost)
	for _, check := range []struct {
		what  string
		claim Claim
		fits  func(pattern string) bool
	}{
		{"action", c.names.Action, func(p string) bool { return p == "*" || slices.Contains(strings.Fields(p), r.Action.String()) }},
		{"stream", c.names.Stream, func(p string) bool { return MatchStream(p, r.Key) }},
		{"app", c.names.App, func(p string) bool { return matchName(p, r.Key.App) }},
		{"vhost", c.names.Vhost, func(p string) bool { return matchName(p, vhost) }},
	} {
		patterns, ok := c.list(check.claim.Name)
		if patterns == nil && ok && check.claim.Optional {
			continue
		}
		if !ok || !slices.ContainsFunc(patterns, check.fits) {
			refusal := live.Refuse(live.ErrDenied, "the token is not for this")
			return fmt.Errorf("%w (its claim %q for the %s)", refusal, check.claim.Name, check.what)
		}
	}
	return nil
}
