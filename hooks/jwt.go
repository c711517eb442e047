package hooks

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A JWT is a guard that admits who bears a JSON Web Token (RFC 7519) that is signed, in force, and for what is asked for:
// its claims say so. Make it with NewJWT.
type JWT struct {
	options JWTOptions
	parser  *jwt.Parser
	secrets jwt.VerificationKeySet
	public  jwt.VerificationKeySet
}

// JWTOptions are what a JWT is made of. There must be a secret, a public key or a key set.
type JWTOptions struct {
	Bearer
	// Secrets are for tokens that are signed with HMAC.
	Secrets []string
	// PublicKeys are *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey.
	PublicKeys []crypto.PublicKey
	// KeySet has more public keys.
	KeySet *KeySet
	// Algorithms are those that are accepted (RFC 7518, 3.1). Empty stands for all that the keys are for: HS256, HS384 and
	// HS512 with secrets; RS*, PS*, ES* and EdDSA with public keys. There is no way to accept none.
	Algorithms []string
	// Issuers and Audiences must have one in common with the token, unless they are empty.
	Issuers, Audiences []string
	// Leeway is how far the clocks may be apart.
	Leeway time.Duration
	// Claims says in which claims the token says what it is for.
	Claims Claims
	// Revoked are the ids (claim jti) of tokens that are no longer accepted.
	Revoked []string
	// Outlive lets sessions outlive their token: it must be in force when they begin, and no longer.
	Outlive bool
}

// The algorithms that can be accepted, by what checks them.
var (
	secretAlgorithms = []string{"HS256", "HS384", "HS512"}
	publicAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

// NewJWT returns a guard. The error says which of the options cannot be.
func NewJWT(o JWTOptions) (*JWT, error) {
	j := &JWT{options: o}
	for _, secret := range o.Secrets {
		if secret != "" { // such a token anybody could make
			j.secrets.Keys = append(j.secrets.Keys, []byte(secret))
		}
	}
	for _, key := range o.PublicKeys {
		switch key.(type) {
		case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
			j.public.Keys = append(j.public.Keys, key)
		default:
			return nil, fmt.Errorf("a %T is no key that tokens are signed with; RSA, ECDSA and Ed25519 are", key)
		}
	}
	algorithms, err := o.algorithms()
	if err != nil {
		return nil, err
	}
	// The parser checks the times; the claim for the end may have another name.
	j.parser = jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithLeeway(o.Leeway), jwt.WithStrictDecoding())
	return j, nil
}

// algorithms returns the names of the algorithms that are accepted.
func (o *JWTOptions) algorithms() ([]string, error) {
	var able []string
	if len(o.Secrets) > 0 {
		able = append(able, secretAlgorithms...)
	}
	if len(o.PublicKeys) > 0 || o.KeySet != nil {
		able = append(able, publicAlgorithms...)
	}
	if len(able) == 0 {
		return nil, errors.New("tokens cannot be checked without a secret, a public key or a JWKS URL")
	}
	for _, name := range o.Algorithms {
		if !slices.Contains(able, name) {
			return nil, fmt.Errorf("the algorithm %q does not go with the keys that are given; %s do", name, strings.Join(able, ", "))
		}
	}
	if len(o.Algorithms) > 0 {
		return o.Algorithms, nil
	}
	return able, nil
}

// maxTokenBytes bounds a token.
const maxTokenBytes = 16 << 10

// Admit implements live.Guard. It may wait for the issuer's keys.
func (j *JWT) Admit(ctx context.Context, r *live.Request) (live.Grant, error) {
	given, err := j.options.token(r)
	if err != nil {
		return live.Grant{}, err
	}
	if len(given) > maxTokenBytes {
		return live.Grant{}, live.Refuse(live.ErrUnauthorized, "the token is longer than %d bytes", maxTokenBytes)
	}
	c := claims{names: j.options.Claims.normal()}
	if _, err := j.parser.ParseWithClaims(given, &c, func(t *jwt.Token) (any, error) { return j.key(ctx, t) }); err != nil {
		return live.Grant{}, refuseJWT(err)
	}
	if err := j.check(&c); err != nil {
		return live.Grant{}, refuseJWT(err)
	}
	if err := c.permit(r); err != nil {
		return live.Grant{}, err
	}
	return j.grant(&c), nil
}

// key returns what the signature of a token is checked with. Secrets never check what claims to be signed with a private
// key, nor public keys what claims to be signed with a secret.
func (j *JWT) key(ctx context.Context, t *jwt.Token) (any, error) {
	if _, ok := t.Header["crit"]; ok {
		return nil, errors.New("the header has critical extensions") // RFC 7515, 4.1.11
	}
	if slices.Contains(secretAlgorithms, t.Method.Alg()) {
		return j.secrets, nil
	}
	if j.options.KeySet == nil {
		return j.public, nil
	}
	key, err := j.options.KeySet.key(ctx, t)
	switch set, several := key.(jwt.VerificationKeySet); {
	case err != nil && len(j.public.Keys) > 0:
		return j.public, nil
	case err != nil:
		return nil, err
	case several:
		return jwt.VerificationKeySet{Keys: append(set.Keys, j.public.Keys...)}, nil
	}
	return jwt.VerificationKeySet{Keys: append([]jwt.VerificationKey{key}, j.public.Keys...)}, nil
}

// check checks what the parser does not.
func (j *JWT) check(c *claims) error {
	if issuer, err := c.GetIssuer(); err != nil || len(j.options.Issuers) > 0 && !slices.Contains(j.options.Issuers, issuer) {
		return jwt.ErrTokenInvalidIssuer
	}
	audience, err := c.GetAudience()
	if err != nil || len(j.options.Audiences) > 0 && !slices.ContainsFunc(audience, j.serves) {
		return jwt.ErrTokenInvalidAudience
	}
	if end, err := c.GetExpirationTime(); err != nil || !c.names.Expiry.Optional && (end == nil || c.find(c.names.Expiry.Name) == nil) {
		return fmt.Errorf("%w: %s", jwt.ErrTokenRequiredClaimMissing, c.names.Expiry.Name)
	}
	if id := c.text("jti"); id != "" && slices.Contains(j.options.Revoked, id) {
		return errRevoked
	}
	return nil
}

func (j *JWT) serves(audience string) bool { return slices.Contains(j.options.Audiences, audience) }

var errRevoked = errors.New("the token is revoked")

// grant returns what a token grants that has passed.
func (j *JWT) grant(c *claims) live.Grant {
	g := live.Grant{User: c.text(c.names.User.Name), Basis: c.text("jti")}
	if end, err := c.GetExpirationTime(); err == nil && end != nil && !j.options.Outlive {
		g.Expires = end.Add(j.options.Leeway)
	}
	return g
}

// Review implements Reviewer: the token must not be revoked. Neither its signature nor its end is looked at again.
func (j *JWT) Review(s *live.SessionInfo) error {
	if id := s.Grant.Basis; id != "" && slices.Contains(j.options.Revoked, id) {
		return live.Refuse(live.ErrUnauthorized, "the token is no longer valid")
	}
	return nil
}

// refuseJWT makes a refusal of what is wrong with a token. The client is told whether a new token of the same kind would
// do, and no more: not which check has failed.
func refuseJWT(err error) error {
	switch {
	case errors.Is(err, errKeySetDown):
		return fmt.Errorf("checking a token: %w", err)
	case errors.Is(err, jwt.ErrTokenExpired):
		return live.Refuse(live.ErrUnauthorized, "the token has expired; get a new one")
	}
	return fmt.Errorf("%w (%w)", live.Refuse(live.ErrUnauthorized, "the token is not valid"), err)
}
