package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

func init() {
	caddy.RegisterModule(new(JWT))
}

// JWT admits clients that bear a JSON Web Token which is signed, in force, and for what they ask for. The token is in the
// query of the stream's name or URL; over HTTP also in `Authorization: Bearer <token>` or in a cookie. There must be a
// secret, a public key or a JWKS.
type JWT struct {
	// Param is the query parameter that holds the token. Default: `token`.
	Param string `json:"param,omitempty"`

	// Cookie is the HTTP cookie that holds the token. Default: none.
	Cookie string `json:"cookie,omitempty"`

	// Secrets check tokens that are signed with HMAC; placeholders are replaced. A secret that is empty admits nobody.
	// Default: none.
	Secrets []string `json:"secrets,omitempty"`

	// PublicKeys check tokens that are signed with RSA, ECDSA or Ed25519: keys or certificates in PEM form. Placeholders
	// are replaced, so `{file./etc/key.pem}` is one. Default: none.
	PublicKeys []string `json:"public_keys,omitempty"`

	// JWKS has the issuer's public keys. Default: none.
	JWKS *JWKS `json:"jwks,omitempty"`

	// Algorithms are those that are accepted: `HS256`, `HS384` and `HS512` with secrets; `RS256` to `RS512`, `PS256` to
	// `PS512`, `ES256` to `ES512` and `EdDSA` with public keys. Default: all that the keys are for.
	Algorithms []string `json:"algorithms,omitempty"`

	// Issuers are those whose tokens are accepted. Default: any.
	Issuers []string `json:"issuers,omitempty"`

	// Audiences are names of this server, one of which a token must be for. Default: any.
	Audiences []string `json:"audiences,omitempty"`

	// Leeway is how far this server's clock and the issuer's may be apart. Default: 0.
	Leeway caddy.Duration `json:"leeway,omitempty"`

	// Claims says in which claims a token says what it is for.
	Claims JWTClaims `json:"claims,omitzero"`

	// Revoked are ids (claim `jti`) of tokens that are no longer accepted. Placeholders are replaced, and what they give
	// may be several with white space between, so `{file./etc/revoked}` is a list. Sessions that began before go on,
	// unless `on_reload` has them reauthorized. Default: none.
	Revoked []string `json:"revoked,omitempty"`

	// OnExpiry says what becomes of a session when its token expires: `end` ends it, `keep` does not. Default: `end`.
	OnExpiry string `json:"on_expiry,omitempty"`

	guard *hooks.JWT
}

// JWTClaims are the names of claims. A dot leads to a member of an object, as in `realm_access.roles`. A token without
// one that is not optional is refused.
type JWTClaims struct {
	// Action holds `publish`, `play` or `*`, or several in a list or with spaces between. Default: `action`.
	Action *JWTClaim `json:"action,omitempty"`

	// Stream holds patterns of streams, one or a list: `cam1`, `cam*`, or with the app `/live/cam*`. Default: `stream`.
	Stream *JWTClaim `json:"stream,omitempty"`

	// App holds patterns of apps, one or a list. It is always optional. Default: `app`.
	App *JWTClaim `json:"app,omitempty"`

	// Vhost holds patterns of vhosts, one or a list. It is always optional. Default: `vhost`.
	Vhost *JWTClaim `json:"vhost,omitempty"`

	// User holds the name by which the API shows the client. It is always optional. Default: `sub`.
	User *JWTClaim `json:"user,omitempty"`

	// Expiry holds the end of the token in seconds since 1970; `exp` holds besides. Default: `exp`.
	Expiry *JWTClaim `json:"expiry,omitempty"`
}

// JWTClaim is a claim of tokens.
type JWTClaim struct {
	// Name is the name of the claim. Default: see JWTClaims.
	Name string `json:"name,omitempty"`

	// Optional accepts tokens without it, for whatever it could say. Default: false.
	Optional bool `json:"optional,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*JWT) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "rtmp.authenticators.jwt", New: func() caddy.Module { return new(JWT) }}
}

// minHMACSecret is how long a secret for HMAC should be at least (RFC 7518, 3.2, for HS256).
const minHMACSecret = 32

// Provision replaces the placeholders and reads the keys. The JWKS is not fetched before the first token comes.
func (j *JWT) Provision(ctx caddy.Context) error {
	if err := checkOnExpiry(j.OnExpiry); err != nil {
		return err
	}
	if j.Leeway < 0 {
		return errNegative(j.Leeway)
	}
	o := hooks.JWTOptions{
		Bearer:     hooks.Bearer{Param: j.Param, Cookie: j.Cookie},
		Secrets:    replaceSecrets(ctx, j.Secrets),
		Algorithms: j.Algorithms,
		Issuers:    j.Issuers,
		Audiences:  j.Audiences,
		Leeway:     time.Duration(j.Leeway),
		Claims:     j.Claims.hooks(),
		Outlive:    j.OnExpiry == keepExpired,
	}
	repl := caddy.NewReplacer()
	for _, text := range j.Revoked {
		o.Revoked = append(o.Revoked, strings.Fields(repl.ReplaceAll(text, ""))...)
	}
	for i, secret := range o.Secrets {
		if secret != "" && len(secret) < minHMACSecret {
			ctx.Logger().Warn(fmt.Sprintf("secret %d is shorter than %d bytes, so that whoever sees a token may find it out", i+1, minHMACSecret))
		}
	}
	for _, raw := range j.PublicKeys {
		keys, err := hooks.ParsePublicKeys([]byte(repl.ReplaceAll(raw, "")))
		if err != nil {
			return fmt.Errorf("public_key: %w", err)
		}
		o.PublicKeys = append(o.PublicKeys, keys...)
	}
	if j.JWKS != nil {
		if err := j.JWKS.provision(ctx); err != nil {
			return fmt.Errorf("jwks: %w", err)
		}
		o.KeySet = j.JWKS.set
	}
	var err error
	j.guard, err = hooks.NewJWT(o)
	return err
}

// hooks returns c as the guard takes it.
func (c *JWTClaims) hooks() (to hooks.Claims) {
	for claim, from := range map[*hooks.Claim]*JWTClaim{
		&to.Action: c.Action, &to.Stream: c.Stream, &to.App: c.App, &to.Vhost: c.Vhost, &to.User: c.User, &to.Expiry: c.Expiry,
	} {
		if from != nil {
			*claim = hooks.Claim(*from)
		}
	}
	return to
}

// Cleanup ends the fetching of keys.
func (j *JWT) Cleanup() error {
	if j.JWKS == nil {
		return nil
	}
	return j.JWKS.cleanup()
}

// Admit implements live.Guard.
func (j *JWT) Admit(ctx context.Context, r *live.Request) (live.Grant, error) {
	return j.guard.Admit(ctx, r)
}

// Review implements hooks.Reviewer.
func (j *JWT) Review(s *live.SessionInfo) error { return j.guard.Review(s) }

// UnmarshalCaddyfile sets up the authenticator from tokens.
//
//	jwt {
//		param      <name>
//		cookie     <name>
//		secret     <secret...>
//		public_key <pem...>
//		jwks <url> {
//			refresh <duration>
//			tls {
//				...
//			}
//		}
//		algorithms <name...>
//		issuer     <name...>
//		audience   <name...>
//		leeway     <duration>
//		claim      action|stream|app|vhost|user|expiry <name> [optional]
//		revoked    <id...>
//		on_expiry  end|keep
//	}
func (j *JWT) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	err := parseGuard(d, map[string]option{
		"param":      wordOption(&j.Param),
		"cookie":     wordOption(&j.Cookie),
		"secret":     listOption(&j.Secrets),
		"public_key": listOption(&j.PublicKeys),
		"jwks":       j.parseJWKS,
		"algorithms": listOption(&j.Algorithms),
		"issuer":     listOption(&j.Issuers),
		"audience":   listOption(&j.Audiences),
		"leeway":     durationOption(&j.Leeway),
		"claim":      j.Claims.parse,
		"revoked":    listOption(&j.Revoked),
		"on_expiry":  textOption(&j.OnExpiry, checkOnExpiry),
	})
	if err == nil && len(j.Secrets) == 0 && len(j.PublicKeys) == 0 && j.JWKS == nil {
		return d.Err("a jwt authenticator needs a secret, a public_key or a jwks")
	}
	return err
}

func (j *JWT) parseJWKS(d *caddyfile.Dispenser) error {
	if j.JWKS != nil {
		return d.Err("jwks stands twice")
	}
	j.JWKS = new(JWKS)
	return j.JWKS.parse(d)
}

var errNoClaim = errors.New("a claim is one of action, stream, app, vhost, user and expiry, then its name in tokens, then perhaps optional")

// parse parses `claim <what> <name> [optional]`.
func (c *JWTClaims) parse(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 || len(args) > 3 || len(args) == 3 && args[2] != "optional" {
		return d.WrapErr(errNoClaim)
	}
	claim, ok := map[string]**JWTClaim{
		"action": &c.Action, "stream": &c.Stream, "app": &c.App, "vhost": &c.Vhost, "user": &c.User, "expiry": &c.Expiry,
	}[args[0]]
	if !ok {
		return d.WrapErr(errNoClaim)
	}
	*claim = &JWTClaim{Name: args[1], Optional: len(args) == 3}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*JWT)(nil)
	_ caddy.CleanerUpper    = (*JWT)(nil)
	_ caddyfile.Unmarshaler = (*JWT)(nil)
	_ live.Guard            = (*JWT)(nil)
	_ hooks.Reviewer        = (*JWT)(nil)
)
