package fmp4

import (
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/codec"
)

// The ids of the tracks.
const (
	idVideo = 1
	idAudio = 2
)

// videoScale is the ticks per second of pictures.
const videoScale = 90000

// A track is one line of the movie. What it is never changes; its clock runs on from chunk to chunk.
type track struct {
	live    live.Track
	id      uint32
	scale   int // ticks per second
	picture codec.Picture
	sound   codec.Sound
	config  []byte // the configuration's payload, if there is one
	width   int
	height  int
	units   int  // size of unit lengths, for codecs that have them
	obus    bool // of AV1

	clock   clock
	samples []sample // of the chunk that is being made
}

// A sample is a frame as it is placed in a chunk.
type sample struct {
	frame  *live.Frame
	size   int
	time   int64 // of decoding, in ticks
	length int64
	offset int64 // from there to its presentation
}

// newTrack returns the line for t, or nil if it cannot be carried: its codec has no place here, its configuration is broken
// or unknown. payload is that of a frame of it, a key frame of video, or nil.
func newTrack(t live.Track, payload []byte) *track {
	n := &track{live: t, id: idAudio}
	if t.Config != nil {
		n.config = t.Config.Payload()
	}
	if t.Kind == live.KindVideo {
		return n.ofPicture(payload)
	}
	c, err := codec.ParseSound(t, payload)
	if err != nil {
		return nil
	}
	n.sound, n.scale = c, c.Rate()
	return n
}

func (t *track) ofPicture(payload []byte) *track {
	c, err := codec.ParsePicture(t.live, payload)
	if err != nil {
		return nil
	}
	width, height, ok := c.Size()
	if !ok {
		return nil
	}
	t.id, t.picture, t.scale, t.width, t.height = idVideo, c, videoScale, width, height
	switch c := c.(type) {
	case *codec.AVC:
		t.units = c.LengthSize
	case *codec.HEVC:
		t.units = c.LengthSize
	case *codec.AV1:
		t.obus = true
	}
	return t
}

// takes tells whether f is of this track.
func (t *track) takes(f *live.Frame) bool {
	return f.Kind == t.live.Kind && f.Track == t.live.Number && f.Codec == t.live.Codec && f.Media()
}

// size returns the size of f as a sample, 0 if its body is broken: it is left out then.
func (t *track) size(f *live.Frame) int {
	b := f.Payload()
	switch {
	case t.units > 0:
		return codec.UnitsSize(b, t.units)
	case t.obus:
		return codec.OBUsSize(b)
	case t.sound != nil && t.sound.Samples(b) == 0:
		return 0
	}
	return len(b)
}

// append appends the sample of f, whose size is not 0.
func (t *track) append(b []byte, f *live.Frame) []byte {
	switch {
	case t.units > 0:
		return codec.AppendUnits(b, f.Payload(), t.units)
	case t.obus:
		return codec.AppendOBUs(b, f.Payload())
	}
	return append(b, f.Payload()...)
}
