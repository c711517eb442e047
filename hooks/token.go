package hooks

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A Token is a guard that admits who knows a secret. An empty secret admits nobody.
type Token struct {
	Bearer
	// Secrets open every stream; several let one be replaced by another while both are in use.
	Secrets []string
	// Streams are secrets that open only some streams, by the pattern for MatchStream that says which. A stream for
	// which several patterns are is opened by the secrets of each.
	Streams map[string][]string
}

// Admit implements live.Guard. It compares in constant time, so that how long it takes tells nothing of a secret.
func (t Token) Admit(_ context.Context, r *live.Request) (live.Grant, error) {
	given, err := t.token(r)
	if err != nil {
		return live.Grant{}, err
	}
	if !knows(t.secrets(r.Key), given) {
		return live.Grant{}, live.Refuse(live.ErrUnauthorized, "the token in ?%s= is wrong", t.param())
	}
	return live.Grant{Basis: r.Key.Name + " " + Fingerprint(given)}, nil
}

// Review implements Reviewer: the secret must still open the stream that was asked for.
func (t Token) Review(s *live.SessionInfo) error {
	if i := strings.LastIndexByte(s.Grant.Basis, ' '); i >= 0 {
		asked := s.Key
		asked.Name = s.Grant.Basis[:i] // another guard may have given the session another since
		for secret := range t.secrets(asked) {
			if secret != "" && Fingerprint(secret) == s.Grant.Basis[i+1:] {
				return nil
			}
		}
	}
	return live.Refuse(live.ErrUnauthorized, "the token is no longer valid")
}

// secrets returns all that open a stream.
func (t Token) secrets(k live.Key) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, secret := range t.Secrets {
			if !yield(secret) {
				return
			}
		}
		for pattern, secrets := range t.Streams {
			if MatchStream(pattern, k) && !eachOf(secrets, yield) {
				return
			}
		}
	}
}

func eachOf(list []string, yield func(string) bool) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !yield(s) })
}

// knows tells whether given is among secrets. It compares with each, whether it has found it or not.
func knows(secrets iter.Seq[string], given string) bool {
	digest := sha256.Sum256([]byte(given))
	found := 0
	for secret := range secrets {
		if secret == "" {
			continue
		}
		want := sha256.Sum256([]byte(secret))
		found |= subtle.ConstantTimeCompare(digest[:], want[:])
	}
	return found == 1
}

// ReadKeys reads the secrets of streams for Token.Streams: lines of a pattern and the secrets for it, with white space
// between them. Empty lines and those that begin with # are left out. The error names the line and shows none of it.
func ReadKeys(r io.Reader) (map[string][]string, error) {
	keys := make(map[string][]string)
	lines := bufio.NewScanner(r)
	n := 0
	for lines.Scan() {
		n++
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if len(words) == 1 {
			return nil, fmt.Errorf("line %d has no secret; write a stream, a space and its secrets", n)
		}
		if CheckPattern(words[0]) != nil {
			return nil, fmt.Errorf("line %d begins with no pattern; write it like cam1, cam* or /live/cam*", n)
		}
		keys[words[0]] = append(keys[words[0]], words[1:]...)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("after line %d: %w", n, err)
	}
	return keys, nil
}
