package hls

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/httplive"
)

// An exchange is one request on its way to its answer.
type exchange struct {
	server *Server
	config Config
	began  func(r *http.Request, ses *live.Session)
	target target
	token  string // as the client says it
	query  string // the rest of the query
	w      http.ResponseWriter
	r      *http.Request
	viewer *viewer // who is answered; nil without sessions
}

func (x *exchange) serve() error {
	switch x.target.kind {
	case entry:
		return x.serveEntry()
	case list:
		return x.serveList()
	}
	return x.serveObject()
}

func (x *exchange) serveEntry() error {
	if x.config.Sessions && x.r.Method == http.MethodHead {
		return x.probe()
	}
	ch, err := x.enter()
	if err != nil {
		return err
	}
	defer x.server.release(ch)
	p, err := x.await(ch)
	if err != nil {
		if x.viewer != nil {
			ch.remove(x.viewer, err)
		}
		return err
	}
	o := content{contentType: contentType, cache: "no-store", body: p.multivariant(x.listURL())}
	if !x.config.Sessions {
		o.cache, o.tag = "max-age=1", p.tag+"-m"
	}
	x.deliver(o)
	return nil
}

// probe answers HEAD for an entry playlist: the guard is asked, but no viewer stays.
func (x *exchange) probe() error {
	ses, err := x.server.hub.Play(x.r.Context(), x.request(), x.patience())
	if err != nil {
		return err
	}
	ses.Close(nil)
	x.w.Header().Set("Content-Type", contentType)
	x.w.Header().Set("Cache-Control", "no-store")
	x.w.WriteHeader(http.StatusOK)
	return nil
}

// enter returns the channel of a stream that is on air, to be released, and sets the viewer that has come.
func (x *exchange) enter() (*channel, error) {
	switch {
	case !x.config.Sessions:
		return x.enterOpenly()
	case x.server.mint.valid(x.target.key, x.token):
		return x.comeBack()
	}
	v := newViewer("")
	if err := v.ask(x.r.Context(), x.server.hub, x.request(), x.patience()); err != nil {
		return nil, err
	}
	ch, err := x.open()
	if err != nil {
		v.end(absent, err)
		return nil, err
	}
	v.token = x.server.mint.token(x.target.key, v.ses.ID)
	x.viewer = ch.add(v)
	if err := ch.keep(v); err != nil {
		x.server.release(ch)
		return nil, err
	}
	return ch, nil
}

// comeBack is enter for a viewer that brings a token.
func (x *exchange) comeBack() (*channel, error) {
	ch, err := x.open()
	if err != nil {
		return nil, err
	}
	if x.viewer, err = ch.revive(x.r.Context(), x.token, x.request(), x.patience()); err != nil {
		x.server.release(ch)
		return nil, err
	}
	return ch, nil
}

// onAirEvery is how often a request that makes no session looks whether a stream has come on air.
const onAirEvery = 100 * time.Millisecond

// enterOpenly is enter without sessions.
func (x *exchange) enterOpenly() (*channel, error) {
	if err := x.target.key.Validate(); err != nil {
		return nil, err
	}
	if _, err := x.server.hub.Rules(x.target.key); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(x.patience())
	for !x.onAir() {
		if !time.Now().Before(deadline) {
			return nil, errNotOnAir
		}
		select {
		case <-time.After(onAirEvery):
		case <-x.r.Context().Done():
			return nil, context.Cause(x.r.Context())
		}
	}
	return x.open()
}

func (x *exchange) open() (*channel, error) {
	ch, err := x.server.open(x.target.key, x.config)
	if err == nil {
		ch.configure(x.config)
	}
	return ch, err
}

func (x *exchange) onAir() bool {
	s, ok := x.server.hub.Stream(x.target.key)
	return ok && s.Err() == nil
}

// request returns what the viewer asks for, as guards see it.
func (x *exchange) request() live.Request {
	req := httplive.Request(x.r, live.ProtocolHLS, x.target.key)
	req.Query = x.query
	return req
}

// patience returns how long a viewer waits for a publisher.
func (x *exchange) patience() time.Duration {
	rules, err := x.server.hub.Rules(x.target.key)
	if err != nil {
		return 0
	}
	return rules.Wait
}

// await returns the playlist of the variant that is asked for, as soon as it has a segment.
func (x *exchange) await(ch *channel) (*playlist, error) {
	g := ch.segmenter(x.target.variant)
	if g == nil {
		return nil, errNotOnAir
	}
	if x.viewer != nil {
		x.viewer.waiting.Add(1)
		defer x.viewer.touch()
		defer x.viewer.waiting.Add(-1)
	}
	return g.wait(x.r.Context(), x.patience()+x.config.longest())
}

// listURL returns the relative URL of the media playlist. It repeats the viewer's query, since the guard is asked again
// there when the session has expired.
func (x *exchange) listURL() string {
	u := x.target.folder + x.target.variant.playlist + x.context()
	switch {
	case x.query == "":
		return u
	case x.viewer == nil:
		return u + "?" + x.query
	}
	return u + "&" + x.query
}

// context returns the query that carries the viewer's token.
func (x *exchange) context() string {
	if x.viewer == nil {
		return ""
	}
	return "?" + contextParam + "=" + x.viewer.token
}

// objectQuery returns the query of a segment's URL: the viewer's token, and the vhost if the host does not say it.
func (x *exchange) objectQuery() string {
	q := x.context()
	if live.NamedVhost(x.query) == "" {
		return q
	}
	vhost := "vhost=" + url.QueryEscape(x.target.key.Vhost)
	if q == "" {
		return "?" + vhost
	}
	return q + "&" + vhost
}

func (x *exchange) serveList() error {
	ch := x.server.find(x.target.key)
	if x.config.Sessions {
		var err error
		if ch, err = x.admitList(ch); err != nil {
			return err
		}
	}
	if ch == nil {
		return errNoFile
	}
	defer x.server.release(ch)
	ch.configure(x.config)
	p, err := x.await(ch)
	if err != nil {
		return err
	}
	o := content{contentType: contentType, tag: p.tag, cache: "max-age=1", body: p.text(x.objectQuery())}
	if x.config.Sessions {
		o.cache = "private, no-cache"
	}
	x.deliver(o)
	return nil
}

func (x *exchange) serveObject() error {
	ch := x.server.find(x.target.key)
	if ch == nil {
		return errNoFile
	}
	defer x.server.release(ch)
	if err := x.admitObject(ch); err != nil {
		return err
	}
	s := ch.segment(x.target.variant, x.target.file)
	if s == nil {
		return errNoFile
	}
	o := content{contentType: x.target.variant.contentType, tag: s.name, cache: "max-age=3600, immutable", body: s.body}
	if x.config.Sessions {
		o.cache = "private, " + o.cache
	}
	x.deliver(o)
	return nil
}
