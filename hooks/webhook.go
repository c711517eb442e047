package hooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// The defaults and bounds of Options.
const (
	DefaultTimeout  = 5 * time.Second
	MaxTimeout      = 30 * time.Second // SRS's
	DefaultInFlight = 128
)

// DefaultEvents are those that a webhook is told of where none are named.
func DefaultEvents() []string { return []string{OnPublish, OnUnpublish, OnPlay, OnStop} }

// Options say what a Webhook calls, and how.
type Options struct {
	// URLs are called in this order: of a question, the first that refuses ends it; of an event, all are told, none
	// waiting for another. At least one must be given, http or https.
	URLs []string
	// Events are those to be told of. Default: DefaultEvents.
	Events []string
	// Transport makes the requests; see NewTransport. It must be set.
	Transport http.RoundTripper
	// Signer signs the requests. Nil does not.
	Signer *outbox.Signer
	// Timeout bounds a question from its beginning to its end, and each attempt to deliver an event. Default:
	// DefaultTimeout; at most MaxTimeout.
	Timeout time.Duration
	// AllowOnError admits whom a back end could not decide about: because it does not answer in time, with a status of 5xx,
	// or not with a certificate that can be trusted. Default: refuse.
	AllowOnError bool
	// BestEffort keeps events in memory, so that they are lost with the process.
	BestEffort bool
	// UpdateInterval is how often on_update tells of each session. Default: DefaultUpdateInterval; at least a second.
	UpdateInterval time.Duration
	// InFlight bounds the questions to one URL at a time. Others wait, within Timeout. Default: DefaultInFlight.
	InFlight int
	// UserAgent is the header of that name. Default: "caddy-rtmp".
	UserAgent string
	// Logger is told of what could not be decided. Default: nobody.
	Logger *slog.Logger
}

// A Webhook asks a back end who may publish and play, and tells it what has happened, by SRS's HTTP callbacks. It is a
// live.Guard and a live.Observer.
//
// Every on_publish that was accepted is followed by one on_unpublish, and every on_play by one on_stop, also if the hub
// then refuses the session after all; unless a guard after this one has, since then it has never begun for anybody.
type Webhook struct {
	options  Options
	backends *Backends
	targets  []*target
}

// NewWebhook returns a Webhook. It calls nobody before it is asked or told, and delivers events once it was given to
// b.Serve.
func NewWebhook(b *Backends, o Options) (*Webhook, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	w := &Webhook{options: o, backends: b}
	for _, raw := range o.URLs {
		u, err := ParseURL(raw)
		if err != nil {
			return nil, err
		}
		w.targets = append(w.targets, &target{hook: w, name: targetName(u), url: raw, slots: make(chan struct{}, o.InFlight)})
	}
	w.share()
	return w, nil
}

// share gives the targets what they have in common with those of the same name in other configurations.
func (w *Webhook) share() {
	for _, t := range w.targets {
		t.breaker = w.backends.breaker(t.name)
		t.calls = w.backends.calls(t.name)
	}
}

// ParseURL reads the URL of a back end. Its error does not show the URL, which may hold a secret.
func ParseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the URL of a back end begins with http:// or https:// and a host; " +
			"if it comes from the environment, is the variable set?")
	}
	return u, nil
}

func (o *Options) complete() error {
	if len(o.URLs) == 0 {
		return errors.New("a webhook needs the URL of a back end")
	}
	if len(o.Events) == 0 {
		o.Events = DefaultEvents()
	}
	for _, name := range o.Events {
		if err := CheckEvent(name); err != nil {
			return err
		}
	}
	if err := o.checkNotify(); err != nil {
		return err
	}
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	if o.Timeout < 0 || o.Timeout > MaxTimeout {
		return fmt.Errorf("a time-out of %s is not between 0 and %s", o.Timeout, MaxTimeout)
	}
	o.UpdateInterval = cmp.Or(o.UpdateInterval, DefaultUpdateInterval)
	if o.UpdateInterval < time.Second {
		return fmt.Errorf("an update every %s is too often; a second is the least", o.UpdateInterval)
	}
	o.InFlight = cmp.Or(o.InFlight, DefaultInFlight)
	if o.InFlight < 0 {
		return fmt.Errorf("%d questions in flight are too few", o.InFlight)
	}
	o.UserAgent = cmp.Or(o.UserAgent, "caddy-rtmp")
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return nil
}

// Distinguish gives targets of several webhooks that have the same URL names of their own, by the order in which they
// stand.
func Distinguish(webhooks []*Webhook) {
	seen := make(map[string]int)
	for _, w := range webhooks {
		for _, t := range w.targets {
			seen[t.name]++
			if n := seen[t.name]; n > 1 {
				t.name += "#" + strconv.Itoa(n)
			}
		}
		w.share()
	}
}

func (w *Webhook) outbox() *outbox.Outbox { return w.backends.outbox(w.options.BestEffort) }

// Wants tells whether the webhook is to be told of an event.
func (w *Webhook) Wants(event string) bool { return slices.Contains(w.options.Events, event) }

// Admit implements live.Guard: it asks on_connect for a client by RTMP, then on_publish or on_play. It ends by itself, not
// with ctx: a question that was sent is waited for, or a client that leaves would have begun for the back end only.
func (w *Webhook) Admit(ctx context.Context, r *live.Request) (live.Grant, error) {
	ctx = context.WithoutCancel(ctx)
	begin, end := OnPlay, OnStop
	if r.Action == live.ActionPublish {
		begin, end = OnPublish, OnUnpublish
	}
	var grant live.Grant
	var err error
	if r.Protocol == live.ProtocolRTMP && w.Wants(OnConnect) {
		grant, err = w.ask(ctx, r, OnConnect, "")
	}
	if err == nil && w.Wants(begin) {
		var more live.Grant
		more, err = w.ask(ctx, r, begin, end)
		grant = grant.And(more)
	}
	if err != nil {
		w.check(w.backends.Forget(r.ID))
		return live.Grant{}, err
	}
	return grant, nil
}

// ask asks all targets, until one refuses. If end is an event that they are told of, they are owed it from now on.
func (w *Webhook) ask(ctx context.Context, r *live.Request, event, end string) (live.Grant, error) {
	stream, client := orderOf(r)
	streamID, clients := w.backends.lookUp(r.Key)
	body := w.backends.Identity.question(event, r, streamID, clients+1)
	var grant live.Grant
	for _, t := range w.targets {
		if end != "" && w.Wants(end) {
			w.owe(t, end, &live.SessionInfo{Request: *r, StreamID: streamID}, stream)
		}
		more, err := t.ask(ctx, event, stream, client, body)
		if err != nil {
			if err = w.undecided(t, event, r, err); err != nil {
				return live.Grant{}, fmt.Errorf("%s at %s: %w", event, t.name, err)
			}
			continue
		}
		grant = grant.And(more)
	}
	return grant, nil
}

// undecided returns err, or nil if the client is to be admitted although nothing was decided.
func (w *Webhook) undecided(t *target, event string, r *live.Request, err error) error {
	if isRefusal(err) {
		return err
	}
	w.options.Logger.Warn("a back end could not decide", "event", event, "target", t.name,
		"session", r.ID, "stream", r.Key.URL(), "admitted", w.options.AllowOnError, "error", err.Error())
	if w.options.AllowOnError {
		return nil
	}
	return err
}

func isRefusal(err error) bool {
	_, ok := errors.AsType[*live.Refusal](err)
	return ok
}

// orderOf returns the key of the order in which a stream's events are delivered, and the client whose own they are.
func orderOf(r *live.Request) (stream, client string) {
	if r.Action == live.ActionPlay {
		client = r.ID
	}
	return vhost(r.Key) + "/" + r.Key.App + "/" + r.Key.Name, client
}

// lookUp returns the id of the stream that has a name, and how many clients it has.
func (b *Backends) lookUp(k live.Key) (id string, clients int) {
	s, _ := b.Hub.Stream(k)
	if s == nil {
		return "", 0
	}
	info := s.Info()
	return info.ID, info.Sessions
}

// check reports what went wrong with the outbox.
func (w *Webhook) check(err error) {
	switch {
	case errors.Is(err, outbox.ErrSlow):
		w.options.Logger.Warn("the disk is slow; what was just stored would be lost if the process ended now")
	case err != nil:
		w.options.Logger.Error("events may be lost if the process ends", "error", err.Error())
	}
}
