package httplive

import (
	"errors"
	"net/http"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// CORS lets pages of any origin play: streams are public unless a guard says otherwise. Where guards look at cookies,
// browsers hand pages of other origins nothing, since the origin allowed to them is no particular one. The headers go to everybody, since a cache may give one answer to several. It answers OPTIONS, a preflight
// request or not, and tells whether it has done so.
func CORS(w http.ResponseWriter, r *http.Request) (answered bool) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Content-Length, Content-Range, Date")
	if r.Method != http.MethodOptions {
		return false
	}
	h.Set("Allow", methods)
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Range")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// methods are what CheckMethod allows.
const methods = "GET, HEAD, OPTIONS"

// ErrMethod is returned for a method other than GET, HEAD and OPTIONS.
var ErrMethod = errors.New("method not allowed")

// The reasons for which HTTP alone refuses something, to be given to live.Refuse.
var (
	ErrBadRequest  = errors.New("bad request")
	ErrUnavailable = errors.New("not available now")
)

// CheckMethod returns ErrMethod for a method that plays nothing.
func CheckMethod(r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	return ErrMethod
}

// Status returns the HTTP status that says err to a viewer.
func Status(err error) int {
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.status
		}
	}
	return http.StatusInternalServerError
}

var statuses = []struct {
	err    error
	status int
}{
	{ErrMethod, http.StatusMethodNotAllowed},
	{ErrBadRequest, http.StatusBadRequest},
	{ErrUnavailable, http.StatusServiceUnavailable},
	{live.ErrName, http.StatusBadRequest},
	{live.ErrApp, http.StatusNotFound},
	{live.ErrNotFound, http.StatusNotFound},
	{live.ErrKicked, http.StatusNotFound},
	{live.ErrRemoved, http.StatusNotFound},
	{live.ErrDenied, http.StatusForbidden},
	{live.ErrUnauthorized, http.StatusUnauthorized},
	{live.ErrExpired, http.StatusUnauthorized},
	{live.ErrGuard, http.StatusServiceUnavailable},
	{live.ErrClosing, http.StatusServiceUnavailable},
}

// Challenge returns how a client is asked to authenticate who gets err with the status 401: the value of WWW-Authenticate.
func Challenge(err error) string {
	if r, ok := errors.AsType[*live.Refusal](err); ok && r.Challenge != "" {
		return r.Challenge
	}
	return `Bearer realm="stream"`
}

// WriteError answers with the status and description of err, and with headers that keep the answer out of caches.
func WriteError(w http.ResponseWriter, err error) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	status := Status(err)
	switch status {
	case http.StatusMethodNotAllowed:
		h.Set("Allow", methods)
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", Challenge(err))
	}
	text := live.Description(err)
	if status == http.StatusMethodNotAllowed {
		text = ErrMethod.Error()
	}
	http.Error(w, text, status)
}
