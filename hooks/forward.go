package hooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// DefaultUserHeader is the header of an answer that says who the client is, as Authelia and others name it.
const DefaultUserHeader = "Remote-User"

// expiresHeader is the header of an answer that says after how many seconds the session ends.
const expiresHeader = "X-Rtmp-Expires-In"

// maxForwards is how many questions may be with a server at a time.
const maxForwards = 128

// A Forward is a guard that asks the server which guards a site, by the rules of Caddy's forward_auth: a GET request with
// the header of the client's, and X-Forwarded-Method (GET for playing, POST for publishing), -Proto (https or http: with
// TLS or without), -Host, -Uri (/app/stream and the query) and -For. Besides, X-Rtmp-Action, -Protocol, -Vhost, -App and
// -Stream say what is asked for, names with percent-encoding. An RTMP client that gives a user and password in its URL has them as
// Authorization: Basic.
//
// An answer of 2xx admits. Its header Remote-User may say who the client is, X-Rtmp-Expires-In after how many seconds the
// session ends. 401, and a redirect, which is not followed but leads to a page for logging in, means that the client has
// not logged in; 408, 429 and 5xx that nothing is decided; any other that the client may not.
//
// Make it with NewForward.
type Forward struct {
	options ForwardOptions
	url     string
	breaker breaker
	slots   chan struct{}
}

// ForwardOptions are what a Forward is made of.
type ForwardOptions struct {
	// URL is asked. It must be given.
	URL *url.URL
	// Transport makes the calls. It must be given.
	Transport http.RoundTripper
	// Timeout bounds a question. 0 means DefaultTimeout.
	Timeout time.Duration
	// UserHeader is the header of an answer that says who the client is. Empty means DefaultUserHeader.
	UserHeader string
}

// NewForward returns a guard.
func NewForward(o ForwardOptions) *Forward {
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.UserHeader = cmp.Or(o.UserHeader, DefaultUserHeader)
	return &Forward{options: o, url: o.URL.String(), slots: make(chan struct{}, maxForwards)}
}

// Admit implements live.Guard. It takes no longer than the time-out; a server that does not answer costs that once, and
// is then left alone for a moment.
func (f *Forward) Admit(ctx context.Context, r *live.Request) (live.Grant, error) {
	limit := f.options.Timeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return live.Grant{}, fmt.Errorf("waiting for one of %d questions in flight to end: %w", cap(f.slots), context.Cause(ctx))
	}
	began := time.Now()
	within, pass, err := f.breaker.enter(ctx)
	if err != nil {
		return live.Grant{}, fmt.Errorf("asking the site's login: %w", err)
	}
	status, header, err := f.ask(within, r)
	vain := err != nil && (errors.Is(ctx.Err(), context.DeadlineExceeded) || time.Since(began) >= limit/2)
	if cause := context.Cause(within); err != nil && cause != nil {
		err = cause
	}
	pass.done(err == nil, vain)
	if err != nil {
		return live.Grant{}, fmt.Errorf("asking the site's login: %w", err)
	}
	return f.judge(status, header)
}

// ask makes the call. Its error never holds the URL, which may hold a secret.
func (f *Forward) ask(ctx context.Context, r *live.Request) (status int, header http.Header, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return 0, nil, errors.New("the URL cannot be asked")
	}
	setForwarded(req, r)
	resp, err := f.options.Transport.RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	// What it says is for browsers. Read to its end if that is near, the connection can be used again.
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswerBytes)
	return resp.StatusCode, resp.Header, nil
}

// judge returns what an answer grants.
func (f *Forward) judge(status int, header http.Header) (live.Grant, error) {
	switch {
	case status >= 200 && status < 300:
		g := live.Grant{User: header.Get(f.options.UserHeader)}
		if seconds, err := strconv.ParseUint(header.Get(expiresHeader), 10, 31); err == nil {
			g.Expires = time.Now().Add(time.Duration(seconds) * time.Second)
		}
		return g, nil
	case status == http.StatusUnauthorized, status >= 300 && status < 400:
		return live.Grant{}, &live.Refusal{
			Kind:        live.ErrUnauthorized,
			Description: "you must log in",
			Challenge:   strings.Join(header.Values("WWW-Authenticate"), ", "),
		}
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status < 200:
		return live.Grant{}, fmt.Errorf("the site's login has answered with the status %d", status)
	}
	return live.Grant{}, live.Refuse(live.ErrDenied, "your login does not let you do this")
}

// withheld are headers that are not forwarded: those of the connection and of the answer's form, and those that only a
// proxy may set.
var withheld = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Expect", "Content-Length", "Accept-Encoding", "Range", "If-Match", "If-None-Match",
	"If-Modified-Since", "If-Unmodified-Since", "If-Range", "Forwarded", "X-Real-Ip",
}

// withheldPrefixes are how names begin that are not forwarded either.
var withheldPrefixes = []string{"X-Forwarded-", "X-Rtmp-", "Sec-Websocket-"}

// setForwarded sets the header of a question about r.
func setForwarded(req *http.Request, r *live.Request) {
	connection := http.Header(r.Header).Values("Connection")
	for name, values := range r.Header {
		name = http.CanonicalHeaderKey(name)
		prefixed := slices.ContainsFunc(withheldPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
		if !prefixed && !slices.Contains(withheld, name) && !named(connection, name) {
			req.Header[name] = values
		}
	}
	proto := "http"
	if r.TLS != nil {
		proto = "https"
	}
	method := http.MethodGet
	if r.Action == live.ActionPublish {
		method = http.MethodPost
	}
	uri := url.URL{Path: "/" + r.Key.App + "/" + r.Key.Name, RawQuery: r.Query}
	client := ""
	if address := r.Remote.Addr(); address.IsValid() {
		client = address.Unmap().String()
	}
	for _, h := range [][2]string{
		{"X-Forwarded-Method", method},
		{"X-Forwarded-Proto", proto},
		{"X-Forwarded-Host", r.Host},
		{"X-Forwarded-Uri", uri.RequestURI()},
		{"X-Forwarded-For", client},
		{"X-Rtmp-Action", r.Action.String()},
		{"X-Rtmp-Protocol", r.Protocol},
		{"X-Rtmp-Vhost", cmp.Or(r.Key.Vhost, live.DefaultVhost)},
		{"X-Rtmp-App", url.PathEscape(r.Key.App)},
		{"X-Rtmp-Stream", url.PathEscape(r.Key.Name)},
	} {
		req.Header.Set(h[0], oneLine(h[1]))
	}
	req.Header.Set("User-Agent", oneLine(r.UserAgent)) // if it is empty none is made up
	if r.Header != nil {
		return
	}
	if r.PageURL != "" {
		req.Header.Set("Referer", oneLine(r.PageURL))
	}
	if r.Username != "" {
		req.SetBasicAuth(r.Username, r.Password)
	}
}

// named tells whether the values of Connection name a header.
func named(connection []string, name string) bool {
	for _, value := range connection {
		for token := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(token), name) {
				return true
			}
		}
	}
	return false
}

// oneLine makes a value of a header of what an RTMP client says, which may hold anything.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}
