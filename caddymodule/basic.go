package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

func init() {
	caddy.RegisterModule(new(Basic))
}

// Basic admits users by password. RTMP clients give them in the URL, `rtmp://user:password@host/app`, all clients in the
// query of the stream's name or URL, `?user=…&pass=…`, and HTTP clients by basic authentication. It is Caddy's
// `http_basic` with a cache of what was compared, which it needs since comparing takes long. Passwords longer than 1024
// bytes are wrong.
type Basic struct {
	caddyauth.HTTPBasicAuth

	// UserParam is the query parameter that holds the user. Default: `user`.
	UserParam string `json:"user_param,omitempty"`

	// PasswordParam is the query parameter that holds the password. Default: `pass`.
	PasswordParam string `json:"password_param,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Basic) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "rtmp.authenticators.basic", New: func() caddy.Module { return new(Basic) }}
}

var errNoAccount = errors.New("a basic authenticator needs a user and a password hash, as made by caddy hash-password")

// Provision sets up the accounts.
func (b *Basic) Provision(ctx caddy.Context) error {
	if len(b.AccountList) == 0 {
		return errNoAccount
	}
	b.Realm = cmp.Or(b.Realm, "stream")
	if b.HashCache == nil {
		b.HashCache = new(caddyauth.Cache)
	}
	if err := b.HTTPBasicAuth.Provision(ctx); err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	b.Hash = boundedComparer{b.Hash}
	return nil
}

// maxPasswordBytes bounds what the cache may come to hold.
const maxPasswordBytes = 1024

// Admit implements live.Guard.
func (b *Basic) Admit(_ context.Context, r *live.Request) (live.Grant, error) {
	req := syntheticRequest(r)
	if query, err := url.ParseQuery(r.Query); err == nil {
		if user := query.Get(cmp.Or(b.UserParam, "user")); user != "" {
			req.SetBasicAuth(user, query.Get(cmp.Or(b.PasswordParam, "pass")))
		}
	}
	if user, password, ok := req.BasicAuth(); ok && len(user)+len(password) > maxPasswordBytes {
		req.Header.Del("Authorization")
	}
	grant, err := authenticationProviders{"http_basic": b.HTTPBasicAuth}.admit(req)
	if err == nil {
		grant.Basis = grant.User + " " + hooks.Fingerprint(b.Accounts[grant.User].Password)
	}
	return grant, err
}

// Review implements hooks.Reviewer: the user must still be there, with the same password.
func (b *Basic) Review(s *live.SessionInfo) error {
	i := strings.LastIndexByte(s.Grant.Basis, ' ')
	if i >= 0 {
		account, ok := b.Accounts[s.Grant.Basis[:i]]
		if ok && hooks.Fingerprint(account.Password) == s.Grant.Basis[i+1:] {
			return nil
		}
	}
	return live.Refuse(live.ErrUnauthorized, "the login is no longer valid")
}

// hashing holds those that compare a password. Half of the processors are left for streams.
var hashing = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))

// hashingPatience is how long one may wait for its turn.
const hashingPatience = 5 * time.Second

// A boundedComparer compares few passwords at a time.
type boundedComparer struct{ caddyauth.Comparer }

var errHashing = errors.New("too many passwords are being checked")

// Compare implements caddyauth.Comparer.
func (c boundedComparer) Compare(hash, password []byte) (bool, error) {
	timer := time.NewTimer(hashingPatience)
	defer timer.Stop()
	select {
	case hashing <- struct{}{}:
		defer func() { <-hashing }()
		return c.Comparer.Compare(hash, password)
	case <-timer.C:
		return false, errHashing
	}
}

// UnmarshalCaddyfile sets up the authenticator from tokens.
//
//	basic <user> <hash>
//	basic {
//		<user> <hash>
//	}
func (b *Basic) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the module's name
	return parseAccounts(d, &b.HTTPBasicAuth)
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Basic)(nil)
	_ caddyfile.Unmarshaler = (*Basic)(nil)
	_ live.Guard            = (*Basic)(nil)
	_ hooks.Reviewer        = (*Basic)(nil)
)
