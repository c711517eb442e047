package hooks

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
)

// DefaultHeartbeatInterval is SRS's.
const DefaultHeartbeatInterval = 10 * time.Second

// A Heartbeat tells a back end at intervals that this server is there, as SRS does. By another service than before it
// learns that sessions of which it was not told any end have died with the process.
type Heartbeat struct {
	// Identity is how this server calls itself.
	Identity Identity
	// URL is where the heartbeat goes, by POST. It must be http or https.
	URL string
	// Interval is the time between two, and bounds the time that one may take, up to MaxTimeout. Default:
	// DefaultHeartbeatInterval.
	Interval time.Duration
	// DeviceID is what the operator calls this server.
	DeviceID string
	// Summaries returns what the server's summaries are now, for encoding/json. Nil tells none.
	Summaries func() any
	// Token is sent as "Authorization: Bearer". Empty is not.
	Token string
	// Transport makes the requests. Signer signs them; nil does not. UserAgent is the header of that name.
	Transport http.RoundTripper
	Signer    *outbox.Signer
	UserAgent string
	// Logger is told of what has failed.
	Logger *slog.Logger
}

// heartbeatBody is what SRS sends.
type heartbeatBody struct {
	DeviceID  string         `json:"device_id"`
	IP        string         `json:"ip"`
	Server    string         `json:"server"`
	Service   string         `json:"service"`
	PID       string         `json:"pid"`
	Summaries *summariesBody `json:"summaries,omitempty"`
}

type summariesBody struct {
	Data any `json:"data"`
}

// Run sends a heartbeat at once and then at intervals until ctx is done. One that fails is not repeated.
func (h *Heartbeat) Run(ctx context.Context) {
	interval := h.Interval
	if interval <= 0 {
		interval = DefaultHeartbeatInterval
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	failing := false
	for {
		err := h.beat(ctx, min(interval, MaxTimeout))
		if err != nil && !failing && ctx.Err() == nil {
			h.Logger.Warn("the heartbeat does not arrive", "error", err.Error())
		}
		if err == nil && failing {
			h.Logger.Info("the heartbeat arrives again")
		}
		failing = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (h *Heartbeat) beat(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	body := heartbeatBody{
		DeviceID: h.DeviceID,
		IP:       ownAddress(),
		Server:   h.Identity.ID,
		Service:  h.Identity.Service,
		PID:      strconv.Itoa(os.Getpid()),
	}
	if h.Summaries != nil {
		body.Summaries = &summariesBody{h.Summaries()}
	}
	text := encode(body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", h.UserAgent)
	if h.Token != "" {
		req.Header.Set("Authorization", "Bearer "+h.Token)
	}
	if err := h.Signer.Sign(req.Header, outbox.NewID(), time.Now(), text); err != nil {
		return err
	}
	resp, err := h.Transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("sending it: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswerBytes) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the answer has the status %d", resp.StatusCode)
	}
	return nil
}

// ownAddress returns an address of this machine by which others may know it: IPv4 rather than IPv6, of the loopback only
// if there is no other.
func ownAddress() string {
	best := netip.IPv6Unspecified()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		ip := prefix.Addr().Unmap()
		better := best.IsUnspecified() || best.IsLoopback() && !ip.IsLoopback() || best.Is6() && ip.Is4() && ip.IsGlobalUnicast()
		if (ip.IsGlobalUnicast() || ip.IsLoopback()) && better {
			best = ip
		}
	}
	return best.String()
}
