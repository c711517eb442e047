package rtmpapp

import (
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// A chunker is the muxer of RTMP: chunks that all viewers share, since each message has a full header.
type chunker struct {
	stream uint32
	view   live.View
}

// Size implements live.Muxer.
func (k chunker) Size(f *live.Frame) int {
	return wire.ChunkedSize(len(k.view.Body(f)), wire.WriteChunkSize)
}

// AppendFrame implements live.Muxer.
func (k chunker) AppendFrame(b []byte, f *live.Frame) []byte {
	m := wire.Message{Stream: k.stream, Time: uint32(f.Time), Body: k.view.Body(f)}
	id := uint8(wire.ChunkVideo)
	switch f.Kind {
	case live.KindVideo:
		m.Type = wire.TypeVideo
	case live.KindAudio:
		m.Type, id = wire.TypeAudio, wire.ChunkAudio
	case live.KindData:
		m.Type, id = wire.TypeDataAMF0, wire.ChunkData
	}
	return wire.AppendMessage(b, id, m, wire.WriteChunkSize)
}

// Header implements live.Muxer.
func (k chunker) Header(setup, given *live.Setup, time int64) []byte {
	var b []byte
	for _, f := range setup.Since(given, time) {
		b = k.AppendFrame(b, f)
	}
	return b
}
