package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"testing"
)

// A tab is a window of Chromium that shows a page, apart from all others: it shares no cache and no cookies with them.
type tab struct {
	t       testing.TB
	c       *chromium
	session string
	console tape // what the page has said, and what it has thrown
}

// openPage shows a page of the folder browser, with a query, until the test ends.
func openPage(t testing.TB, page string, query url.Values) *tab {
	t.Helper()
	c, err := theChromium()
	if err != nil {
		t.Fatal(err)
	}
	b := &tab{t: t, c: c}
	if err := b.open(c.pages.URL + "/" + page + "?" + query.Encode()); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *tab) open(address string) error {
	var apart struct {
		ID string `json:"browserContextId"`
	}
	if err := b.call("", "Target.createBrowserContext", map[string]any{}, &apart); err != nil {
		return err
	}
	b.t.Cleanup(func() { b.close(apart.ID) })
	var target struct {
		ID string `json:"targetId"`
	}
	err := b.call("", "Target.createTarget", map[string]any{
		"url": "about:blank", "browserContextId": apart.ID, "newWindow": true,
	}, &target)
	if err != nil {
		return err
	}
	var attached struct {
		Session string `json:"sessionId"`
	}
	if err := b.call("", "Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &attached); err != nil {
		return err
	}
	b.session = attached.Session
	b.c.listen(b.session, b.hear)
	return errors.Join(
		b.call(b.session, "Runtime.enable", struct{}{}, nil),
		b.call(b.session, "Log.enable", struct{}{}, nil),
		b.call(b.session, "Media.enable", struct{}{}, nil),
		b.call(b.session, "Emulation.setFocusEmulationEnabled", map[string]any{"enabled": true}, nil),
		b.call(b.session, "Page.navigate", map[string]any{"url": address}, nil),
	)
}

// close closes the window. It is shown what the page has said if the test has failed.
func (b *tab) close(browserContext string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.c.call(ctx, "", "Target.disposeBrowserContext", map[string]any{"browserContextId": browserContext}, nil); err != nil {
		b.t.Error(err)
	}
	b.c.listen(b.session, nil)
	if b.t.Failed() {
		b.t.Logf("the page said:\n%s", tail(b.console.String()))
	}
}

func (b *tab) call(session, method string, params, result any) error {
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	return b.c.call(ctx, session, method, params, result)
}

// hear keeps what the page says, and what the browser says of its videos.
func (b *tab) hear(method string, params json.RawMessage) {
	switch method {
	case "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Media.playerMessagesLogged", "Media.playerErrorsRaised":
		_, _ = fmt.Fprintf(&b.console, "%s %s\n", method, params) // a tape takes all
	}
}

// ask evaluates an expression in the page, waits for it if it is a promise, and decodes its value into result, if that is not
// nil.
func (b *tab) ask(expression string, result any) error {
	var answer struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string          `json:"text"`
			Exception json.RawMessage `json:"exception"`
		} `json:"exceptionDetails"`
	}
	params := map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}
	if err := b.call(b.session, "Runtime.evaluate", params, &answer); err != nil {
		return err
	}
	if e := answer.Exception; e != nil {
		return fmt.Errorf("%s: %s %s", expression, e.Text, e.Exception)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Result.Value, result)
}
