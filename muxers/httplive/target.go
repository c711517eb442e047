package httplive

import (
	"cmp"
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

// remoteOf returns the address of r's client, IPv4 as such. A client of a Unix socket, as its listener tells, is on this
// machine. Any other whose address is not understood has none.
func remoteOf(r *http.Request) netip.AddrPort {
	if remote, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local != nil && strings.HasPrefix(local.Network(), "unix") {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	return netip.AddrPort{}
}

// Request returns what r asks for as a viewer of key. r.RemoteAddr must be the client's true address, as far as it can be
// known.
func Request(r *http.Request, protocol string, key live.Key) live.Request {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return live.Request{
		Action:    live.ActionPlay,
		Protocol:  protocol,
		Key:       key,
		Query:     r.URL.RawQuery,
		Remote:    remoteOf(r),
		Host:      hostname(r.Host),
		TCURL:     scheme + "://" + r.Host + "/" + key.App,
		PageURL:   cmp.Or(r.Referer(), r.Header.Get("Origin")), // pages may keep the first back
		UserAgent: r.UserAgent(),
		TLS:       r.TLS,
		Header:    r.Header,
	}
}
