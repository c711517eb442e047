package hooks_test

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

const signingSecret = "a secret that signs URLs"

var (
	viewer4 = netip.MustParseAddr("203.0.113.7")
	viewer6 = netip.MustParseAddr("2001:db8::7")
)

// signed returns the query of a URL that is signed for playing cam1.
func signed(secret string, end time.Time, client netip.Addr) string {
	return fmt.Sprintf("exp=%d&sig=%s", end.Unix(), hooks.Signature(secret, live.ActionPlay, cam1, end, client))
}

func TestSignedURL(t *testing.T) {
	end := time.Now().Add(time.Hour)
	anybody, here := signed(signingSecret, end, netip.Addr{}), signed(signingSecret, end, viewer4)
	bound := hooks.SignedURL{Secrets: []string{signingSecret}, ForClient: true}
	tests := map[string]struct {
		guard  hooks.SignedURL
		query  string
		change func(r *live.Request)
		want   error
	}{
		"right":                 {query: anybody},
		"among others":          {query: "a=b&" + anybody + "&hls_ctx=c"},
		"for this client":       {query: here},
		"IPv4 within IPv6":      {query: here, change: from("::ffff:203.0.113.7")},
		"IPv6":                  {query: signed(signingSecret, end, viewer6), change: from("2001:db8:0::7%eth0")},
		"for another client":    {query: here, change: from("203.0.113.8"), want: live.ErrUnauthorized},
		"for a client unknown":  {query: here, change: func(r *live.Request) { r.Remote = netip.AddrPort{} }, want: live.ErrUnauthorized},
		"bound, as it must be":  {guard: bound, query: here},
		"not bound, but must":   {guard: bound, query: anybody, want: live.ErrUnauthorized},
		"not bound, no address": {guard: bound, query: anybody, change: func(r *live.Request) { r.Remote = netip.AddrPort{} }, want: live.ErrUnauthorized},
		"second secret":         {guard: hooks.SignedURL{Secrets: []string{"old", signingSecret}}, query: anybody},
		"own names":             {guard: hooks.SignedURL{Secrets: []string{signingSecret}, ExpiryParam: "until", SignatureParam: "key"}, query: strings.NewReplacer("exp", "until", "sig", "key").Replace(anybody)},
		"upper case":            {query: anybody[:strings.Index(anybody, "sig=")+4] + strings.ToUpper(anybody[strings.Index(anybody, "sig=")+4:])},
		"of another secret":     {query: signed("another", end, netip.Addr{}), want: live.ErrUnauthorized},
		"empty secret":          {guard: hooks.SignedURL{Secrets: []string{""}}, query: signed("", end, netip.Addr{}), want: live.ErrUnauthorized},
		"no secret":             {guard: hooks.SignedURL{Secrets: []string{}}, query: signed("", end, netip.Addr{}), want: live.ErrUnauthorized},
		"to publish":            {query: anybody, change: func(r *live.Request) { r.Action = live.ActionPublish }, want: live.ErrUnauthorized},
		"other stream":          {query: anybody, change: func(r *live.Request) { r.Key.Name = "cam2" }, want: live.ErrUnauthorized},
		"other app":             {query: anybody, change: func(r *live.Request) { r.Key.App = "vod" }, want: live.ErrUnauthorized},
		"other vhost":           {query: anybody, change: func(r *live.Request) { r.Key.Vhost = "tv.example.com" }, want: live.ErrUnauthorized},
		"default vhost":         {query: anybody, change: func(r *live.Request) { r.Key.Vhost = live.DefaultVhost }},
		"expired":               {query: signed(signingSecret, time.Now().Add(-time.Second), netip.Addr{}), want: live.ErrUnauthorized},
		"prolonged":             {query: strings.Replace(anybody, "exp=1", "exp=2", 1), want: live.ErrUnauthorized},
		"leading zero":          {query: strings.Replace(anybody, "exp=", "exp=0", 1), want: live.ErrUnauthorized},
		"leading plus":          {query: strings.Replace(anybody, "exp=", "exp=%2b", 1), want: live.ErrUnauthorized},
		"no number":             {query: "exp=never&sig=00", want: live.ErrUnauthorized},
		"huge number":           {query: "exp=99999999999999999999&sig=00", want: live.ErrUnauthorized},
		"no digits":             {query: "exp=1&sig=xyz", want: live.ErrUnauthorized},
		"cut":                   {query: anybody[:len(anybody)-2], want: live.ErrUnauthorized},
		"no signature":          {query: "exp=1", want: live.ErrUnauthorized},
		"no expiry":             {query: "sig=00", want: live.ErrUnauthorized},
		"nothing":               {want: live.ErrUnauthorized},
		"unreadable":            {query: "exp=%zz", want: live.ErrUnauthorized},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.guard.Secrets == nil {
				test.guard = hooks.SignedURL{Secrets: []string{signingSecret}}
			}
			r := &live.Request{Action: live.ActionPlay, Key: cam1, Query: test.query, Remote: netip.AddrPortFrom(viewer4, 1)}
			if test.change != nil {
				test.change(r)
			}
			grant, err := test.guard.Admit(t.Context(), r)
			check(t, err, test.want)
			if err == nil && grant.Expires.Unix() != end.Unix() {
				t.Errorf("the session ends at %s, the URL at %s", grant.Expires, end)
			}
		})
	}
}

func from(address string) func(r *live.Request) {
	return func(r *live.Request) { r.Remote = netip.AddrPortFrom(netip.MustParseAddr(address), 1) }
}

// TestSignedURLEnds: a URL is valid until, and not at, the second that it names; and where sessions may outlive it they
// have no end.
func TestSignedURLEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := hooks.SignedURL{Secrets: []string{signingSecret}, Outlive: true}
		end := time.Now().Add(time.Minute)
		r := &live.Request{Action: live.ActionPlay, Key: cam1, Query: signed(signingSecret, end, netip.Addr{})}
		time.Sleep(time.Minute - time.Nanosecond)
		grant, err := guard.Admit(t.Context(), r)
		check(t, err, nil)
		if !grant.Expires.IsZero() {
			t.Errorf("the session ends at %s", grant.Expires)
		}
		time.Sleep(time.Nanosecond)
		_, err = guard.Admit(t.Context(), r)
		check(t, err, live.ErrUnauthorized)
	})
}

// The values that README.md's snippets give too.
func ExampleSignature() {
	end := time.Unix(1767225600, 0)
	fmt.Println(hooks.Signature("s3cr3t", live.ActionPlay, live.Key{App: "live", Name: "cam1"}, end, netip.Addr{}))
	fmt.Println(hooks.Signature("s3cr3t", live.ActionPublish, live.Key{App: "live", Name: "Käse 1"}, end, netip.MustParseAddr("2001:DB8::7")))
	// Output:
	// 78e7772df2c81f117ae83d6694b6b1da76f96a1451becb11a395d3d14f95d623
	// db9ee11345e6b658f3c4ac4b24f23d739cd39c27defcd99c91270d6243cfa67a
}

// FuzzSignedURL: whatever stands in the query, nothing but what was signed is admitted.
func FuzzSignedURL(f *testing.F) {
	end := time.Unix(1<<40, 0)
	f.Add(signed(signingSecret, end, netip.Addr{}))
	f.Add(signed(signingSecret, end, viewer4))
	f.Add("exp=1&sig=")
	f.Add("exp=%zz&sig=00;exp=2")
	guard := hooks.SignedURL{Secrets: []string{signingSecret, ""}}
	f.Fuzz(func(t *testing.T, query string) {
		r := &live.Request{Action: live.ActionPlay, Key: cam1, Query: query, Remote: netip.AddrPortFrom(viewer4, 1)}
		grant, err := guard.Admit(t.Context(), r)
		if err != nil {
			check(t, err, live.ErrUnauthorized)
			return
		}
		values, _ := url.ParseQuery(query)
		for _, client := range []netip.Addr{{}, viewer4} {
			if strings.EqualFold(values.Get("sig"), hooks.Signature(signingSecret, live.ActionPlay, cam1, grant.Expires, client)) {
				return
			}
		}
		t.Errorf("%q is admitted", query)
	})
}
