package hooks

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// DefaultTokenParam is the query parameter in which a token is looked for.
const DefaultTokenParam = "token"

// A Bearer says where clients put a token: in the query of the stream's name or URL, as in
// rtmp://host/live/cam1?token=… and https://host/live/cam1.flv?token=…, or over HTTP in the header
// Authorization: Bearer … (RFC 6750), or in a cookie. The first of them that holds one counts.
type Bearer struct {
	// Param is the query parameter. Empty means DefaultTokenParam.
	Param string
	// Cookie is the name of the cookie. Empty looks at none. Browsers send cookies to sites of the same origin only.
	Cookie string
}

func (b Bearer) param() string { return cmp.Or(b.Param, DefaultTokenParam) }

// token returns the token that r bears. The error is a refusal.
func (b Bearer) token(r *live.Request) (string, error) {
	query, err := url.ParseQuery(r.Query)
	if err != nil {
		return "", live.Refuse(live.ErrUnauthorized, "the query cannot be read")
	}
	if given := query.Get(b.param()); given != "" {
		return given, nil
	}
	header := http.Header(r.Header)
	if scheme, given, ok := strings.Cut(header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(given), nil
	}
	if b.Cookie != "" {
		if c, err := (&http.Request{Header: header}).Cookie(b.Cookie); err == nil && c.Value != "" {
			return c.Value, nil
		}
	}
	return "", live.Refuse(live.ErrUnauthorized, "a token is needed: add ?%s=… to the stream's name", b.param())
}
