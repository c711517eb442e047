package hls

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// pieceBytes is how much of an object is written at once, so that a slow viewer is seen to be alive and a kicked one gets
// no more.
const pieceBytes = 64 << 10

// A content is an immutable object that can be answered with.
type content struct {
	contentType string
	cache       string // Cache-Control
	tag         string // the entity tag without quotes, or empty
	body        blob
}

// conditional are the headers with which a client asks for less than the whole.
var conditional = []string{"Range", "If-None-Match", "If-Match", "If-Range", "If-Modified-Since", "If-Unmodified-Since"}

// deliver answers with o, or the part of it that was asked for, and counts it for the viewer. What is wrong with the
// connection ends it: the client sees from the length that something is missing. The error says that a file is gone.
func (x *exchange) deliver(o content) error {
	body, err := o.body.open()
	if err != nil {
		return errNoFile
	}
	defer body.Close()
	h := x.w.Header()
	h.Set("Content-Type", o.contentType)
	h.Set("Cache-Control", o.cache)
	h.Set("X-Content-Type-Options", "nosniff")
	if o.tag != "" {
		h.Set("ETag", `"`+o.tag+`"`)
	}
	if ses := x.viewer.session(); ses != nil && x.began != nil {
		x.began(x.r, ses)
	}
	w := &countedWriter{ResponseWriter: x.w, http2: x.r.ProtoMajor == 2, lost: x.r.Context().Err}
	if x.r.Method != http.MethodHead { // for which nothing that is written is sent
		w.sent = x.sent()
	}
	if x.r.Method == http.MethodHead || x.wantsLess() {
		http.ServeContent(w, x.r, "", time.Time{}, body)
		return nil
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Length", strconv.FormatInt(o.body.size, 10))
	w.WriteHeader(http.StatusOK)
	w.send(o.body, body)
	return nil
}

func (x *exchange) wantsLess() bool {
	for _, name := range conditional {
		if x.r.Header.Get(name) != "" {
			return true
		}
	}
	return false
}

// sent returns what counts bytes that were written: for the viewer, else for the stream, if it is on air.
func (x *exchange) sent() func(n int) error {
	if x.viewer != nil {
		return x.viewer.sent
	}
	stream, ok := x.server.hub.Stream(x.target.key)
	if !ok {
		return nil
	}
	return func(n int) error {
		stream.Sent(n)
		return nil
	}
}

// A countedWriter counts what a Write has taken, and takes no more once that was for a viewer who was kicked.
type countedWriter struct {
	http.ResponseWriter
	sent  func(n int) error // nil counts nothing
	http2 bool
	lost  func() error // why nothing more can reach the client, or nil
}

// send writes a body. One in memory needs no copy.
func (w *countedWriter) send(b blob, body io.Reader) {
	if b.file != "" {
		_, _ = io.Copy(w, body)
		return
	}
	for _, piece := range b.pieces {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

// Write writes b in pieces. Of one that was cut net/http says on HTTP/2 that nothing was written, although the client may
// have most of it: it counts as sent, since it was on its way.
func (w *countedWriter) Write(b []byte) (n int, err error) {
	if w.sent == nil {
		return w.ResponseWriter.Write(b)
	}
	for n < len(b) && err == nil {
		var m int
		piece := b[n:min(n+pieceBytes, len(b))]
		onItsWay := w.http2 && w.lost() == nil
		m, err = w.ResponseWriter.Write(piece)
		n += m
		if err != nil && onItsWay {
			m = len(piece)
		}
		if ended := w.sent(m); err == nil {
			err = ended
		}
	}
	return n, err
}

// Unwrap returns the writer beneath, for http.ResponseController.
func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
