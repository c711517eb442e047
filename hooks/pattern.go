package hooks

import (
	"fmt"
	"path"
	"strings"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// MatchStream tells whether a pattern is for a stream. A pattern without a slash is for the stream's name, in every app;
// one with a slash for its URL as live.Key.URL gives it: /app/stream, and vhost/app/stream on a vhost that is declared.
// The wildcards are those of path.Match, where * stands for anything but a slash. A name that holds such characters
// matches itself.
func MatchStream(pattern string, k live.Key) bool {
	if strings.Contains(pattern, "/") {
		return matchName(pattern, k.URL())
	}
	return matchName(pattern, k.Name)
}

// CheckPattern returns an error for a pattern that MatchStream cannot read.
func CheckPattern(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil {
		return fmt.Errorf("the pattern %q: %w; write it like cam1, cam* or /live/cam*", pattern, err)
	}
	return nil
}

func matchName(pattern, name string) bool {
	if pattern == name {
		return true
	}
	if !strings.ContainsAny(pattern, `*?[\`) {
		return false // as most of a long list of keys
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
