package e2e

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// A console is a page that reads and kicks as srs-console does.
type console struct{ *tab }

// A consolePage is what the page shows: the texts of the rows of its tables, by field.
type consolePage struct {
	Version string              `json:"version"`
	Server  []map[string]string `json:"server"`
	System  []map[string]string `json:"system"`
	Vhosts  []map[string]string `json:"vhosts"`
	Streams []map[string]string `json:"streams"`
	Clients []map[string]string `json:"clients"`
	Raw     []map[string]string `json:"raw"`
	Errors  []string            `json:"errors"`
}

// openConsole opens the console on a server's API.
func (s *server) openConsole(by, token string) *console {
	s.t.Helper()
	return &console{openPage(s.t, "console.html", url.Values{"api": {s.url("https", "")}, "by": {by}, "token": {token}})}
}

// refresh lets the page ask anew, until what it shows is right and it misses nothing.
func (c *console) refresh(right func(consolePage) error) (page consolePage) {
	c.t.Helper()
	eventually(c.t, "the console shows what there is", func() error {
		page = consolePage{}
		if err := c.ask("refresh()", &page); err != nil {
			return err
		}
		if len(page.Errors) > 0 {
			return errors.New(strings.Join(page.Errors, "\n"))
		}
		return right(page)
	})
	return page
}

// kick ends a client by the page, and returns the answer's code.
func (c *console) kick(id string) (code int) {
	c.t.Helper()
	if err := c.ask(fmt.Sprintf("kick(%q)", id), &code); err != nil {
		c.t.Fatal(err)
	}
	return code
}

// has looks for rows that have the values of fields, and returns their ids.
func has(rows []map[string]string, want map[string]string) (ids []string) {
next:
	for _, row := range rows {
		for field, value := range want {
			if row[field] != value {
				continue next
			}
		}
		ids = append(ids, row["id"])
	}
	return ids
}

// only returns the id of the only row that is like want, and fails if there is none or several.
func only(t testing.TB, rows []map[string]string, want map[string]string) string {
	t.Helper()
	ids := has(rows, want)
	if len(ids) != 1 {
		t.Fatalf("%d rows have %v:\n%v", len(ids), want, rows)
	}
	return ids[0]
}

// TestConsole opens a page on another origin that asks as srs-console does: by JSONP with a token. It must find every field that
// the console reads, show what there is, and kick. The same by fetch, with a preflight and a bearer token.
func TestConsole(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"jsonp", "fetch"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			s := serveBrowser(t, basic)
			encoder := s.publish(s.url("rtmp", "/live/test"))
			flv := s.watch(http2, s.url("https", "/live/test.flv"))
			hls := s.tune(http1, s.url("https", "/live/test.m3u8"))
			goesOn(t, flv, hls)
			c := s.openConsole(by, apiToken)
			page := c.refresh(func(p consolePage) error {
				if len(p.Clients) != 3 {
					return fmt.Errorf("%d clients", len(p.Clients))
				}
				return nil
			})
			page.check(t)
			c.kickAll(page, flv, hls, encoder)
		})
	}
}

// check checks what the page shows of the film, its publisher, and two viewers.
func (p *consolePage) check(t testing.TB) {
	t.Helper()
	vhost := only(t, p.Vhosts, map[string]string{"name": "__defaultVhost__", "enabled": "true", "clients": "3", "streams": "1", "hls.enabled": "true"})
	publisher := only(t, p.Clients, map[string]string{"type": "fmle-publish", "publish": "true", "vhost": vhost, "name": "test"})
	stream := only(t, p.Streams, map[string]string{
		"name": "test", "app": "live", "vhost": vhost, "clients": "3", "publish.active": "true", "publish.cid": publisher,
		"video.codec": "H264", "video.width": fmt.Sprint(width), "video.height": fmt.Sprint(height),
		"audio.codec": "AAC", "audio.sample_rate": fmt.Sprint(sampleRate), "audio.channel": "2",
	})
	for _, kind := range []string{"flv-play", "hls-play"} {
		only(t, p.Clients, map[string]string{"type": kind, "publish": "false", "vhost": vhost, "stream": stream, "url": "/live/test"})
	}
	if p.Version == "" || p.Server[0]["version"] != p.Version || p.Server[0]["mem_kbyte"] == "0" || p.System[0]["cpus"] == "0" || p.Raw[0]["raw_api.enabled"] != "false" {
		t.Errorf("the console shows version %q, %v, %v, %v", p.Version, p.Server, p.System, p.Raw)
	}
}

// kickAll ends one after the other, the publisher last, since it takes the viewers with it. Who is kicked sees it soon, and is no
// longer shown.
func (c *console) kickAll(page consolePage, flv *viewer, hls *player, encoder *process) {
	c.t.Helper()
	for _, one := range []struct {
		kind    string
		running func() error
	}{{"flv-play", flv.running}, {"hls-play", hls.running}, {"fmle-publish", encoder.running}} {
		id := only(c.t, page.Clients, map[string]string{"type": one.kind})
		if code := c.kick(id); code != 0 {
			c.t.Errorf("kicking %s: code %d", one.kind, code)
		}
		eventually(c.t, one.kind+" ends when it is kicked", func() error { return gone(one.running()) })
		c.refresh(func(p consolePage) error {
			if len(has(p.Clients, map[string]string{"id": id})) > 0 {
				return errors.New("a client that was kicked is on the list")
			}
			return nil
		})
	}
	if code := c.kick("nobody99"); code != 2049 {
		c.t.Errorf("kicking nobody: code %d", code)
	}
}

// TestConsoleWithoutToken: a page of another origin learns nothing without a token, though it is shown on the same machine; the
// refusal can be read by fetch.
func TestConsoleWithoutToken(t *testing.T) {
	t.Parallel()
	s := serveBrowser(t, basic)
	for by, want := range map[string]string{"jsonp": "versions was refused", "fetch": "versions was refused: 401"} {
		for _, token := range []string{"", apiToken + "!"} {
			var page consolePage
			c := s.openConsole(by, token)
			eventually(t, "the page answers", func() error { return c.ask("refresh()", &page) })
			if len(page.Errors) != 1 || page.Errors[0] != want || page.Version != "" {
				t.Errorf("by %s with the token %q: %+v", by, token, page)
			}
		}
	}
}
