package hooks

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// The query parameters of a signed URL.
const (
	DefaultExpiryParam    = "exp"
	DefaultSignatureParam = "sig"
)

// A SignedURL is a guard that admits who brings a URL that somebody with the secret has signed:
// rtmp://host/live/cam1?exp=1767225600&sig=…, https://host/live/cam1.m3u8?exp=1767225600&sig=…. exp is the second since
// 1970 in which it is no longer valid; what sig is Signature says.
type SignedURL struct {
	// Secrets are those that URLs may be signed with; several let one be replaced by another while both are in use. An
	// empty one admits nobody.
	Secrets []string
	// ExpiryParam and SignatureParam are the query parameters. Empty means exp and sig.
	ExpiryParam, SignatureParam string
	// ForClient refuses URLs that are not signed for the client's address.
	ForClient bool
	// Outlive lets sessions outlive their URL: it must be valid when they begin, and no longer.
	Outlive bool
}

// Signature returns what signs a URL: the HMAC-SHA256 (RFC 2104), in hexadecimal digits of lower case, of four lines, each
// but the last with a line feed (0x0A) behind it:
//
//	publish or play
//	the stream: /app/stream, or vhost/app/stream on a vhost that is declared
//	the end, in seconds since 1970, in decimal digits
//	the client's address, as RFC 5952 writes IPv6 and IPv4 in its dotted form; empty for whatever client
//
// App and stream are not percent-encoded there. Names hold no line feeds, so no two requests give the same text.
func Signature(secret string, action live.Action, k live.Key, end time.Time, client netip.Addr) string {
	return hex.EncodeToString(signature(secret, action, k, strconv.FormatInt(end.Unix(), 10), client))
}

func signature(secret string, action live.Action, k live.Key, end string, client netip.Addr) []byte {
	address := ""
	if client.IsValid() {
		address = client.Unmap().WithZone("").String()
	}
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(strings.Join([]string{action.String(), k.URL(), end, address}, "\n")))
	return h.Sum(nil)
}

// Admit implements live.Guard.
func (u SignedURL) Admit(_ context.Context, r *live.Request) (live.Grant, error) {
	query, err := url.ParseQuery(r.Query)
	if err != nil {
		return live.Grant{}, live.Refuse(live.ErrUnauthorized, "the query cannot be read")
	}
	expiry, sign := cmp.Or(u.ExpiryParam, DefaultExpiryParam), cmp.Or(u.SignatureParam, DefaultSignatureParam)
	text, given := query.Get(expiry), query.Get(sign)
	if text == "" || given == "" {
		return live.Grant{}, live.Refuse(live.ErrUnauthorized, "a signed URL is needed, with ?%s=…&%s=…", expiry, sign)
	}
	invalid := live.Refuse(live.ErrUnauthorized, "the URL is not signed for this")
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != text {
		return live.Grant{}, invalid
	}
	mac, err := hex.DecodeString(given)
	if err != nil || !u.valid(r, text, mac) {
		return live.Grant{}, invalid
	}
	end := time.Unix(seconds, 0)
	if !time.Now().Before(end) {
		return live.Grant{}, live.Refuse(live.ErrUnauthorized, "the signed URL has expired; get a new one")
	}
	if u.Outlive {
		return live.Grant{}, nil
	}
	return live.Grant{Expires: end}, nil
}

// valid tells whether one of the secrets has signed what r asks for, for its client or for all.
func (u SignedURL) valid(r *live.Request, end string, mac []byte) (ok bool) {
	clients := []netip.Addr{{}} // whatever client
	if u.ForClient {
		clients = nil
	}
	if client := r.Remote.Addr(); client.IsValid() {
		clients = append(clients, client)
	}
	for _, secret := range u.Secrets {
		for _, client := range clients {
			if secret != "" && hmac.Equal(mac, signature(secret, r.Action, r.Key, end, client)) {
				ok = true
			}
		}
	}
	return ok
}
