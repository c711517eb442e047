package hls

import (
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/mpegts"
)

// A variant is one way to pack a stream into segments.
type variant struct {
	name        string // in keys
	playlist    string // the file name of its media playlist
	ending      string // of its segments
	contentType string // of its segments
	newPacker   func() packer
}

// A packer makes the bytes of segments. It is used by one goroutine at a time, for one segment after the other.
type packer interface {
	// Begin opens a segment of frames that setup governs.
	Begin(setup *live.Setup)
	// Append appends the bytes of a frame to b.
	Append(b []byte, f *live.Frame) []byte
}

// VariantTS is the name of the variant of MPEG-TS.
const VariantTS = "ts"

// transport is the variant of MPEG-TS.
var transport = &variant{
	name:        VariantTS,
	playlist:    "media.m3u8",
	ending:      ".ts",
	contentType: "video/mp2t",
	newPacker:   func() packer { return new(mpegts.Muxer) },
}

// kept is the variant that is made while nobody watches.
var kept = transport

// entries are the files under a stream's folder that a viewer may begin with, and what they lead to.
var entries = map[string]*variant{"index.m3u8": transport}

// entryFile leads to the same as a file beside the folder, "{stream}.m3u8".
const entryFile = "index.m3u8"

// variants are all there are.
var variants = []*variant{transport}
