package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// A web is the HTTP client of one viewer, with connections of its own, as if it were another machine.
type web struct {
	client *http.Client
	close  func()
}

// A statusError is an answer that is no stream.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return fmt.Sprintf("HTTP status %d: %s", e.status, e.text) }

// newWeb returns a client for the version of HTTP that is asked for, of a viewer who is stuck or not. It uses no proxy and
// no compression.
func (c *Config) newWeb(stuck bool) *web {
	if c.HTTP == 3 {
		tr := &http3.Transport{TLSClientConfig: c.TLS.Clone()}
		if stuck {
			tr.QUICConfig = &quic.Config{InitialStreamReceiveWindow: stuckBytes, MaxStreamReceiveWindow: stuckBytes}
		}
		return &web{client: &http.Client{Transport: tr}, close: func() { _ = tr.Close() }}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(c.HTTP == 1)
	protocols.SetHTTP2(c.HTTP == 2)
	tr := &http.Transport{
		TLSClientConfig: c.TLS.Clone(), Protocols: protocols, DisableCompression: true, DialContext: dialer(stuck).DialContext,
	}
	if stuck {
		tr.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: stuckBytes}
	}
	return &web{client: &http.Client{Transport: tr}, close: tr.CloseIdleConnections}
}

// open asks for an URL. The body is to be closed; it ends with ctx.
func (w *web) open(ctx context.Context, address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "rtmpload")
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, &fault{faultConnect, withoutURL(err)}
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // what there is of it says why
	return nil, &fault{faultRefused, &statusError{resp.StatusCode, string(bytes.TrimSpace(text))}}
}

// withoutURL returns the error in an url.Error: the URL may hold a secret.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// maxDocument bounds playlists and segments, in bytes.
const maxDocument = 128 << 20

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// get loads a whole document and lets use see it, which keeps nothing of it. It returns where it was found in the end.
func (w *web) get(ctx context.Context, address string, use func(b []byte)) (final *url.URL, err error) {
	resp, err := w.open(ctx, address)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	buf, _ := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(buf)
	buf.Reset()
	switch n, err := io.Copy(buf, io.LimitReader(resp.Body, maxDocument+1)); {
	case err != nil:
		return nil, &fault{faultEnded, err}
	case n > maxDocument:
		return nil, &fault{faultFormat, fmt.Errorf("the answer has more than %d bytes", maxDocument)}
	}
	use(buf.Bytes())
	return resp.Request.URL, nil
}
