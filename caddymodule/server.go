package caddymodule

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"
)

// Server is a set of listeners for RTMP, or for RTMPS if it has connection policies.
type Server struct {
	// Listen holds Caddy network addresses, such as `:1935`, `127.0.0.1:1935-1936` or `unix//run/rtmp.sock`. Default:
	// `:1935`.
	Listen []string `json:"listen,omitempty"`

	// ListenerWrappersRaw wrap the listeners, in this order. They come after TLS unless a `tls` wrapper says where TLS
	// is, as in Caddy's HTTP servers. Default: none.
	ListenerWrappersRaw []json.RawMessage `json:"listener_wrappers,omitempty" caddy:"namespace=caddy.listeners inline_key=wrapper"`

	// TLSConnectionPolicies make it RTMPS. One empty policy is enough. ALPN defaults to `rtmp`; clients that offer no
	// ALPN, as most do, are served too. The default SNI, for clients that name no server, defaults to the first of the
	// automated names that is neither a wildcard nor an address. Default: none, which is RTMP without TLS.
	TLSConnectionPolicies caddytls.ConnectionPolicies `json:"tls_connection_policies,omitempty"`

	// AutomateNames are the names to get and renew certificates for: from a public authority if they qualify for it,
	// else from Caddy's internal one. A wildcard such as `*.example.com` is one certificate; a public one needs the DNS
	// challenge. The automation policies of the tls app hold for them: its issuers, and on-demand TLS, with which the
	// certificates are got at the first handshake that asks for them. Default: none, which serves with those that other
	// parts of the configuration get.
	AutomateNames []string `json:"automate_names,omitempty"`

	addresses []caddy.NetworkAddress
	beforeTLS []caddy.ListenerWrapper
	afterTLS  []caddy.ListenerWrapper
	tls       *caddytls.TLS
}

func (s *Server) provision(ctx caddy.Context) error {
	repl := caddy.NewReplacer()
	if len(s.Listen) == 0 {
		s.Listen = []string{defaultListen}
	}
	for i, raw := range s.Listen {
		address, err := repl.ReplaceOrErr(raw, true, true)
		if err != nil {
			return fmt.Errorf("address %q: %w", raw, err)
		}
		s.Listen[i] = address
		parsed, err := caddy.ParseNetworkAddress(address)
		if err != nil {
			return fmt.Errorf("parsing the address %q: %w", address, err)
		}
		if err := checkAddress(parsed); err != nil {
			return fmt.Errorf("the address %q %w", address, err)
		}
		s.addresses = append(s.addresses, parsed)
	}
	if err := s.provisionWrappers(ctx); err != nil {
		return err
	}
	return s.provisionTLS(ctx, repl)
}

// checkAddress refuses what cannot be a stream listener.
func checkAddress(a caddy.NetworkAddress) error {
	switch {
	case strings.HasPrefix(a.Network, "udp"), strings.HasPrefix(a.Network, "ip"), a.Network == "unixgram", a.Network == "fdgram":
		return errors.New("is for datagrams, which RTMP is not made of")
	case a.IsUnixNetwork(), a.IsFdNetwork(), a.StartPort > 0 && a.PortRangeSize() > 0:
		return nil
	}
	return fmt.Errorf("has no port; write it like %q", defaultListen)
}

func (s *Server) provisionWrappers(ctx caddy.Context) error {
	if len(s.ListenerWrappersRaw) == 0 {
		return nil
	}
	mods, err := ctx.LoadModule(s, "ListenerWrappersRaw")
	if err != nil {
		return fmt.Errorf("loading listener wrappers: %w", err)
	}
	list, _ := mods.([]any)
	for i, mod := range list {
		w, ok := mod.(caddy.ListenerWrapper)
		if !ok {
			return fmt.Errorf("%T is no listener wrapper", mod)
		}
		if m, ok := mod.(caddy.Module); !ok || m.CaddyModule().ID != "caddy.listeners.tls" {
			s.afterTLS = append(s.afterTLS, w)
			continue
		}
		if i == 0 || s.beforeTLS != nil {
			return errors.New("the tls listener wrapper may stand once, and not first: that is where TLS is without it")
		}
		s.beforeTLS, s.afterTLS = s.afterTLS, nil
	}
	return nil
}

func (s *Server) provisionTLS(ctx caddy.Context, repl *caddy.Replacer) error {
	for i, raw := range s.AutomateNames {
		name, err := repl.ReplaceOrErr(raw, true, true)
		if err != nil {
			return fmt.Errorf("the name %q to get a certificate for: %w", raw, err)
		}
		s.AutomateNames[i] = name
	}
	if len(s.TLSConnectionPolicies) == 0 {
		if len(s.AutomateNames) > 0 {
			return errors.New("automate_names needs tls_connection_policies")
		}
		return nil
	}
	app, err := ctx.App("tls")
	if err != nil {
		return fmt.Errorf("getting the tls app: %w", err)
	}
	var ok bool
	if s.tls, ok = app.(*caddytls.TLS); !ok {
		return fmt.Errorf("the tls app is a %T", app)
	}
	for _, policy := range s.TLSConnectionPolicies {
		if policy == nil {
			return errors.New("a TLS connection policy is null; an empty one is {}")
		}
		if policy.ALPN == nil {
			policy.ALPN = []string{"rtmp"}
		}
		if policy.DefaultSNI == "" {
			policy.DefaultSNI = s.defaultName()
		}
	}
	if err := s.TLSConnectionPolicies.Provision(ctx); err != nil {
		return fmt.Errorf("setting up TLS connection policies: %w", err)
	}
	for _, policy := range s.TLSConnectionPolicies {
		// Streams are long, so nothing is gained by tickets; and librtmp takes one for the end of a TLS 1.3 connection.
		policy.TLSConfig.SessionTicketsDisabled = true
	}
	return s.automateInternalNames()
}

// defaultName returns the name whose certificate a client gets that asks for none, as many encoders do. The certificate of
// the address that it has connected to would come first, if there is one.
func (s *Server) defaultName() string {
	for _, name := range s.AutomateNames {
		if !strings.Contains(name, "*") && !certmagic.SubjectIsIP(name) {
			return name
		}
	}
	return ""
}

// automateInternalNames lets Caddy's internal authority issue for names that no public one would. Without a policy of
// their own they would be asked for there all the same.
func (s *Server) automateInternalNames() error {
	var internal []string
	for _, name := range s.AutomateNames {
		if !certmagic.SubjectQualifiesForPublicCert(name) && !s.hasPolicy(name) {
			internal = append(internal, name)
		}
	}
	if len(internal) == 0 {
		return nil
	}
	err := s.tls.AddAutomationPolicy(&caddytls.AutomationPolicy{
		SubjectsRaw: internal,
		IssuersRaw:  []json.RawMessage{caddyconfig.JSONModuleObject(caddytls.InternalIssuer{}, "module", "internal", nil)},
	})
	if err != nil {
		return fmt.Errorf("automating certificates for %v: %w", internal, err)
	}
	return nil
}

func (s *Server) hasPolicy(name string) bool {
	if s.tls.Automation == nil {
		return false
	}
	repl := caddy.NewReplacer()
	for _, p := range s.tls.Automation.Policies {
		for _, subject := range p.SubjectsRaw {
			if certmagic.MatchWildcard(name, repl.ReplaceAll(subject, "")) {
				return true
			}
		}
	}
	return false
}

// manageCertificates gets and renews the certificates. It does not wait for them. Every generation must do it before the
// one before is cleaned up, or Caddy drops them.
func (s *Server) manageCertificates() error {
	if s.tls == nil || len(s.AutomateNames) == 0 {
		return nil
	}
	names := make(map[string]struct{})
	for _, name := range s.AutomateNames {
		names[name] = struct{}{}
	}
	if err := s.tls.Manage(names); err != nil {
		return fmt.Errorf("managing certificates: %w", err)
	}
	return nil
}

// listen opens all addresses, or none.
func (s *Server) listen(ctx caddy.Context) ([]net.Listener, error) {
	var all []net.Listener
	for _, address := range s.addresses {
		opened, err := address.ListenAll(ctx, net.ListenConfig{})
		if err != nil {
			closeAll(all)
			return nil, fmt.Errorf("listening on %s: %w", address, err)
		}
		for _, o := range opened {
			ln, ok := o.(net.Listener)
			if !ok { // of a network that a plugin brings
				closeAll(all)
				return nil, fmt.Errorf("%s is for datagrams, which RTMP is not made of", address)
			}
			all = append(all, s.wrap(ctx, ln))
		}
	}
	return all, nil
}

// closeAll closes listeners to which nobody has connected yet.
func closeAll(listeners []net.Listener) {
	for _, ln := range listeners {
		_ = ln.Close()
	}
}

// each returns the addresses one by one, where ranges of ports were given.
func (s *Server) each() []string {
	var all []string
	for _, address := range s.addresses {
		for _, one := range address.Expand() {
			all = append(all, one.String())
		}
	}
	return all
}

func (s *Server) wrap(ctx caddy.Context, ln net.Listener) net.Listener {
	for _, w := range s.beforeTLS {
		ln = w.WrapListener(ln)
	}
	if len(s.TLSConnectionPolicies) > 0 {
		ln = tls.NewListener(ln, s.TLSConnectionPolicies.TLSConfig(ctx))
	}
	for _, w := range s.afterTLS {
		ln = w.WrapListener(ln)
	}
	return ln
}
