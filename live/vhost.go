package live

import (
	"net/url"
	"strings"
)

// vhostParams are the query parameters by which a client names a vhost, the weightier first.
var vhostParams = []string{"vhost", "domain"}

// NamedVhost returns the name of the vhost that a client asks for, as SRS finds it: ?vhost= of the raw query of the
// stream's name or URL, else ?domain=, else the first of hosts that is not empty. The name is in lower case. Whether
// there is such a vhost is for [Hub.Resolve] to say, so that one answer holds for rules, guards and streams alike.
func NamedVhost(query string, hosts ...string) string {
	for _, param := range vhostParams {
		if name := firstParam(query, param); name != "" {
			return normalHost(name)
		}
	}
	for _, host := range hosts {
		if host != "" {
			return normalHost(host)
		}
	}
	return ""
}

// normalHost returns a host name as vhosts are looked up by. A name in the DNS's full form ends in a dot.
func normalHost(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// firstParam returns the first value of a parameter that is not empty. What cannot be unescaped is passed over, since
// what clients put into their queries besides is not ours to judge.
func firstParam(query, param string) string {
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name != param {
			continue
		}
		if s, err := url.QueryUnescape(value); err == nil && s != "" {
			return s
		}
	}
	return ""
}

// Resolve returns the key of a stream whose vhost is named as a client names it: by a declared vhost's name or alias, or
// by any other name, which is DefaultVhost. Publish, Play and Admit do so by themselves; who looks streams up by their
// key, or asks for rules, resolves it first.
func (h *Hub) Resolve(k Key) Key { return h.Policy().resolve(k) }

func (p *Policy) resolve(k Key) Key {
	name := k.Vhost
	k.Vhost = DefaultVhost
	if declared, ok := p.Vhosts[name]; ok {
		k.Vhost = declared
	} else if _, parent, ok := strings.Cut(name, "."); ok && p.Vhosts["*."+parent] != "" {
		k.Vhost = p.Vhosts["*."+parent]
	}
	return k
}

// CheckApp returns a refusal if no vhost has the app. It is for protocols in which a client names its app before it has
// said all that may name its vhost.
func (h *Hub) CheckApp(app string) error {
	p := h.Policy()
	k := Key{Vhost: DefaultVhost, App: app, Name: "any"}
	if err := k.Validate(); err != nil {
		return err
	}
	_, err := p.rules(k)
	for _, k.Vhost = range p.Vhosts {
		if err == nil {
			break
		}
		if _, other := p.rules(k); other == nil {
			return nil
		}
	}
	return err
}
