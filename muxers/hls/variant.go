package hls

import (
	"bytes"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/mpegts"
)

// A variant is one way to pack a stream into segments.
type variant struct {
	name        string
	playlist    string // the file name of its media playlist
	ending      string // of its segments and parts
	initEnding  string // of its initialisation sections; empty if it has none
	contentType string // of all of them
	version     int    // of the protocol that its playlists need
	cutsParts   bool   // a segment may be made part by part
	newPacker   func() packer
}

// A packer makes the bytes of segments. It is used by one goroutine at a time, for one segment after the other.
type packer interface {
	// Begin opens a segment of frames that setup governs, of which these are the first. Unless it continues the one before it
	// is behind a discontinuity.
	Begin(setup *live.Setup, frames []*live.Frame, continues bool)
	// Init returns the initialisation section of the segment; nil if there is none.
	Init() []byte
	// Pack returns the bytes of the segment's next frames. end is the stream time at which the picture goes on behind them, or
	// is expected to.
	Pack(frames []*live.Frame, end int64) []byte
	// Media returns what the segment is made of.
	Media() media
}

// VariantTS is the name of the variant of MPEG-TS.
const VariantTS = "ts"

// transport is the variant of MPEG-TS.
var transport = &variant{
	name:        VariantTS,
	playlist:    "media.m3u8",
	ending:      ".ts",
	contentType: "video/mp2t",
	version:     3,
	newPacker:   func() packer { return new(transportPacker) },
}

// variants are all there are.
var variants = []*variant{transport, fragmented}

// endings returns how the names of its objects may end.
func (v *variant) endings() []string {
	if v.initEnding == "" {
		return []string{v.ending, v.ending + keyEnding}
	}
	return []string{v.ending, v.ending + keyEnding, v.initEnding}
}

// chosen returns the variants that c chooses, the one that most players take first.
func (c Config) chosen() (chosen []*variant) {
	if c.TS || !c.FMP4 {
		chosen = append(chosen, transport)
	}
	if c.FMP4 {
		chosen = append(chosen, fragmented)
	}
	return chosen
}

// entry returns the variant that an entry playlist leads to: that beside the stream's folder to MPEG-TS, that in it to
// fragmented MP4, if both are chosen.
func (c Config) entry(inFolder bool) *variant {
	chosen := c.chosen()
	if inFolder {
		return chosen[len(chosen)-1]
	}
	return chosen[0]
}

// A transportPacker packs MPEG-TS.
type transportPacker struct{ muxer mpegts.Muxer }

// Begin implements packer.
func (p *transportPacker) Begin(setup *live.Setup, _ []*live.Frame, _ bool) { p.muxer.Begin(setup) }

// Init implements packer: MPEG-TS speaks for itself.
func (*transportPacker) Init() []byte { return nil }

// Pack implements packer.
func (p *transportPacker) Pack(frames []*live.Frame, _ int64) []byte {
	size := 0
	for _, f := range frames {
		size += len(f.Body) + len(f.Body)/32 + transportOverhead
	}
	b := make([]byte, 0, size)
	for _, f := range frames {
		b = p.muxer.Append(b, f)
	}
	return bytes.Clone(b) // it is kept for as long as the window, and what was too much with it
}

// Media implements packer.
func (p *transportPacker) Media() media {
	return media{picture: p.muxer.Picture(), sound: p.muxer.Sound()}
}

// transportOverhead is about what MPEG-TS adds to a frame, in bytes.
const transportOverhead = 256
