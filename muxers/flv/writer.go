package flv

import (
	"fmt"
	"io"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A Writer is a live.FrameWriter that writes an FLV file.
type Writer struct {
	w   io.Writer
	buf []byte
}

// NewWriter writes the header of a file with video, audio or both to w, and returns a writer for its tags. Each frame is
// one Write.
func NewWriter(w io.Writer, video, audio bool) (*Writer, error) {
	if _, err := w.Write(appendHeader(nil, video, audio)); err != nil {
		return nil, fmt.Errorf("writing the FLV header: %w", err)
	}
	return &Writer{w: w}, nil
}

// WriteFrame writes f as a tag, one of a multitrack file if it is not of track 0.
func (w *Writer) WriteFrame(f *live.Frame) error {
	w.buf = appendTag(w.buf[:0], f, f.MultitrackBody())
	if _, err := w.w.Write(w.buf); err != nil {
		return fmt.Errorf("writing an FLV tag: %w", err)
	}
	return nil
}
