package stats

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// An envelope is what every successful answer begins with.
type envelope struct {
	Code    int    `json:"code"`
	Server  string `json:"server"`
	Service string `json:"service"`
	PID     string `json:"pid"`
}

func (a *API) envelope() envelope {
	return envelope{Server: a.Server, Service: a.Service, PID: strconv.Itoa(os.Getpid())}
}

// A dataBody is the answer of an endpoint that has one object to tell.
type dataBody struct {
	envelope
	Data any `json:"data"`
}

// A code is an error of SRS's API. It is told in the body of an answer with status 200.
type code int

// The codes that this API uses, with SRS's numbers. Those that SRS has not are of the range that it leaves to others.
const (
	codeTest           code = 100
	codeRawDisabled    code = 1061
	codeParameter      code = 1063
	codeVhostNotFound  code = 2014
	codeStreamNotFound code = 2048
	codeClientNotFound code = 2049
	codeCallback       code = 4058
	codeBanNotFound    code = 9049
	codeTooManyBans    code = 9050
)

func (c code) Error() string { return fmt.Sprintf("code %d", int(c)) }

type codeBody struct {
	Code code `json:"code"`
}

// notAllowed is the error for a method that is not among those it lists.
type notAllowed string

func (n notAllowed) Error() string { return "only " + string(n) }

// redirect is the error for what is at another path.
type redirect string

func (r redirect) Error() string { return "see " + string(r) }

// errNotFound is the error for a path that leads nowhere.
var errNotFound = errors.New("no such path")

// A decimal is what SRS calls a number: it has two decimals, always.
type decimal float64

// MarshalJSON returns 0.00 for what is no number.
func (d decimal) MarshalJSON() ([]byte, error) {
	f := float64(d)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		f = 0
	}
	return strconv.AppendFloat(nil, f, 'f', 2, 64), nil
}

// validCallback tells whether name can be that of a function, or is empty.
func validCallback(name string) bool {
	return !strings.ContainsFunc(name, func(c rune) bool {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		return !letter && (c < '0' || '9' < c) && c != '_' && c != '.' && c != '-'
	})
}

// writeJSON answers with body, as the argument of a call if callback is not empty.
func writeJSON(w http.ResponseWriter, callback string, body any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		writeText(w, http.StatusInternalServerError)
		return
	}
	text, contentType := bytes.TrimSuffix(b.Bytes(), []byte("\n")), "application/json"
	if callback != "" {
		text, contentType = fmt.Appendf(nil, "%s(%s)", callback, text), "text/javascript"
	}
	write(w, http.StatusOK, contentType, text)
}

// writeError answers with an endpoint's error.
func writeError(w http.ResponseWriter, callback string, err error) {
	if code, ok := errors.AsType[code](err); ok {
		writeJSON(w, callback, codeBody{code})
		return
	}
	if allow, ok := errors.AsType[notAllowed](err); ok {
		w.Header().Set("Allow", string(allow))
		writeText(w, http.StatusMethodNotAllowed)
		return
	}
	if path, ok := errors.AsType[redirect](err); ok {
		w.Header().Set("Location", string(path))
		writeText(w, http.StatusMovedPermanently)
		return
	}
	writeText(w, http.StatusNotFound)
}

func writeText(w http.ResponseWriter, code int) {
	write(w, code, "text/plain; charset=utf-8", []byte(http.StatusText(code)))
}

func write(w http.ResponseWriter, code int, contentType string, text []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff") // the caller chooses the first bytes of JSONP
	w.WriteHeader(code)
	_, _ = w.Write(text) // a client that has gone needs no answer
}
