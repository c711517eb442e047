// Command webhook-auth is a back end for SRS's HTTP callbacks: who knows a stream's key may publish it, who has a ticket
// may watch, at most two at a time for each ticket.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// event is what the server sends, as far as we look at it.
type event struct {
	Action, App, Stream, Param string
	Client                     string `json:"client_id"`
}

// What a real back end has in its database.
var (
	keys    = map[string]string{"cam1": "s3cret"} // by stream
	tickets = map[string]bool{"gold": true}
)

// watching is who watches, client by client. That is why an event that comes twice does no harm.
var (
	mu       sync.Mutex
	watching = make(map[string]string) // client → ticket
)

// decide returns why a client may not, nothing if it may.
func decide(e event) (refusal string) {
	mu.Lock()
	defer mu.Unlock()
	query, _ := url.ParseQuery(strings.TrimPrefix(e.Param, "?"))
	switch e.Action {
	case "on_publish":
		if key := keys[e.Stream]; key == "" || query.Get("key") != key {
			return "the stream key is wrong"
		}
	case "on_play":
		ticket, others := query.Get("ticket"), 0
		for _, t := range watching {
			if t == ticket {
				others++
			}
		}
		switch {
		case !tickets[ticket]:
			return "a ticket is needed"
		case others >= 2:
			return "your ticket is in use on two screens already"
		}
		watching[e.Client] = ticket
	case "on_stop":
		delete(watching, e.Client)
	}
	return ""
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8085", "address to listen on")
	flag.Parse()
	http.HandleFunc("POST /srs", func(w http.ResponseWriter, r *http.Request) {
		var e event
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&e); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer := map[string]any{"code": 0}
		if refusal := decide(e); refusal != "" {
			answer = map[string]any{"code": 403, "msg": refusal}
		}
		log.Println(e.Action, e.App+"/"+e.Stream, e.Client, answer)
		_ = json.NewEncoder(w).Encode(answer)
	})
	log.Fatal(http.ListenAndServe(*listen, nil))
}
