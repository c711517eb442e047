package caddymodule

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// forwardingHeaders tell that a proxy stands between us and the caller.
var forwardingHeaders = []string{
	"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "X-Client-Ip",
	"True-Client-Ip", "Cf-Connecting-Ip", "Cdn-Loop",
}

// isLocal tells whether r was sent by a program on this machine of its own accord: not for somebody else, as a proxy or
// a browser on a foreign page would.
func isLocal(r *http.Request) bool {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !remote.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, name := range forwardingHeaders {
		if len(r.Header.Values(name)) > 0 {
			return false
		}
	}
	// Without TLS a foreign page may have let its own name point here.
	if r.TLS == nil && !isLoopbackName(r.Host) {
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != ownOrigin(r) {
		return false
	}
	site := r.Header.Get("Sec-Fetch-Site")
	sameSite := site == "" || site == "none" || site == "same-origin"
	return sameSite && !r.URL.Query().Has("callback") // JSONP is for other sites
}

// ownOrigin returns the origin of the pages of the site that r is sent to.
func ownOrigin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// isLoopbackName tells whether a Host header names this machine.
func isLoopbackName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// mayBeForged tells whether a page of another site may have made a browser send r with credentials of the browser's: a
// cookie, or a password that it keeps. Of what reads and changes through CORS the browser itself takes care, since
// credentials are not allowed there; not of JSONP, whose answer the page can read, nor of POST, which it may send without
// asking.
func mayBeForged(r *http.Request) bool {
	if len(r.Header.Values("Cookie")) == 0 && (len(r.Header.Values("Authorization")) == 0 || isBearer(r)) {
		return false
	}
	jsonp := r.URL.Query().Has("callback")
	if !jsonp && r.Method != http.MethodPost {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "":
	case "none", "same-origin":
		return false
	default:
		return true
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		return origin != ownOrigin(r)
	}
	if referer := r.Referer(); referer != "" {
		return !strings.HasPrefix(referer, ownOrigin(r)+"/")
	}
	// Browsers say Origin with a POST, and Sec-Fetch-Site where nobody can listen: it is a program then.
	return jsonp && r.TLS == nil && !isLoopbackName(r.Host)
}

// isBearer tells whether r has a token in its header, which no browser sends by itself.
func isBearer(r *http.Request) bool {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer")
}

// question returns r as those see it who are asked about it: without the browser's credentials if it may be forged, and
// without a password that is too long to be kept in mind.
func question(r *http.Request) *http.Request {
	forged := mayBeForged(r)
	user, password, _ := r.BasicAuth()
	long := len(user)+len(password) > maxPasswordBytes
	if !forged && !long {
		return r
	}
	q := r.Clone(r.Context())
	if forged {
		q.Header.Del("Cookie")
	}
	if long || !isBearer(r) {
		q.Header.Del("Authorization")
	}
	return q
}
