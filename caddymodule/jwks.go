package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
)

// JWKS is a URL that gives an issuer's public keys. They are fetched when the first token comes, then from time to time,
// and when a token names a key that is new. While the URL gives none, the keys before stay in use, over a reload too.
type JWKS struct {
	// URL is where the keys are: `https://`, or `http://` on this machine. It must be given.
	URL string `json:"url,omitempty"`

	// Refresh is the time between two fetches. Default: 1h.
	Refresh caddy.Duration `json:"refresh,omitempty"`

	// TLS says how to verify the issuer's server. Default: against the authorities that the system trusts.
	TLS *reverseproxy.TLSConfig `json:"tls,omitempty"`

	set       *hooks.KeySet
	transport *http.Transport
	cacheKey  string // empty if it was not taken from the pool
}

// keyCaches hold the keys of URLs from one configuration to the next.
var keyCaches = caddy.NewUsagePool()

// keyCache is what the pool holds.
type keyCache struct{ hooks.KeyCache }

// Destruct implements caddy.Destructor.
func (*keyCache) Destruct() error { return nil }

func (j *JWKS) provision(ctx caddy.Context) error {
	u, err := url.Parse(caddy.NewReplacer().ReplaceAll(j.URL, ""))
	if err != nil {
		return fmt.Errorf("the URL: %w", err)
	}
	if err := checkSecureURL(u); err != nil {
		return err
	}
	config, err := clientTLS(ctx, j.TLS)
	if err != nil {
		return err
	}
	// Keys that were fetched in another way are no good.
	cacheKey, err := json.Marshal([]any{u.String(), j.TLS})
	if err != nil {
		return fmt.Errorf("naming the keys: %w", err)
	}
	v, _, err := keyCaches.LoadOrNew(string(cacheKey), func() (caddy.Destructor, error) { return new(keyCache), nil })
	if err != nil {
		return err
	}
	j.cacheKey = string(cacheKey)
	j.transport = hooks.NewTransport(config, u)
	logger := ctx.Logger().With(zap.String("jwks", u.Redacted()))
	j.set = &hooks.KeySet{
		URL:     u.String(),
		Client:  &http.Client{Transport: j.transport, CheckRedirect: staySecure},
		Refresh: time.Duration(j.Refresh),
		Cache:   &v.(*keyCache).KeyCache, //nolint:errcheck // nothing else is in the pool
		Failed: func(err error) {
			logger.Warn("the keys could not be fetched; those that are known stay in use, and it is tried again", zap.Error(err))
		},
	}
	return nil
}

var errInsecureURL = errors.New("the URL must begin with https://, or with http:// and a name of this machine")

// checkSecureURL refuses a URL whose answer somebody on the way could forge.
func checkSecureURL(u *url.URL) error {
	if u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && isLoopbackName(u.Host)) {
		return nil
	}
	return errInsecureURL
}

// maxRedirects bounds how often the other side may send elsewhere.
const maxRedirects = 3

// staySecure follows a few redirects, to https only.
func staySecure(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("there are more than %d redirects", maxRedirects)
	}
	return checkSecureURL(r.URL)
}

func (j *JWKS) cleanup() error {
	if j.set != nil {
		j.set.Close()
		j.transport.CloseIdleConnections()
	}
	if j.cacheKey == "" {
		return nil
	}
	_, err := keyCaches.Delete(j.cacheKey)
	j.cacheKey = ""
	return err
}

// parse parses what follows jwks.
func (j *JWKS) parse(d *caddyfile.Dispenser) error {
	if !d.AllArgs(&j.URL) {
		return d.ArgErr()
	}
	return parseBlock(d, "jwks", map[string]option{
		"refresh": durationOption(&j.Refresh),
		"tls":     clientTLSOption(&j.TLS),
	})
}
