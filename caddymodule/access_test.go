package caddymodule_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/caddymodule"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// inBed puts options of app live into the Caddyfile of a bed.
func inBed(options string) string {
	return "{\n$OPTIONS\nrtmp {\nserver 127.0.0.1:$RTMP\napp live {\n" + options + "\n}\n}\n}\n"
}

// request returns what a client at an address visits for.
func request(action live.Action, address, query string) *live.Request {
	r := &live.Request{
		Action:    action,
		Protocol:  live.ProtocolRTMP,
		Key:       live.Key{App: "live", Name: "cam1"},
		Query:     query,
		Host:      "ingest.example.com",
		UserAgent: "OBS",
	}
	if address != "" {
		r.Remote = netip.AddrPortFrom(netip.MustParseAddr(address), 50000)
	}
	return r
}

// admit visits the configuration in force.
func admit(t *testing.T, r *live.Request) error {
	t.Helper()
	_, err := caddymodule.CurrentHub().Policy().Guard.Admit(t.Context(), r)
	return err
}

// A visit is one request and what is to come of it.
type visit struct {
	address string
	query   string
	want    error
}

func TestPublishRules(t *testing.T) {
	const public, public6, local, private = "198.51.100.7", "2001:db8::7", "127.0.0.1", "10.1.2.3"
	tests := map[string]struct {
		options string
		visits  []visit
	}{
		"none": {"", []visit{
			{local, "", nil},
			{"127.8.9.10", "", nil},
			{"::1", "", nil},
			{private, "", nil},
			{"172.31.0.1", "", nil},
			{"192.168.1.1", "", nil},
			{"169.254.1.1", "", nil},
			{"fd12::1", "", nil},
			{"fe80::1%eth0", "", nil},
			{"::ffff:10.1.2.3", "", nil},
			{"", "", live.ErrDenied}, // not known
			{public, "", live.ErrDenied},
			{"172.32.0.1", "", live.ErrDenied},
			{"100.64.0.1", "", live.ErrDenied},
			{public6, "", live.ErrDenied},
			{"::ffff:198.51.100.7", "", live.ErrDenied},
			{"0.0.0.0", "", live.ErrDenied},
		}},
		"empty block": {"publish", []visit{{private, "", nil}, {public, "", live.ErrDenied}}},
		"allow all": {"publish {\nallow all\n}", []visit{
			{local, "", nil}, {public, "", nil}, {public6, "", nil}, {"::ffff:198.51.100.7", "", nil}, {"", "", nil},
		}},
		"allow a range": {"publish {\nallow 198.51.100.0/24 2001:db8::/32\n}", []visit{
			{public, "", nil},
			{"::ffff:198.51.100.7", "", nil},
			{public6, "", nil},
			{"198.51.101.7", "", live.ErrDenied},
			{local, "", live.ErrDenied}, // what is allowed is said
		}},
		"deny only": {"publish {\ndeny 10.0.0.0/8\n}", []visit{
			{local, "", nil}, {private, "", live.ErrDenied}, {"::ffff:10.1.2.3", "", live.ErrDenied}, {public, "", live.ErrDenied}, {"", "", live.ErrDenied},
		}},
		"deny goes before allow": {"publish {\nallow all\ndeny 198.51.100.7\n}", []visit{
			{public, "", live.ErrDenied}, {"198.51.100.8", "", nil},
		}},
		"deny all": {"publish {\nallow all\ndeny all\n}", []visit{
			{local, "", live.ErrDenied}, {public6, "", live.ErrDenied}, {"", "", live.ErrDenied},
		}},
		"match remote_ip": {"publish {\nmatch remote_ip 198.51.100.0/24\n}", []visit{
			{public, "", nil}, {"::ffff:198.51.100.7", "", nil}, {local, "", live.ErrDenied}, {public6, "", live.ErrDenied},
		}},
		"match client_ip": {"publish {\nmatch client_ip private_ranges\n}", []visit{
			{private, "", nil}, {"", "", live.ErrDenied}, {public, "", live.ErrDenied},
		}},
		"match query": {"publish {\nmatch query key=open\n}", []visit{
			{public, "key=open", nil}, {public, "key=shut", live.ErrDenied}, {private, "", live.ErrDenied},
		}},
		"match one of several": {"publish {\nmatch query key=open\nmatch remote_ip 10.0.0.0/8\n}", []visit{
			{public, "key=open", nil}, {private, "", nil}, {public, "", live.ErrDenied},
		}},
		"match all of a block": {"publish {\nmatch {\nquery key=open\nremote_ip 10.0.0.0/8\n}\n}", []visit{
			{private, "key=open", nil}, {private, "", live.ErrDenied}, {public, "key=open", live.ErrDenied},
		}},
		"match not":          {"publish {\nmatch not remote_ip 10.0.0.0/8\n}", []visit{{public, "", nil}, {private, "", live.ErrDenied}, {"", "", live.ErrDenied}}},
		"match the path":     {"publish {\nmatch path /live/cam*\n}", []visit{{public, "", nil}}},
		"match another path": {"publish {\nmatch path /live/radio*\n}", []visit{{local, "", live.ErrDenied}}},
		"match the method":   {"publish {\nmatch method PUBLISH\n}", []visit{{public, "", nil}}},
		"match the host":     {"publish {\nmatch host ingest.example.com\n}", []visit{{public, "", nil}}},
		"match the header":   {"publish {\nmatch header User-Agent OBS\n}", []visit{{public, "", nil}}},
		"match placeholders": {
			"publish {\nmatch expression `{rtmp.app} == \"live\" && {rtmp.stream} == \"cam1\" && {rtmp.action} == \"publish\" && " +
				"{rtmp.protocol} == \"rtmp\" && {rtmp.vhost} == \"__defaultVhost__\" && {rtmp.remote_ip} == \"198.51.100.7\"`\n}",
			[]visit{{public, "", nil}, {"::ffff:198.51.100.7", "", nil}, {local, "", live.ErrDenied}},
		},
		"allow or match": {"publish {\nallow 10.0.0.0/8\nmatch query key=open\n}", []visit{
			{private, "", nil}, {public, "key=open", nil}, {public, "", live.ErrDenied},
		}},
		"authenticate alone admits from everywhere": {"publish {\nauthenticate token {\nsecret s3cret\n}\n}", []visit{
			{public, "token=s3cret", nil},
			{local, "", live.ErrUnauthorized},
			{public, "token=wrong", live.ErrUnauthorized},
			{public, "token=", live.ErrUnauthorized},
			{public, "key=s3cret", live.ErrUnauthorized},
		}},
		"authenticate after allow": {"publish {\nallow 10.0.0.0/8\nauthenticate token {\nsecret s3cret\n}\n}", []visit{
			{private, "token=s3cret", nil}, {private, "", live.ErrUnauthorized}, {public, "token=s3cret", live.ErrDenied},
		}},
		"authenticate does not lift deny": {"publish {\ndeny 198.51.100.0/24\nauthenticate token {\nsecret s3cret\n}\n}", []visit{
			{public, "token=s3cret", live.ErrDenied}, {public6, "token=s3cret", nil},
		}},
		"one of two authenticators": {
			"publish {\nauthenticate token {\nsecret a\n}\nauthenticate token {\nparam key\nsecret b\n}\n}",
			[]visit{{public, "token=a", nil}, {public, "key=b", nil}, {public, "token=b&key=a", live.ErrUnauthorized}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.load(inBed(test.options))
			for _, a := range test.visits {
				if err := admit(t, request(live.ActionPublish, a.address, a.query)); !errors.Is(err, a.want) {
					t.Errorf("from %q with %q: %v, want %v", a.address, a.query, err, a.want)
				}
			}
		})
	}
}

func TestPlayRules(t *testing.T) {
	tests := map[string]struct {
		options string
		visits  []visit
	}{
		"none":      {"", []visit{{"198.51.100.7", "", nil}, {"2001:db8::7", "", nil}, {"", "", nil}}},
		"deny only": {"play {\ndeny 198.51.100.0/24\n}", []visit{{"198.51.100.7", "", live.ErrDenied}, {"198.51.101.7", "", nil}}},
		"allow":     {"play {\nallow private_ranges\n}", []visit{{"192.168.1.1", "", nil}, {"198.51.100.7", "", live.ErrDenied}}},
		"match":     {"play {\nmatch method PLAY\n}", []visit{{"198.51.100.7", "", nil}}},
		"token": {"play {\nauthenticate token {\nsecret x\n}\n}", []visit{
			{"198.51.100.7", "token=x", nil}, {"127.0.0.1", "", live.ErrUnauthorized},
		}},
		"publish rule": {"publish {\ndeny all\n}", []visit{{"198.51.100.7", "", nil}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.load(inBed(test.options))
			for _, a := range test.visits {
				if err := admit(t, request(live.ActionPlay, a.address, a.query)); !errors.Is(err, a.want) {
					t.Errorf("from %q with %q: %v, want %v", a.address, a.query, err, a.want)
				}
			}
		})
	}
}

// TestApplications: an app has the block of its name, or that of *; without either there is none.
func TestApplications(t *testing.T) {
	b := newBed(t)
	apps := "{\n$OPTIONS\nrtmp {\nserver 127.0.0.1:$RTMP\napp live {\nlatency low\n}\n%\n}\n}\n"
	b.load(strings.Replace(apps, "%", "", 1))
	r := request(live.ActionPublish, "127.0.0.1", "")
	for app, want := range map[string]error{"live": nil, "other": live.ErrApp, "*": live.ErrApp} {
		r.Key.App = app
		if err := admit(t, r); !errors.Is(err, want) {
			t.Errorf("app %s: %v, want %v", app, err, want)
		}
	}
	b.load(strings.Replace(apps, "%", "app * {\nlatency dense\n}", 1))
	for app, want := range map[string]string{"live": "20ms", "other": "350ms", "*": "350ms"} {
		r.Key.App = app
		if err := admit(t, r); err != nil {
			t.Errorf("app %s: %v", app, err)
		}
		if rules, err := caddymodule.CurrentHub().Rules(r.Key); err != nil || rules.Latency.String() != want {
			t.Errorf("app %s: latency %s, %v, want %s", app, rules.Latency, err, want)
		}
	}
	b.load("{\n$OPTIONS\nrtmp {\nserver 127.0.0.1:$RTMP\n}\n}\n")
	r.Key.App = "any"
	if err := admit(t, r); err != nil {
		t.Errorf("without apps in the configuration: %v", err)
	}
}

// TestPublicPublisherIsWarnedOf: the log says once why a publisher with a public address was refused.
func TestPublicPublisherIsWarnedOf(t *testing.T) {
	b := newBed(t)
	b.load(inBed(""))
	for range 3 {
		err := admit(t, request(live.ActionPublish, "198.51.100.7", ""))
		if !strings.Contains(live.Description(err), "without a publish rule") {
			t.Errorf("the publisher is told %q", live.Description(err))
		}
	}
	lines := b.logged("refused a publisher from a public address")
	if len(lines) != 1 || lines[0]["level"] != "warn" || lines[0]["app"] != "live" || lines[0]["address"] != "198.51.100.7" {
		t.Errorf("the log says %v, want one warning", lines)
	}
}

func TestToken(t *testing.T) {
	t.Setenv("NEW_KEY", "new")
	t.Setenv("OLD_KEY", "old")
	t.Setenv("EMPTY_KEY", "")
	tests := map[string]struct {
		options string
		warn    int
		visits  map[string]error
	}{
		"rotation": {"secret {env.NEW_KEY} {env.OLD_KEY}", 0, map[string]error{
			"token=new": nil, "token=old": nil, "token=older": live.ErrUnauthorized, "token=%7Benv.NEW_KEY%7D": live.ErrUnauthorized,
		}},
		"param": {"param key\nsecret {env.NEW_KEY}", 0, map[string]error{
			"key=new": nil, "a=b&key=new": nil, "token=new": live.ErrUnauthorized,
		}},
		"empty": {"secret {env.EMPTY_KEY} {env.NOT_SET_AT_ALL}", 2, map[string]error{
			"": live.ErrUnauthorized, "token=": live.ErrUnauthorized, "token": live.ErrUnauthorized, "token=x": live.ErrUnauthorized,
		}},
		"empty beside a good one": {"secret {env.EMPTY_KEY}\nsecret {env.NEW_KEY}", 1, map[string]error{
			"token=new": nil, "token=": live.ErrUnauthorized,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.load(inBed("publish {\nauthenticate token {\n" + test.options + "\n}\n}"))
			for query, want := range test.visits {
				if err := admit(t, request(live.ActionPublish, "198.51.100.7", query)); !errors.Is(err, want) {
					t.Errorf("%q: %v, want %v", query, err, want)
				}
			}
			if n := len(b.logged("secret is empty and admits nobody")); n != test.warn {
				t.Errorf("%d warnings, want %d", n, test.warn)
			}
		})
	}
}
