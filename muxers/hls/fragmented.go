package hls

import (
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/fmp4"
)

// VariantFMP4 is the name of the variant of fragmented MP4.
const VariantFMP4 = "fmp4"

// fragmented is the variant of fragmented MP4.
var fragmented = &variant{
	name:        VariantFMP4,
	playlist:    "stream.m3u8",
	ending:      ".m4s",
	initEnding:  ".mp4",
	contentType: "video/mp4",
	version:     6,
	cutsParts:   true,
	newPacker:   func() packer { return new(fragmentPacker) },
}

// A fragmentPacker packs fragmented MP4: a part, or a segment that is made in one go, is one movie fragment.
type fragmentPacker struct{ muxer fmp4.Muxer }

// Begin implements packer.
func (p *fragmentPacker) Begin(setup *live.Setup, frames []*live.Frame, continues bool) {
	p.muxer.Begin(setup, frames)
	if !continues {
		p.muxer.Reset()
	}
}

// Init implements packer.
func (p *fragmentPacker) Init() []byte { return p.muxer.Init() }

// Pack implements packer.
func (p *fragmentPacker) Pack(frames []*live.Frame, end int64) []byte {
	return p.muxer.Append(make([]byte, 0, p.muxer.Size(frames)), frames, end)
}

// Media implements packer.
func (p *fragmentPacker) Media() media {
	return media{picture: p.muxer.Picture(), sound: p.muxer.Sound()}
}
