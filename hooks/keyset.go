package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

// The limits of a KeySet.
const (
	maxKeySetBytes    = 1 << 20
	keySetTimeout     = 5 * time.Second
	keySetPause       = 10 * time.Second // between fetches that clients cause, whatever keys they name
	keySetRetry       = time.Second      // after the first failure, doubled up to keySetRetryMax
	keySetRetryMax    = time.Minute
	DefaultKeySetTime = time.Hour // of KeySet.Refresh
)

// A KeySet holds the public keys that a JWKS URL gives (RFC 7517, 5). It begins to fetch them when it is first asked for
// one, in a goroutine that ends with Close; then again every Refresh, and at once when a token names a key that is not
// among them, so that an issuer can change its keys at any time. While the URL gives none, the keys before stay in use.
type KeySet struct {
	// URL is where the keys are.
	URL string
	// Client fetches them. Nil is http.DefaultClient.
	Client *http.Client
	// Refresh is the time between two fetches. 0 means DefaultKeySetTime.
	Refresh time.Duration
	// Cache, if set, keeps the keys for another KeySet of the same URL: that of the next configuration.
	Cache *KeyCache
	// Failed, if set, is told why keys could not be fetched.
	Failed func(error)

	start   sync.Once
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	wanted  chan struct{} // asks the goroutine for a fetch before its time
}

// A KeyCache holds the newest keys of a URL. The zero KeyCache holds none.
type KeyCache struct {
	mu      sync.Mutex
	keys    keyfunc.Keyfunc // nil if there were never any
	tried   time.Time       // when the last fetch ended
	err     error           // what became of it
	renewed chan struct{}   // closed when the next one ends
}

// Close ends the goroutine and waits for it. Later uses get no key.
func (s *KeySet) Close() {
	s.start.Do(func() {})
	if s.cancel != nil {
		s.cancel()
		s.running.Wait()
	}
}

// begin starts the goroutine when the set is first used.
func (s *KeySet) begin() {
	s.start.Do(func() {
		if s.Cache == nil {
			s.Cache = new(KeyCache)
		}
		s.wanted = make(chan struct{}, 1)
		s.ctx, s.cancel = context.WithCancel(context.Background())
		s.running.Go(s.run)
	})
}

// run fetches the keys until the set is closed.
func (s *KeySet) run() {
	refresh := s.Refresh
	if refresh <= 0 {
		refresh = DefaultKeySetTime
	}
	retry := keySetRetry
	for {
		wait := refresh
		err := s.fetch()
		select {
		case <-s.wanted: // by somebody whom this fetch has served
		default:
		}
		if err == nil {
			retry = keySetRetry
		} else {
			if s.Failed != nil && s.ctx.Err() == nil {
				s.Failed(err)
			}
			wait = min(retry, refresh)
			retry = min(2*retry, keySetRetryMax)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-s.wanted:
			timer.Stop()
		case <-s.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// fetch gets the keys and puts them in the cache, or notes why it has got none.
func (s *KeySet) fetch() error {
	keys, err := s.get()
	c := s.Cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.keys = keys
	}
	c.tried, c.err = time.Now(), err
	if c.renewed != nil {
		close(c.renewed)
		c.renewed = nil
	}
	return err
}

func (s *KeySet) get() (keyfunc.Keyfunc, error) {
	ctx, cancel := context.WithTimeout(s.ctx, keySetTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("asking for keys: %w", err)
	}
	client := s.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the URL, which may hold a secret
	}
	if err != nil {
		return nil, fmt.Errorf("asking for keys: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking for keys: the answer is %s", resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySetBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the keys: %w", err)
	}
	if len(text) > maxKeySetBytes {
		return nil, fmt.Errorf("the keys are more than %d bytes", maxKeySetBytes)
	}
	return parseKeySet(text)
}

var errNoKeys = errors.New("there are no keys for signatures that this server can check")

// parseKeySet reads a JWKS. It leaves out keys that are not for signatures, and secrets: who signs with a secret gives it
// to the server, not to the world.
func parseKeySet(text []byte) (keyfunc.Keyfunc, error) {
	var set jwkset.JWKSMarshal
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("reading a JWKS: %w", err)
	}
	storage := jwkset.NewMemoryStorage()
	n := 0
	for _, marshalled := range set.Keys {
		if marshalled.KTY == jwkset.KtyOct || marshalled.USE != "" && marshalled.USE != jwkset.UseSig {
			continue
		}
		key, err := jwkset.NewJWKFromMarshal(marshalled, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			continue // of a kind that is not known yet
		}
		if err := storage.KeyWrite(context.Background(), key); err != nil {
			return nil, fmt.Errorf("keeping a key: %w", err)
		}
		n++
	}
	if n == 0 {
		return nil, errNoKeys
	}
	return keyfunc.New(keyfunc.Options{Storage: storage})
}

// key returns the key for a token, or several that may be it. It waits for a fetch if there is none; ctx ends that.
func (s *KeySet) key(ctx context.Context, t *jwt.Token) (any, error) {
	s.begin()
	if s.ctx == nil {
		return nil, fmt.Errorf("%w: the configuration has ended", errKeySetDown)
	}
	for fetched := false; ; fetched = true {
		keys, renewed, err := s.Cache.look(fetched)
		if keys != nil {
			key, keyErr := keys.KeyfuncCtx(ctx)(t)
			if keyErr == nil || renewed == nil {
				return key, keyErr
			}
		} else if renewed == nil {
			return nil, fmt.Errorf("%w: %w", errKeySetDown, err)
		}
		select {
		case s.wanted <- struct{}{}:
		default:
		}
		select {
		case <-renewed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", errKeySetDown, context.Cause(ctx))
		case <-s.ctx.Done():
			return nil, fmt.Errorf("%w: %w", errKeySetDown, s.ctx.Err())
		}
	}
}

// errKeySetDown is returned while there are no keys at all.
var errKeySetDown = errors.New("the issuer's keys could not be fetched")

// look returns the keys, and a channel that is closed when there may be others; nil if that is too early to ask for.
func (c *KeyCache) look(fetched bool) (keys keyfunc.Keyfunc, renewed <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if fetched || time.Since(c.tried) < keySetPause {
		return c.keys, nil, c.err
	}
	if c.renewed == nil {
		c.renewed = make(chan struct{})
	}
	return c.keys, c.renewed, c.err
}
