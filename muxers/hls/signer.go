package hls

import (
	"bytes"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// signatureStep is what moments of expiry are multiples of, so that they tell little of when an object was made.
const signatureStep = 30 * time.Second

// A signer signs the URLs of a stream's objects, the same for all viewers. The URL of an object changes only if it is
// listed for longer than it is good for, as a file may be that begins all segments.
type signer struct {
	mint *mint
	key  live.Key

	mu     sync.Mutex
	issued map[string]signature // by file name
	pruned time.Time
}

// A signature is the query of an object's URL.
type signature struct {
	text    string
	expires time.Time
}

func newSigner(m *mint, k live.Key) *signer {
	return &signer{mint: m, key: k, issued: make(map[string]signature)}
}

// sign returns the text of a media playlist, which has no queries yet, with a signature behind each URL of an object, which
// is good for life/2 at least, and rest behind that; rest begins with an ampersand or is empty. URLs of playlists get the
// query lists instead, which begins with a question mark or is empty.
func (s *signer) sign(text []byte, lists, rest string, life time.Duration, now time.Time) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune(now)
	b := make([]byte, 0, 2*len(text))
	for line := range bytes.Lines(text) {
		before, file, after := splitURI(string(line))
		b = append(b, before...)
		b = append(b, file...)
		switch {
		case file == "":
		case strings.HasSuffix(file, ".m3u8"):
			b = append(b, lists...)
		default:
			b = append(b, "?"+signatureParam+"="...)
			b = append(b, s.signature(file, life, now)...)
			b = append(b, rest...)
		}
		b = append(b, after...)
	}
	return b
}

// signature returns the signature of a file. s.mu must be held.
func (s *signer) signature(file string, life time.Duration, now time.Time) string {
	if old, ok := s.issued[file]; ok && old.expires.Sub(now) >= life/2 {
		return old.text
	}
	expires := now.Add(life).Truncate(signatureStep).Add(signatureStep)
	text := s.mint.signature(s.key, file, expires)
	s.issued[file] = signature{text, expires}
	return text
}

// prune forgets what has expired. s.mu must be held.
func (s *signer) prune(now time.Time) {
	if now.Sub(s.pruned) < signatureStep {
		return
	}
	s.pruned = now
	maps.DeleteFunc(s.issued, func(_ string, sig signature) bool { return !now.Before(sig.expires) })
}

// splitURI cuts a line of a playlist around the URI that it names (RFC 8216, 4.1 and 4.2): a line of its own, or an
// attribute. uri is empty if it names none.
func splitURI(line string) (before, uri, after string) {
	if !strings.HasPrefix(line, "#") {
		uri = strings.TrimRight(line, "\r\n")
		return "", uri, line[len(uri):]
	}
	const attribute = `URI="`
	i := strings.Index(line, attribute)
	if i < 0 {
		return line, "", ""
	}
	i += len(attribute)
	n := strings.IndexByte(line[i:], '"')
	if n < 0 {
		return line, "", ""
	}
	return line[:i], line[i : i+n], line[i+n:]
}
