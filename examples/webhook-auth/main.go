// Command webhook-auth is a back end for SRS's HTTP callbacks: a key for each stream, tickets for two viewers each.
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

type event struct { // what the server sends, as far as we look at it
	Action, App, Stream, Param string
	Client                     string `json:"client_id"`
}

var ( // what a real back end has in its database
	mu      sync.Mutex
	keys    = map[string]string{"cam1": "s3cret"}    // by stream
	tickets = map[string]map[string]bool{"gold": {}} // the clients that watch, so that an event that comes twice does no harm
)

// decide returns the code 0 if a client may, else another and why it may not.
func decide(e event) (code int, msg string) {
	mu.Lock()
	defer mu.Unlock()
	query, _ := url.ParseQuery(strings.TrimPrefix(e.Param, "?"))
	watching := tickets[query.Get("ticket")]
	switch {
	case e.Action == "on_publish" && (keys[e.Stream] == "" || query.Get("key") != keys[e.Stream]):
		return 403, "the stream key is wrong"
	case e.Action == "on_play" && watching == nil:
		return 403, "a ticket is needed"
	case e.Action == "on_play" && len(watching) >= 2 && !watching[e.Client]:
		return 403, "your ticket is in use on two screens already"
	case e.Action == "on_play":
		watching[e.Client] = true
	case e.Action == "on_stop":
		delete(watching, e.Client)
	}
	return 0, ""
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
		code, msg := decide(e)
		log.Println(e.Action, e.App+"/"+e.Stream, e.Client, code, msg)
		_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "msg": msg})
	})
	log.Fatal(http.ListenAndServe(*listen, nil))
}
