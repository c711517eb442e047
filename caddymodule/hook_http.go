package caddymodule

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

func init() {
	caddy.RegisterModule(new(HTTPHook))
}

// HTTPHook asks a back end by HTTP who may publish and play, and tells it what has happened. Requests and answers are
// those of SRS's HTTP callbacks.
//
// A client is admitted by an answer with the status 200 or 201 whose body is `0` or a JSON object with `"code":0`, which
// may hold more: `expires_in` (seconds after which the session ends), `stream_name` (which the stream gets instead),
// `user` and `note` (which the API shows). By any other answer it is refused, and told its `msg`. No redirect is followed
// and no proxy used.
type HTTPHook struct {
	// URLs of the back ends. A question goes to one after the other until one refuses, an event to all. Placeholders are
	// replaced. At least one must be given.
	URLs []string `json:"urls,omitempty"`

	// Events are those to ask for or to tell of: `on_connect`, `on_close`, `on_publish`, `on_unpublish`, `on_play`,
	// `on_stop`, `on_hls`, `on_hls_notify`, `on_update`. on_connect, on_publish and on_play are questions. Default:
	// `on_publish`, `on_unpublish`, `on_play` and `on_stop`.
	Events []string `json:"events,omitempty"`

	// Secrets sign the requests, by the Standard Webhooks scheme: each is `whsec_` and the base64 of 24 bytes or more.
	// Requests are signed with all of them, so that one can be replaced by another while both are in use. Placeholders are
	// replaced. Default: none, which signs nothing.
	Secrets []string `json:"secrets,omitempty"`

	// TLS says how to call `https://` URLs. Certificates are verified, unless it says otherwise. Default: against the
	// system's authorities.
	TLS *reverseproxy.TLSConfig `json:"tls,omitempty"`

	// Timeout bounds how long a question may take in all, and each attempt to deliver an event. Default: 5s; at most 30s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// OnError says what becomes of clients that a back end could not decide about, because it did not answer in time, not
	// with a certificate that can be trusted, or with a status of 408, 429 or 5xx: `refuse` or `allow`. Default: `refuse`.
	OnError string `json:"on_error,omitempty"`

	// Delivery is `durable`, which keeps events on disk until they are delivered, for up to a day (on_hls for an hour), or
	// `best_effort`, which keeps them in memory for a moment. Default: `durable`.
	Delivery string `json:"delivery,omitempty"`

	// UpdateInterval is how often `on_update` tells of each publisher and viewer what has passed so far. An answer that
	// refuses ends the session. Giving it asks for on_update too. Default: 30s; at least 1s.
	UpdateInterval caddy.Duration `json:"update_interval,omitempty"`

	// InFlight is how many questions may be with one URL at a time. Others wait, within Timeout. Default: 128.
	InFlight int `json:"in_flight,omitempty"`

	urls      []string
	signer    *outbox.Signer
	transport *http.Transport
	logger    *slog.Logger
	webhook   *hooks.Webhook
	cancel    context.CancelFunc // of updates
	working   sync.WaitGroup
}

// CaddyModule returns the Caddy module information.
func (*HTTPHook) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "rtmp.hooks.http", New: func() caddy.Module { return new(HTTPHook) }}
}

// Provision replaces the placeholders and sets up TLS. It calls nobody.
func (h *HTTPHook) Provision(ctx caddy.Context) error {
	h.logger = ctx.Slogger()
	repl := caddy.NewReplacer()
	var written []*url.URL
	for _, raw := range h.URLs {
		text := repl.ReplaceAll(raw, "")
		u, err := hooks.ParseURL(text)
		if err != nil {
			return err
		}
		h.urls, written = append(h.urls, text), append(written, u)
	}
	if err := h.check(); err != nil {
		return err
	}
	var secrets []string
	for _, raw := range h.Secrets {
		secrets = append(secrets, repl.ReplaceAll(raw, ""))
	}
	if len(secrets) > 0 {
		var err error
		if h.signer, err = outbox.NewSigner(secrets...); err != nil {
			return err
		}
	}
	config, err := clientTLS(ctx, h.TLS)
	if err != nil {
		return err
	}
	h.transport = hooks.NewTransport(config, written...)
	return nil
}

// userAgent is how back ends know us.
const userAgent = "caddy-rtmp/" + Version

// The words of OnError and Delivery.
const (
	onErrorRefuse      = "refuse"
	onErrorAllow       = "allow"
	deliveryDurable    = "durable"
	deliveryBestEffort = "best_effort"
)

func checkOnError(s string) error  { return oneOf(s, onErrorRefuse, onErrorAllow) }
func checkDelivery(s string) error { return oneOf(s, deliveryDurable, deliveryBestEffort) }
func oneOf(s, word, or string) error {
	if s == word || s == or {
		return nil
	}
	return fmt.Errorf("%q is neither %s nor %s", s, word, or)
}

func (h *HTTPHook) check() error {
	if h.OnError == "" {
		h.OnError = onErrorRefuse
	}
	if h.Delivery == "" {
		h.Delivery = deliveryDurable
	}
	if err := checkOnError(h.OnError); err != nil {
		return fmt.Errorf("on_error: %w", err)
	}
	if err := checkDelivery(h.Delivery); err != nil {
		return fmt.Errorf("delivery: %w", err)
	}
	return nil
}

// connect implements caller.
func (h *HTTPHook) connect(b *hooks.Backends) (*hooks.Webhook, error) {
	w, err := hooks.NewWebhook(b, hooks.Options{
		URLs:           h.urls,
		Events:         h.events(),
		Transport:      h.transport,
		Signer:         h.signer,
		Timeout:        time.Duration(h.Timeout),
		AllowOnError:   h.OnError == onErrorAllow,
		BestEffort:     !h.durable(),
		UpdateInterval: time.Duration(h.UpdateInterval),
		InFlight:       h.InFlight,
		UserAgent:      userAgent,
		Logger:         h.logger,
	})
	h.webhook = w
	return w, err
}

// events returns the events to be told of. Who says how often wants updates.
func (h *HTTPHook) events() []string {
	if h.UpdateInterval == 0 || slices.Contains(h.Events, hooks.OnUpdate) {
		return h.Events
	}
	if len(h.Events) == 0 {
		return append(hooks.DefaultEvents(), hooks.OnUpdate)
	}
	return append(slices.Clone(h.Events), hooks.OnUpdate)
}

// durable implements caller.
func (h *HTTPHook) durable() bool { return h.Delivery == deliveryDurable }

// Admit implements live.Guard.
func (h *HTTPHook) Admit(ctx context.Context, r *live.Request) (live.Grant, error) {
	return h.webhook.Admit(ctx, r)
}

// Observe implements live.Observer.
func (h *HTTPHook) Observe(e live.Event) { h.webhook.Observe(e) }

// wantsSegments implements listener.
func (h *HTTPHook) wantsSegments() bool {
	return h.webhook.Wants(hooks.OnHLS) || h.webhook.Wants(hooks.OnHLSNotify)
}

// listed implements listener.
func (h *HTTPHook) listed(s *hooks.Segment) { h.webhook.Listed(s) }

// Start implements worker: it begins to tell of updates.
func (h *HTTPHook) Start() {
	if !h.webhook.Wants(hooks.OnUpdate) {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	h.working.Go(func() { h.webhook.Update(ctx) })
}

// Stop implements worker.
func (h *HTTPHook) Stop() {
	if h.cancel != nil {
		h.cancel()
	}
	h.working.Wait()
}

// Cleanup closes idle connections. Deliveries under way go on.
func (h *HTTPHook) Cleanup() error {
	if h.transport != nil {
		h.transport.CloseIdleConnections()
	}
	return nil
}

// UnmarshalCaddyfile sets up the hook from tokens.
//
//	http <url...> {
//		events    <event...>
//		sign      <secret...>
//		tls {
//			trust_pool <module> <args...>
//			client_auth <automate_name> | <cert_file> <key_file>
//			server_name <name>
//			insecure_skip_verify
//		}
//		timeout   <duration>
//		on_error  refuse|allow
//		delivery  durable|best_effort
//		update    <interval>
//		in_flight <count>
//	}
func (h *HTTPHook) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the module's name
	h.URLs = d.RemainingArgs()
	if len(h.URLs) == 0 {
		return d.Err("hook http needs the URL of a back end")
	}
	return parseBlock(d, "hook http", map[string]option{
		"events":    h.parseEvents,
		"sign":      listOption(&h.Secrets),
		"tls":       clientTLSOption(&h.TLS),
		"timeout":   durationOption(&h.Timeout),
		"on_error":  textOption(&h.OnError, checkOnError),
		"delivery":  textOption(&h.Delivery, checkDelivery),
		"update":    durationOption(&h.UpdateInterval),
		"in_flight": countOption(&h.InFlight),
	})
}

func (h *HTTPHook) parseEvents(d *caddyfile.Dispenser) error {
	var list []string
	if err := listOption(&list)(d); err != nil {
		return err
	}
	for _, name := range list {
		if err := hooks.CheckEvent(name); err != nil {
			return d.WrapErr(err)
		}
	}
	h.Events = append(h.Events, list...)
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*HTTPHook)(nil)
	_ caddy.CleanerUpper    = (*HTTPHook)(nil)
	_ caddyfile.Unmarshaler = (*HTTPHook)(nil)
	_ live.Guard            = (*HTTPHook)(nil)
	_ live.Observer         = (*HTTPHook)(nil)
	_ caller                = (*HTTPHook)(nil)
	_ worker                = (*HTTPHook)(nil)
	_ listener              = (*HTTPHook)(nil)
)
