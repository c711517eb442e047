package caddymodule

import (
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// serveRoot answers for `/` with SRS's index, if no other handler of the site has anything there.
func (h *APIHandler) serveRoot(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	silent := &silence{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}
	if err := next.ServeHTTP(silent, r); err != nil || silent.broken {
		return err
	}
	return h.serve(w, r)
}

// A silence is a response that nobody may have begun.
type silence struct {
	*caddyhttp.ResponseWriterWrapper

	broken bool
}

// WriteHeader breaks the silence.
func (s *silence) WriteHeader(status int) {
	s.broken = true
	s.ResponseWriterWrapper.WriteHeader(status)
}

// Write breaks the silence.
func (s *silence) Write(p []byte) (int, error) {
	s.broken = true
	return s.ResponseWriterWrapper.Write(p)
}

// ReadFrom breaks the silence.
func (s *silence) ReadFrom(r io.Reader) (int64, error) {
	s.broken = true
	return s.ResponseWriterWrapper.ReadFrom(r)
}
