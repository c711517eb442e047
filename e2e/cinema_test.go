package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
)

// A showing is what a page that plays tells.
type showing struct {
	Time     float64      `json:"time"` // position in seconds
	Pictures int          `json:"pictures"`
	Dropped  int          `json:"dropped"`
	Sound    int          `json:"sound"` // in bytes
	Width    int          `json:"width"`
	Height   int          `json:"height"`
	Playing  bool         `json:"playing"`
	Buffered [][2]float64 `json:"buffered"`
	First    int          `json:"first"` // when the first picture was shown, in milliseconds
	Stalls   []int        `json:"stalls"`
	Errors   []string     `json:"errors"`
	Retries  []string     `json:"retries"` // what the library helps itself out of
}

// A cinema is a tab that plays.
type cinema struct {
	*tab
	name          string
	width, height int // of the pictures that it has to show
}

// show plays an URL in Chromium: flv or mpegts with mpegts.js, hls with hls.js, both with options, native with what it has itself.
func show(t testing.TB, kind, address string, options map[string]any) *cinema {
	t.Helper()
	b, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	page := openPage(t, "watch.html", url.Values{"type": {kind}, "src": {address}, "options": {string(b)}})
	return &cinema{page, kind + " " + address, width, height}
}

// report asks the page what it has played.
func (c *cinema) report() (r showing, err error) {
	err = c.ask("report()", &r)
	return r, err
}

// plays waits until each has shown some seconds more, pictures and sound of the film, and fails if a page knows of an error.
func plays(t testing.TB, seconds float64, audience ...*cinema) (reports []showing) {
	t.Helper()
	before := make([]showing, len(audience))
	for i, c := range audience {
		eventually(t, "the page answers", func() (err error) {
			before[i], err = c.report()
			return err
		})
	}
	for i, c := range audience {
		var now showing
		within(t, 2*patience, c.name+" plays", func() (err error) {
			if now, err = c.report(); err != nil {
				return err
			}
			if len(now.Errors) > 0 {
				t.Fatalf("%s: %q", c.name, now.Errors)
			}
			if now.Width != c.width || now.Height != c.height {
				return fmt.Errorf("it shows %+v", now)
			}
			return now.since(before[i], seconds)
		})
		reports = append(reports, now)
	}
	return reports
}

// since returns an error unless some seconds more have been played. A busy machine may drop pictures.
func (r *showing) since(before showing, seconds float64) error {
	if r.Time < before.Time+seconds || r.Pictures < before.Pictures+int(seconds*pictureRate/2) || r.Sound <= before.Sound || !r.Playing {
		return fmt.Errorf("it has come from %+v to %+v", before, r)
	}
	return nil
}
