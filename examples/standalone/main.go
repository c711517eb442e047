// Command standalone is a live-streaming server without Caddy: RTMP in, HTTP-FLV, HTTP-TS and HLS out.
//
//	go run ./examples/standalone
//	ffmpeg -re -i film.mp4 -c copy -f flv rtmp://localhost/live/test
//	ffplay http://localhost:8080/live/test.flv
package main

import (
	"flag"
	"log"
	"net"
	"net/http"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/flv"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/hls"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/httplive"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/mpegts"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp"
)

func main() {
	rtmpAddr := flag.String("rtmp", "127.0.0.1:1935", "address for RTMP")
	httpAddr := flag.String("http", "127.0.0.1:8080", "address for HTTP")
	flag.Parse()

	hub := new(live.Hub)
	ln, err := net.Listen("tcp", *rtmpAddr)
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal((&rtmpapp.Server{Hub: hub}).Serve(ln)) }()

	log.Fatal(http.ListenAndServe(*httpAddr, players{
		&httplive.Handler{Hub: hub, Format: flv.Format()},
		&httplive.Handler{Hub: hub, Format: mpegts.Format()},
		&hls.Handler{Server: hls.NewServer(hub)},
	}))
}

// players asks one player after the other whether it is meant.
type players []interface {
	http.Handler
	Match(r *http.Request) bool
}

func (p players) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, player := range p {
		if player.Match(r) {
			player.ServeHTTP(w, r)
			return
		}
	}
	http.NotFound(w, r)
}
