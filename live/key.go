package live

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DefaultVhost is the vhost of every host name that is not declared, as SRS names it.
const DefaultVhost = "__defaultVhost__"

// MaxNameBytes bounds the names of apps and streams.
const MaxNameBytes = 128

// reservedEndings are the endings by which URLs tell formats apart; a stream of such a name could not be addressed.
var reservedEndings = []string{".flv", ".ts", ".aac", ".mp3", ".m3u8"}

// A Key names a stream.
type Key struct {
	Vhost string // of a request: as the client names it; else a declared one or DefaultVhost, which empty means
	App   string
	Name  string
}

// Validate tells whether app and stream are names: 1 to 128 bytes of UTF-8 without control characters and without
// / \ ? # %, neither . nor .., and without an ending that URLs use. The error wraps ErrName.
func (k Key) Validate() error {
	if err := validateName("app", k.App); err != nil {
		return err
	}
	return validateName("stream", k.Name)
}

// URL returns SRS's stream_url: /app/stream on the default vhost, else vhost/app/stream.
func (k Key) URL() string {
	if k.Vhost == "" || k.Vhost == DefaultVhost {
		return "/" + k.App + "/" + k.Name
	}
	return k.Vhost + "/" + k.App + "/" + k.Name
}

// String returns the same as URL.
func (k Key) String() string { return k.URL() }

func (k Key) normal() Key {
	if k.Vhost == "" {
		k.Vhost = DefaultVhost
	}
	return k
}

// printable returns a key of names that were refused, cut and quoted, so that they can be logged.
func (k Key) printable() Key {
	quote := func(s string) string {
		quoted := strconv.QuoteToASCII(s[:min(len(s), MaxNameBytes)])
		return quoted[1 : len(quoted)-1]
	}
	return Key{Vhost: k.Vhost, App: quote(k.App), Name: quote(k.Name)}
}

func validateName(what, s string) error {
	bad := func(why string) error { return Refuse(ErrName, "the %s name %s", what, why) }
	switch {
	case s == "":
		return bad("is empty")
	case len(s) > MaxNameBytes:
		return bad(fmt.Sprintf("is longer than %d bytes", MaxNameBytes))
	case !utf8.ValidString(s):
		return bad("is not UTF-8")
	case s == "." || s == "..":
		return bad("must not be . or ..")
	case strings.ContainsAny(s, `/\?#%`):
		return bad(`must not contain / \ ? # or %`)
	case strings.ContainsFunc(s, unicode.IsControl):
		return bad("contains a control character")
	}
	for _, end := range reservedEndings {
		if strings.HasSuffix(s, end) {
			return bad("must not end in " + end)
		}
	}
	return nil
}
