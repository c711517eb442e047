package hls

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
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
	query  query
	w      http.ResponseWriter
	r      *http.Request
	viewer *viewer // who is answered; nil without sessions
}

func (x *exchange) serve() error {
	if x.config.Sessions != SessionsOn { // then there may be no session that the hub could end
		req := x.request()
		if err := x.server.hub.CheckBans(&req); err != nil {
			return err
		}
	}
	switch x.target.kind {
	case entry:
		return x.serveEntry()
	case list:
		return x.serveList()
	}
	return x.serveObject()
}

func (x *exchange) serveEntry() error {
	if x.counts() && x.r.Method == http.MethodHead {
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
	if g := ch.segmenter(x.target.of.variant); g != nil {
		g.assemble(x.r.Context())
	}
	m := x.multivariant(ch, p)
	o := content{contentType: contentType, cache: "no-store", body: inMemory(m.text())}
	if !x.counts() {
		o.cache, o.tag = "max-age=1", m.tag()
	}
	return x.deliver(o)
}

// multivariant returns what there is besides p, which is the main rendition, and p.
func (x *exchange) multivariant(ch *channel, p *playlist) *multivariant {
	m := &multivariant{version: p.version, streams: []offer{p.offer(x.listURL(x.target.of), soundName(0))}}
	g := ch.segmenter(x.target.of.variant)
	if g == nil {
		return m
	}
	for _, r := range g.companions() {
		list := g.companion(r).window.playlist()
		if r.kind == live.KindVideo {
			m.streams = append(m.streams, list.offer(x.listURL(r), soundName(0)))
		} else {
			m.sounds = append(m.sounds, list.offer(x.listURL(r), soundName(r.number)))
		}
	}
	return m
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
	case !x.counts():
		return x.enterOpenly()
	case fresh(x.query.token, time.Now()) && x.mint().valid(x.target.key, x.query.token):
		return x.comeBack()
	}
	v := newViewer("")
	if err := v.ask(x.r.Context(), x.server.hub, x.request(), x.patience()); err != nil {
		return nil, err
	}
	x.target = x.target.named(v.ses.Key.Name)
	ch, err := x.open()
	if err != nil {
		v.end(absent, err)
		return nil, err
	}
	v.token = x.mint().token(x.target.key, v.ses.ID, time.Now().Add(tokenLife))
	x.viewer = ch.add(v)
	if err := ch.keep(v); err != nil {
		x.server.release(ch)
		return nil, err
	}
	x.server.lobby.enter(ch, v)
	return ch, nil
}

// comeBack is enter for a viewer that brings a token. The guard is not asked before the stream is on air: a player that is
// told to log in while its publisher is away gives up.
func (x *exchange) comeBack() (*channel, error) {
	ch, err := x.enterOpenly()
	if err != nil {
		return nil, err
	}
	if x.viewer, err = ch.revive(x.r.Context(), x.query.token, x.request(), x.patience()); err != nil {
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
	req.Query = x.query.rest
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

// await returns the playlist of the rendition that is asked for, as soon as it has a segment.
func (x *exchange) await(ch *channel) (*playlist, error) {
	g := ch.segmenter(x.target.of.variant)
	if g == nil {
		return nil, errNotOnAir
	}
	if x.viewer != nil {
		x.viewer.waiting.Add(1)
		defer x.viewer.touch()
		defer x.viewer.waiting.Add(-1)
	}
	limit := x.patience() + x.config.longest()
	p, err := g.wait(x.r.Context(), limit)
	if err != nil || x.target.of.kind == 0 {
		return p, err
	}
	if g = g.companion(x.target.of); g == nil { // the main rendition is there before the others
		return nil, errNoFile
	}
	return g.wait(x.r.Context(), limit)
}

// listURL returns the relative URL of the media playlist of a rendition. It repeats the viewer's query, since the guard is asked again
// there when the session has expired.
func (x *exchange) listURL(r rendition) string {
	u := x.target.folder + r.list() + x.context()
	switch {
	case x.query.rest == "":
		return u
	case x.viewer == nil:
		return u + "?" + x.query.rest
	}
	return u + "&" + x.query.rest
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
	q, vhost := x.context(), x.vhostQuery()
	if q == "" && vhost != "" {
		return "?" + vhost[1:]
	}
	return q + vhost
}

// vhostQuery returns what says the vhost, behind another query, if the host does not; else nothing.
func (x *exchange) vhostQuery() string {
	if live.NamedVhost(x.query.rest) == "" {
		return ""
	}
	return "&vhost=" + url.QueryEscape(x.target.key.Vhost)
}

// text returns a media playlist with the URLs that are its viewer's.
func (x *exchange) text(ch *channel, p *playlist, f form) []byte {
	if x.config.Sessions != SessionsCache {
		return p.text(f, x.objectQuery())
	}
	// Who has an old playlist may fetch what it names for as long as it plays, and a moment more.
	life := 3*max(x.config.reach(p.target), length(p.all)) + time.Minute
	return ch.signer.sign(p.text(f, ""), x.objectQuery(), x.vhostQuery(), life, time.Now())
}

func (x *exchange) serveList() error {
	ch := x.server.find(x.target.key)
	if x.counts() {
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
	r, err := parseReload(x.r.URL.RawQuery)
	if err != nil {
		return err
	}
	p, err := x.await(ch)
	if err == nil && r.waits {
		p, err = x.reload(ch, r)
	}
	if err != nil {
		return err
	}
	o := content{contentType: contentType, tag: p.tag(r.form), cache: "max-age=1", body: inMemory(x.text(ch, p, r.form))}
	if x.counts() {
		o.cache = "private, no-cache"
	}
	return x.deliver(o)
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
	w := ch.window(x.target.of)
	if w == nil {
		return errNoFile
	}
	ctx, done := x.block()
	body, ok := w.await(ctx, x.target.file)
	done()
	if !ok {
		return errNoFile
	}
	o := content{contentType: x.target.of.contentType, tag: x.target.file, cache: x.objectCache(), body: body}
	if strings.HasSuffix(x.target.file, keyEnding) {
		o.contentType, o.cache = "application/octet-stream", "no-store"
	}
	return x.deliver(o)
}

// objectCache returns the Cache-Control of an object: whoever may keep it, may for as long as its URL is good.
func (x *exchange) objectCache() string {
	switch {
	case x.viewer != nil:
		return "private, max-age=3600, immutable"
	case x.counts():
		date, _, _ := strings.Cut(x.query.signature, ".")
		end, _ := until(date)
		return "public, max-age=" + strconv.FormatInt(end.Unix()-time.Now().Unix(), 10) + ", immutable"
	}
	return "public, max-age=3600, immutable"
}

// counts tells whether there are viewers.
func (x *exchange) counts() bool { return x.config.Sessions != SessionsOff }

// mint returns what makes tokens and signatures.
func (x *exchange) mint() *mint { return x.server.mint.Load() }
