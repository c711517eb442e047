package hooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// notifyLife is how long it is worth asking for a segment on behalf of a cache.
const notifyLife = 30 * time.Second

// A Segment is a piece of HLS that has just been listed.
type Segment struct {
	// Publisher is who has sent it, StreamID its stream.
	Publisher live.SessionInfo
	StreamID  string
	// Number is its media sequence number, Length how long it plays.
	Number int64
	Length time.Duration
	// URL and Playlist are where it and the stream's entry playlist are, escaped, relative to where streams are served.
	URL, Playlist string
	// File and PlaylistFile are their files, as the configuration names them, which may be relative to CWD; empty if they are
	// in memory.
	File, PlaylistFile, CWD string
}

// Listed tells the targets of a segment, by on_hls or on_hls_notify. It does not block.
func (w *Webhook) Listed(s *Segment) {
	for _, event := range []string{OnHLS, OnHLSNotify} {
		if !w.Wants(event) {
			continue
		}
		for _, t := range w.targets {
			r := s.Publisher.Request
			stream, _ := orderOf(&r)
			body := w.backends.Identity.segment(s)
			if event == OnHLSNotify {
				body = []byte(w.backends.Identity.expand(t.url, s))
			}
			w.check(w.outbox().Put(w.delivery(t, event, &r, stream, body)))
		}
	}
}

// segment returns the body of on_hls. For a segment in memory cwd, file and m3u8 are empty.
func (i Identity) segment(s *Segment) []byte {
	r := &s.Publisher.Request
	return encode(hlsBody{
		head:      i.head(OnHLS, r),
		TCURL:     tcURL(r),
		Stream:    streamName(r),
		Param:     param(r),
		Duration:  decimal(s.Length.Seconds()),
		CWD:       s.CWD,
		File:      s.File,
		URL:       s.URL,
		M3U8:      s.PlaylistFile,
		M3U8URL:   s.Playlist,
		SeqNo:     s.Number,
		StreamURL: r.Key.URL(),
		StreamID:  s.StreamID,
	})
}

// notifyWords are what the URL of on_hls_notify may hold.
var notifyWords = []string{"[server_id]", "[service_id]", "[app]", "[stream]", "[ts_url]", "[param]"}

// expand returns the URL that on_hls_notify asks for a segment.
func (i Identity) expand(template string, s *Segment) string {
	app, rest, _ := strings.Cut(s.Playlist, "/")
	values := []string{i.ID, i.Service, app, strings.TrimSuffix(rest, ".m3u8"), s.URL, escapeParam(param(&s.Publisher.Request))}
	var pairs []string
	for n, word := range notifyWords {
		pairs = append(pairs, word, values[n])
	}
	return strings.NewReplacer(pairs...).Replace(template)
}

// escapeParam escapes what cannot stand in a URL of what a publisher has sent for a query.
func escapeParam(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"#<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// checkNotify refuses a webhook for on_hls_notify that is one for something else too, since its URLs are called otherwise.
func (o *Options) checkNotify() error {
	if slices.Contains(o.Events, OnHLSNotify) && len(o.Events) > 1 {
		return errors.New("on_hls_notify calls other URLs than the other events; give it a hook of its own")
	}
	return nil
}

// notify makes a GET request for a segment, so that a cache gets it. Whatever is answered will do.
func (t *target) notify(ctx context.Context, d *outbox.Delivery) outbox.Result {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, string(d.Body), nil)
	if err != nil {
		return outbox.Result{Err: errors.New("the URL with its words replaced cannot be called")}
	}
	req.Header.Set("User-Agent", t.hook.options.UserAgent)
	began := time.Now()
	resp, err := t.hook.options.Transport.RoundTrip(req)
	t.calls.timed(time.Since(began))
	if err != nil {
		return outbox.Result{Err: err}
	}
	_ = resp.Body.Close()
	return outbox.Result{Note: fmt.Sprintf("the answer had the status %d", resp.StatusCode)}
}
