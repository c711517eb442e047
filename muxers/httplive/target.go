package httplive

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// MatchFile tells whether path is /{app}/{stream}{ending} and which stream of its vhost that is. Whether the names are
// allowed is for the hub to say.
func MatchFile(path, ending string) (key live.Key, ok bool) {
	app, file, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || strings.Contains(file, "/") {
		return live.Key{}, false
	}
	name, ok := strings.CutSuffix(file, ending)
	return live.Key{App: app, Name: name}, ok
}

// MatchFolder tells whether path is /{app}/{stream}/{file} and which stream and file that is. file has no slash.
func MatchFolder(path string) (key live.Key, file string, ok bool) {
	app, rest, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok {
		return live.Key{}, "", false
	}
	name, file, ok := strings.Cut(rest, "/")
	if !ok || file == "" || strings.Contains(file, "/") {
		return live.Key{}, "", false
	}
	return live.Key{App: app, Name: name}, file, true
}

// Vhost returns the name of the vhost that r asks for: by ?vhost= or ?domain=, else by its host.
func Vhost(r *http.Request) string { return live.NamedVhost(r.URL.RawQuery, hostname(r.Host)) }

func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}

// Request returns what r asks for as a viewer of key. r.RemoteAddr must be the client's true address, as far as it can be
// known.
func Request(r *http.Request, protocol string, key live.Key) live.Request {
	remote, _ := netip.ParseAddrPort(r.RemoteAddr)
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return live.Request{
		Action:    live.ActionPlay,
		Protocol:  protocol,
		Key:       key,
		Query:     r.URL.RawQuery,
		Remote:    netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port()),
		Host:      hostname(r.Host),
		TCURL:     scheme + "://" + r.Host + "/" + key.App,
		PageURL:   r.Referer(),
		UserAgent: r.UserAgent(),
		TLS:       r.TLS,
		Header:    r.Header,
	}
}
