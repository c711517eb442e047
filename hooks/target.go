package hooks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A target is one URL of a webhook.
type target struct {
	hook    *Webhook
	name    string // without secrets, for logs, the API and the outbox
	url     string
	breaker *breaker
	calls   *calls
	slots   chan struct{} // holds the questions in flight
}

// targetName returns a name for a URL that shows no secret, and differs from that of another URL.
func targetName(u *url.URL) string {
	shown := *u
	shown.User, shown.RawQuery, shown.Fragment = nil, "", ""
	if u.User == nil && u.RawQuery == "" {
		return shown.String()
	}
	sum := sha256.Sum256([]byte(u.String()))
	return shown.String() + "#" + hex.EncodeToString(sum[:4])
}

// ask asks whether a session may begin. It takes no longer than the hook's time-out, whatever happens. Pending news of
// the stream go before the question, for half of that time at most.
func (t *target) ask(ctx context.Context, event, stream, client string, body []byte) (grant live.Grant, err error) {
	defer func() { t.calls.asked(event, err) }()
	limit := t.hook.options.Timeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	if err := t.drain(ctx, limit/2, stream, client); err != nil {
		return live.Grant{}, err
	}
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return live.Grant{}, fmt.Errorf("waiting for one of %d questions in flight to end: %w", cap(t.slots), context.Cause(ctx))
	}
	r, err := t.call(ctx, outbox.NewID(), body)
	if err != nil {
		return live.Grant{}, err
	}
	return r.judge()
}

// drain waits for pending news. That they cannot be delivered now is no reason not to ask.
func (t *target) drain(ctx context.Context, limit time.Duration, stream, client string) error {
	wait, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := t.hook.outbox().Drain(wait, t.name, stream, client); err != nil && ctx.Err() != nil {
		return fmt.Errorf("waiting for earlier events of the stream to be delivered: %w", context.Cause(ctx))
	}
	return nil
}

// Send implements outbox.Sender.
func (t *target) Send(ctx context.Context, d *outbox.Delivery) outbox.Result {
	r := t.send(ctx, d)
	t.calls.sent(d.Event, r)
	return r
}

func (t *target) send(ctx context.Context, d *outbox.Delivery) outbox.Result {
	limit := t.hook.options.Timeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	if d.Event == OnHLSNotify {
		return t.notify(ctx, d)
	}
	r, err := t.call(ctx, d.ID, d.Body)
	if err != nil {
		return outbox.Result{Err: err}
	}
	result := outbox.Result{Status: r.status}
	if _, err := r.judge(); err != nil {
		result.Note = err.Error()
	}
	if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); err == nil && seconds > 0 {
		result.RetryAfter = time.Duration(seconds) * time.Second
	}
	return result
}

// call makes one call. Its error never holds the URL, which may hold a secret.
func (t *target) call(ctx context.Context, id string, body []byte) (*reply, error) {
	began := time.Now()
	within, pass, err := t.breaker.enter(ctx)
	if err != nil {
		return nil, err
	}
	r, err := t.post(within, id, body)
	elapsed := time.Since(began)
	t.calls.timed(elapsed)
	over := context.Cause(within) // before pass ends it
	timedOut := errors.Is(ctx.Err(), context.DeadlineExceeded)
	pass.done(err == nil || errors.Is(err, errLongAnswer), err != nil && (timedOut || elapsed >= t.hook.options.Timeout/2))
	switch {
	case err == nil:
		return r, nil
	case over != nil:
		return nil, over
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return nil, err
}

// post makes the request and reads the answer.
func (t *target) post(ctx context.Context, id string, body []byte) (*reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", t.hook.options.UserAgent)
	// The id makes repetition harmless. Said so, and not sent, it lets net/http repeat what met a connection that the
	// other side was about to close.
	req.Header["Idempotency-Key"] = nil
	if err := t.hook.options.Signer.Sign(req.Header, id, time.Now(), body); err != nil {
		return nil, err
	}
	return t.hook.roundTrip(req)
}

// roundTrip follows no redirect: what is not at the URL that stands in the configuration has no say.
func (w *Webhook) roundTrip(req *http.Request) (*reply, error) {
	resp, err := w.options.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	r := &reply{status: resp.StatusCode, header: resp.Header}
	if r.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1)); err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if len(r.body) > maxAnswerBytes {
		return nil, errLongAnswer
	}
	return r, nil
}
