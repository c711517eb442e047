package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Handler shows outboxes over HTTP, and has failed deliveries tried again:
//
//	GET    /                         what there is
//	GET    /targets                  where deliveries go: how many are pending, delivered, dead
//	GET    /deliveries               what is pending, oldest first, then what is dead, newest first
//	GET    /deliveries/{id}          one of them, with its body
//	POST   /deliveries/{id}/replay   makes a dead one pending, tries a pending one now
//	DELETE /deliveries/{id}          forgets one
//	GET    /attempts                 the last attempts, newest first
//
// The prefix, as /api/v1/hooks, must have been stripped. Lists take ?target= and ?stream= and ?event= and ?id=, which must
// be equal; ?state=pending or dead; ?outcome= of attempts; and ?start= and ?count= (default 100, at most 1000). Answers are
// JSON objects that begin with code, server, service and pid as those of SRS's API; what goes wrong has an HTTP status, a
// code equal to it and a msg.
//
// A Handler does not authenticate: that is the business of who calls it. It refuses requests that change something and
// that a browser has sent for a page of another site.
type Handler struct {
	// Outboxes returns what is shown. It may return none.
	Outboxes func() []*Outbox
	// Server and Service name the server in answers, as in those of stats.API.
	Server, Service string

	origins http.CrossOriginProtection
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	call := strings.Join(append([]string{r.Method}, path...), " ")
	if len(path) > 1 {
		call = strings.Join(append([]string{r.Method, path[0], "*"}, path[2:]...), " ")
	}
	if r.Method == http.MethodHead {
		call = "GET" + strings.TrimPrefix(call, r.Method)
	}
	serve, ok := calls[call]
	if !ok {
		h.fail(w, http.StatusNotFound, "there are GET targets, deliveries, deliveries/{id} and attempts, "+
			"POST deliveries/{id}/replay and DELETE deliveries/{id}")
		return
	}
	if err := h.origins.Check(r); err != nil {
		h.fail(w, http.StatusForbidden, err.Error())
		return
	}
	id := ""
	if len(path) > 1 {
		id = path[1]
	}
	answer, err := serve(h, id, r.URL.Query())
	switch {
	case errors.Is(err, ErrUnknown):
		h.fail(w, http.StatusNotFound, err.Error())
	case err != nil:
		h.fail(w, http.StatusInternalServerError, err.Error())
	default:
		h.write(w, http.StatusOK, answer)
	}
}

var calls = map[string]func(h *Handler, id string, query url.Values) (any, error){
	"GET ":                     (*Handler).index,
	"GET targets":              (*Handler).targets,
	"GET deliveries":           (*Handler).deliveries,
	"GET deliveries *":         (*Handler).delivery,
	"POST deliveries * replay": (*Handler).replay,
	"DELETE deliveries *":      (*Handler).discard,
	"GET attempts":             (*Handler).attempts,
}

// A head is what every answer begins with.
type head struct {
	Code    int    `json:"code"`
	Server  string `json:"server,omitempty"`
	Service string `json:"service,omitempty"`
	PID     string `json:"pid"`
}

func (h *Handler) head() head {
	return head{Server: h.Server, Service: h.Service, PID: strconv.Itoa(os.Getpid())}
}

// A Row is a delivery as lists show it.
type Row struct {
	ID       string    `json:"id"`
	State    string    `json:"state"` // pending or dead
	Target   string    `json:"target"`
	Stream   string    `json:"stream"`
	Client   string    `json:"client,omitempty"`
	Event    string    `json:"event"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires"`
	Attempts int       `json:"attempts"`
	Next     time.Time `json:"next,omitzero"`
	Last     *Attempt  `json:"last,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Died     time.Time `json:"died,omitzero"`
	Bytes    int       `json:"bytes"`
	Body     string    `json:"body,omitempty"` // not in lists: it may hold what clients have sent as a secret
}

func (i *Info) row() Row {
	return Row{
		ID: i.ID, State: i.State, Target: i.Target, Stream: i.Stream, Client: i.Client, Event: i.Event, Created: i.Created,
		Expires: i.Expires, Attempts: i.Attempts, Next: i.Next, Last: i.Last, Reason: i.Reason, Died: i.Died, Bytes: len(i.Body),
	}
}

// The answers of a Handler.
type (
	// IndexAnswer is that of GET /.
	IndexAnswer struct {
		head
		URLs indexRow `json:"urls"`
	}
	// TargetsAnswer is that of GET /targets.
	TargetsAnswer struct {
		head
		Targets []TargetInfo `json:"targets"`
		Totals  Totals       `json:"totals"`
	}
	// DeliveriesAnswer is that of GET /deliveries. Matching counts what the query selects on all pages.
	DeliveriesAnswer struct {
		head
		Matching   int   `json:"matching"`
		Deliveries []Row `json:"deliveries"`
	}
	// DeliveryAnswer is that of GET /deliveries/{id}, with what is remembered of its attempts.
	DeliveryAnswer struct {
		head
		Delivery Row       `json:"delivery"`
		Attempts []Attempt `json:"attempts"`
	}
	// AttemptsAnswer is that of GET /attempts.
	AttemptsAnswer struct {
		head
		Matching int       `json:"matching"`
		Attempts []Attempt `json:"attempts"`
	}
)

type indexRow struct {
	Targets    string `json:"targets"`
	Deliveries string `json:"deliveries"`
	Attempts   string `json:"attempts"`
}

func (h *Handler) index(string, url.Values) (any, error) {
	return IndexAnswer{h.head(), indexRow{
		Targets:    "where deliveries go: how many are pending, delivered, dead",
		Deliveries: "what is pending and what was given up, or /{id} for one, which DELETE forgets and POST to /{id}/replay tries again",
		Attempts:   "the last attempts, newest first",
	}}, nil
}

func (h *Handler) targets(string, url.Values) (any, error) {
	a := TargetsAnswer{head: h.head(), Targets: []TargetInfo{}}
	for _, o := range h.Outboxes() {
		a.Targets = append(a.Targets, o.Targets()...)
		a.Totals = a.Totals.plus(o.Totals())
	}
	return a, nil
}

func (t Totals) plus(u Totals) Totals {
	return Totals{
		t.Put + u.Put, t.Recovered + u.Recovered, t.Dropped + u.Dropped, t.DroppedDead + u.DroppedDead, t.Discarded + u.Discarded,
	}
}

func (h *Handler) deliveries(_ string, query url.Values) (any, error) {
	var all []Info
	for _, o := range h.Outboxes() {
		all = append(all, o.Pending()...)
	}
	for _, o := range h.Outboxes() {
		all = append(all, o.Dead()...)
	}
	all = slices.DeleteFunc(all, func(i Info) bool {
		return unlike(query, "state", i.State) || unlike(query, "target", i.Target) || unlike(query, "stream", i.Stream) ||
			unlike(query, "event", i.Event) || unlike(query, "id", i.ID)
	})
	a := DeliveriesAnswer{head: h.head(), Matching: len(all), Deliveries: []Row{}}
	for _, i := range page(all, query) {
		a.Deliveries = append(a.Deliveries, i.row())
	}
	return a, nil
}

func (h *Handler) attempts(_ string, query url.Values) (any, error) {
	all := h.allAttempts()
	all = slices.DeleteFunc(all, func(a Attempt) bool {
		return unlike(query, "target", a.Target) || unlike(query, "stream", a.Stream) || unlike(query, "event", a.Event) ||
			unlike(query, "id", a.ID) || unlike(query, "outcome", a.Outcome)
	})
	return AttemptsAnswer{head: h.head(), Matching: len(all), Attempts: page(all, query)}, nil
}

// allAttempts returns the attempts of all outboxes, newest first.
func (h *Handler) allAttempts() []Attempt {
	all := []Attempt{}
	for _, o := range h.Outboxes() {
		all = append(all, o.Attempts()...)
	}
	slices.SortStableFunc(all, func(a, b Attempt) int { return b.Time.Compare(a.Time) })
	return all
}

func (h *Handler) delivery(id string, _ url.Values) (any, error) {
	for _, o := range h.Outboxes() {
		i, ok := o.Delivery(id)
		if !ok {
			continue
		}
		row := i.row()
		row.Body = string(i.Body)
		attempts := slices.DeleteFunc(h.allAttempts(), func(a Attempt) bool { return a.ID != id })
		return DeliveryAnswer{head: h.head(), Delivery: row, Attempts: attempts}, nil
	}
	return nil, ErrUnknown
}

func (h *Handler) replay(id string, _ url.Values) (any, error) { return h.change(id, (*Outbox).Replay) }

func (h *Handler) discard(id string, _ url.Values) (any, error) {
	return h.change(id, (*Outbox).Discard)
}

// change does something with the delivery of an id, in the outbox that has it.
func (h *Handler) change(id string, do func(o *Outbox, id string) error) (any, error) {
	for _, o := range h.Outboxes() {
		if err := do(o, id); !errors.Is(err, ErrUnknown) {
			return h.head(), err
		}
	}
	return nil, ErrUnknown
}

// unlike tells whether a query asks for another value.
func unlike(query url.Values, name, value string) bool {
	return query.Get(name) != "" && query.Get(name) != value
}

// page returns the part of a list that a query asks for.
func page[T any](list []T, query url.Values) []T {
	number := func(name string, otherwise int) int {
		n, err := strconv.Atoi(query.Get(name))
		if err != nil || n < 0 {
			return otherwise
		}
		return n
	}
	list = list[min(number("start", 0), len(list)):]
	return list[:min(number("count", 100), 1000, len(list))]
}

func (h *Handler) fail(w http.ResponseWriter, status int, message string) {
	a := struct {
		head
		Msg string `json:"msg"`
	}{h.head(), message}
	a.Code = status
	h.write(w, status, a)
}

func (h *Handler) write(w http.ResponseWriter, status int, answer any) {
	text, err := json.Marshal(answer)
	if err != nil {
		status, text = http.StatusInternalServerError, fmt.Appendf(nil, `{"code":500,"msg":%q}`, err)
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(text) // a client that has gone needs no answer
}
