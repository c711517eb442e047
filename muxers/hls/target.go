package hls

import (
	"net/url"
	"strings"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/httplive"
)

// A kind is what an URL means.
type kind uint8

const (
	entry  kind = iota // an entry playlist
	list               // a media playlist
	object             // a segment
)

// A target is what a request is for.
type target struct {
	kind    kind
	key     live.Key // the path does not say its vhost
	variant *variant
	file    string
	folder  string // from this URL to the stream's folder, for relative URLs; empty if it is in it
}

// parseTarget tells what a path is for. ok is false if it is nothing of HLS.
func parseTarget(path string) (t target, ok bool) {
	key, ok := httplive.MatchFile(path, ".m3u8")
	if ok {
		return target{kind: entry, key: key, variant: entries[entryFile], folder: "./" + url.PathEscape(key.Name) + "/"}, true
	}
	key, file, ok := httplive.MatchFolder(path)
	if !ok {
		return target{}, false
	}
	if v := entries[file]; v != nil {
		return target{kind: entry, key: key, variant: v}, true
	}
	for _, v := range variants {
		if file == v.playlist {
			return target{kind: list, key: key, variant: v, file: file}, true
		}
		if isSegmentName(file, v.ending) {
			return target{kind: object, key: key, variant: v, file: file}, true
		}
	}
	return target{}, false
}

// isSegmentName tells whether a file name looks like one of segmentName, so that other files are left to others.
func isSegmentName(file, ending string) bool {
	name, ok := strings.CutSuffix(file, ending)
	start, number, dash := strings.Cut(name, "-")
	return ok && dash && start != "" && number != "" &&
		strings.Trim(start, "0123456789abcdefghijklmnopqrstuvwxyz") == "" && strings.Trim(number, "0123456789") == ""
}

// A query is what follows the path of an URL.
type query struct {
	token     string // the viewer's, as the client says it
	signature string // of an object, as the client says it
	rest      string // for guards, without what could not stand in a playlist and what belongs to the protocol
}

// parseQuery takes a raw query apart.
func parseQuery(raw string) (q query) {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(pair, "=")
		switch {
		case name == contextParam:
			q.token = value
		case name == signatureParam:
			q.signature = value
		case pair == "", strings.HasPrefix(name, "_HLS_"), strings.ContainsFunc(pair, func(c rune) bool { return c <= ' ' || c > '~' }):
		case q.rest == "":
			q.rest = pair
		default:
			q.rest += "&" + pair
		}
	}
	return q
}
