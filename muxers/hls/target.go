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
	kind   kind
	key    live.Key  // the path does not say its vhost
	of     rendition // without a variant for an entry, which leads to what the configuration says
	file   string
	inside bool   // it is in the stream's folder
	folder string // from this URL to the stream's folder, for relative URLs; empty if it is in it
}

// parseTarget tells what a path is for. ok is false if it is nothing of HLS.
func parseTarget(path string) (t target, ok bool) {
	key, ok := httplive.MatchFile(path, ".m3u8")
	if ok {
		return target{kind: entry, key: key, folder: "./" + url.PathEscape(key.Name) + "/"}, true
	}
	key, file, ok := httplive.MatchFolder(path)
	if !ok {
		return target{}, false
	}
	t = target{key: key, file: file, inside: true}
	if file == entryFile {
		return t, true
	}
	for _, v := range variants {
		if t.of, ok = v.ofList(file); ok {
			t.kind = list
			return t, true
		}
		if t.of, ok = v.ofObject(file); ok {
			t.kind = object
			return t, true
		}
	}
	return target{}, false
}

// entryFile is the entry playlist in a stream's folder.
const entryFile = "index.m3u8"

// named returns the target for the stream that a guard has named instead.
func (t target) named(stream string) target {
	if stream == t.key.Name {
		return t
	}
	t.key.Name = stream
	up := "../"
	if !t.inside {
		up = "./"
	}
	t.folder = up + url.PathEscape(stream) + "/"
	return t
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
		case pair == "", strings.HasPrefix(name, directives), strings.ContainsFunc(pair, func(c rune) bool { return c <= ' ' || c > '~' }):
		case q.rest == "":
			q.rest = pair
		default:
			q.rest += "&" + pair
		}
	}
	return q
}
