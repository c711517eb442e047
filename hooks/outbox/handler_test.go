package outbox_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
	"github.com/caddy-rtmp/caddy-rtmp/stats/apitest"
)

// answer is of any kind.
type answer struct {
	Code       int
	Server     string
	Msg        string
	Matching   int
	Targets    []outbox.TargetInfo
	Totals     outbox.Totals
	Deliveries []outbox.Row
	Delivery   outbox.Row
	Attempts   []outbox.Attempt
}

func TestHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{answer: func(d *outbox.Delivery) outbox.Result {
			return outbox.Result{Status: map[string]int{"bad": 400, "late": 500}[d.Event], Note: "a note"}
		}}
		durable, fleeting := open(t, outbox.Options{Path: file(t)}), open(t, outbox.Options{})
		defer finish(t, durable)
		defer finish(t, fleeting)
		durable.SetTargets(map[string]outbox.Sender{"https://a/": s})
		fleeting.SetTargets(map[string]outbox.Sender{"https://b/": s})
		put(t, durable, to("https://a/", "x", "bad"), to("https://a/", "x", "late"), to("https://a/", "y", "good"))
		put(t, fleeting, to("https://b/", "x", "good"))
		synctest.Wait()

		h := &outbox.Handler{Outboxes: func() []*outbox.Outbox { return []*outbox.Outbox{durable, fleeting} }, Server: "vid-1", Service: "start"}
		described := apitest.Describe(t)
		do := func(want int, call string, header ...string) (a answer) {
			t.Helper()
			method, path, _ := strings.Cut(call, " ")
			req := httptest.NewRequestWithContext(t.Context(), method, path, nil)
			for i := 0; i < len(header); i += 2 {
				req.Header.Set(header[i], header[i+1])
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != want || a.Code != want && want != 200 || a.Server != "vid-1" {
				t.Fatalf("%s: %d %s", call, w.Code, w.Body)
			}
			if path := template(path); want != 403 && slices.Contains(outbox.Calls(), method+" "+path) {
				described.Check(t, method, "/api/v1/hooks"+path, strconv.Itoa(want), w.Body.Bytes())
			}
			return a
		}

		a := do(200, "GET /targets")
		if len(a.Targets) != 2 || a.Targets[0].Dead != 1 || a.Targets[0].Pending != 1 || !a.Targets[0].Configured || a.Totals.Put != 4 {
			t.Errorf("targets: %+v", a)
		}
		a = do(200, "GET /deliveries")
		if a.Matching != 2 || a.Deliveries[0].Event != "late" || a.Deliveries[0].State != "pending" || a.Deliveries[0].Last.Status != 500 ||
			a.Deliveries[0].Next.IsZero() || a.Deliveries[1].State != "dead" || a.Deliveries[1].Body != "" || a.Deliveries[1].Bytes == 0 {
			t.Errorf("deliveries: %+v", a.Deliveries)
		}
		id := a.Deliveries[1].ID
		for query, n := range map[string]int{"state=dead": 1, "event=late": 1, "target=https://b/": 0, "count=1": 1, "start=1": 1, "start=9&count=-1": 0} {
			if a = do(200, "GET /deliveries?"+query); len(a.Deliveries) != n {
				t.Errorf("%s: %+v", query, a.Deliveries)
			}
		}
		a = do(200, "GET /deliveries/"+id+"/")
		if a.Delivery.Body != `{"action":"bad"}` || len(a.Attempts) != 1 || a.Attempts[0].Outcome != "refused" || a.Attempts[0].Note != "a note" {
			t.Errorf("delivery: %+v", a)
		}
		if a = do(200, "GET /attempts?outcome=delivered"); a.Matching != 2 {
			t.Errorf("attempts: %+v", a)
		}

		do(403, "POST /deliveries/"+id+"/replay", "Sec-Fetch-Site", "cross-site")
		do(404, "POST /deliveries/nobody/replay")
		do(404, "GET /deliveries/nobody")
		do(404, "POST /deliveries/"+id)
		do(200, "GET /")
		do(404, "POST /")
		s.set(nil)
		do(200, "POST /deliveries/"+id+"/replay")
		synctest.Wait()
		if a = do(200, "GET /deliveries"); a.Matching != 0 {
			t.Errorf("after a replay: %+v", a.Deliveries)
		}
		s.set(status(http.StatusGone))
		put(t, durable, to("https://a/", "x", "bad"))
		synctest.Wait()
		do(200, "DELETE /deliveries/"+do(200, "GET /deliveries").Deliveries[0].ID)
		if a = do(200, "GET /deliveries"); a.Matching != 0 || do(200, "GET /targets").Totals.Discarded != 1 {
			t.Errorf("after all: %+v", a.Deliveries)
		}
		described.Complete(t, "/api/v1/hooks")
	})
}

// template returns a path as it is described.
func template(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(strings.TrimSuffix(path, "/"), "/")
	if len(parts) > 2 {
		parts[2] = "{id}"
	}
	return strings.Join(parts, "/")
}

// TestDescription looks whether the API's description has all that a Handler knows.
func TestDescription(t *testing.T) {
	described := apitest.Describe(t)
	for _, call := range outbox.Calls() {
		method, path, _ := strings.Cut(call, " ")
		if _, ok := described.Paths["/api/v1/hooks"+path][strings.ToLower(method)]; !ok {
			t.Errorf("%s is not described", call)
		}
	}
}
