package caddymodule

import (
	"crypto/tls"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
)

// clientTLS makes the configuration with which a module calls others by HTTPS: nil, which verifies against the system's
// authorities, unless t says otherwise. The JSON is that of reverse_proxy's HTTP transport.
func clientTLS(ctx caddy.Context, t *reverseproxy.TLSConfig) (*tls.Config, error) {
	if t == nil {
		return nil, nil //nolint:nilnil // http.Transport's default
	}
	config, err := t.MakeTLSClientConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	warnInsecure(ctx, t)
	return config, nil
}

// warnInsecure warns of a configuration that verifies nothing.
func warnInsecure(ctx caddy.Context, t *reverseproxy.TLSConfig) {
	if t != nil && t.InsecureSkipVerify {
		ctx.Logger().Warn("insecure_skip_verify: whoever stands between may read and answer the calls; " +
			"give the authority of the other side with trust_pool instead")
	}
}

// clientTLSOption parses how to call others by HTTPS.
//
//	tls {
//		trust_pool <module> <args...>
//		client_auth <automate_name> | <cert_file> <key_file>
//		server_name <name>
//		insecure_skip_verify
//	}
func clientTLSOption(to **reverseproxy.TLSConfig) option {
	return func(d *caddyfile.Dispenser) error {
		if *to != nil {
			return d.Err("tls stands twice")
		}
		if d.NextArg() {
			return d.ArgErr()
		}
		t := new(reverseproxy.TLSConfig)
		*to = t
		return parseBlock(d, "tls", map[string]option{
			"trust_pool":           trustPoolOption(t),
			"client_auth":          clientAuthOption(t),
			"server_name":          textOption(&t.ServerName, func(string) error { return nil }),
			"insecure_skip_verify": flagOption(&t.InsecureSkipVerify),
		})
	}
}

func trustPoolOption(t *reverseproxy.TLSConfig) option {
	return func(d *caddyfile.Dispenser) error {
		if t.CARaw != nil {
			return d.Err("trust_pool stands twice")
		}
		if !d.NextArg() {
			return d.ArgErr()
		}
		name := d.Val()
		unm, err := caddyfile.UnmarshalModule(d, "tls.ca_pool.source."+name)
		if err != nil {
			return err
		}
		pool, ok := unm.(caddytls.CA)
		if !ok {
			return d.Errf("%s is no pool of certificate authorities", name)
		}
		t.CARaw = caddyconfig.JSONModuleObject(pool, "provider", name, nil)
		return nil
	}
}

func clientAuthOption(t *reverseproxy.TLSConfig) option {
	return func(d *caddyfile.Dispenser) error {
		switch args := d.RemainingArgs(); len(args) {
		case 1:
			t.ClientCertificateAutomate = args[0]
		case 2:
			t.ClientCertificateFile, t.ClientCertificateKeyFile = args[0], args[1]
		default:
			return d.ArgErr()
		}
		return nil
	}
}

// flagOption parses an option that only stands there or does not.
func flagOption(to *bool) option {
	return func(d *caddyfile.Dispenser) error {
		if d.NextArg() {
			return d.ArgErr()
		}
		*to = true
		return nil
	}
}
