// Package livetest gives everybody's tests a small synthetic stream that real decoders accept: 64x64 H.264 (baseline) at
// 25 frames a second with a key frame every second, and silent AAC-LC of 44100 Hz, stereo. It imports nothing but the
// standard library and package live.
package livetest

import (
	"slices"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// What the synthetic stream is made of.
const (
	Width           = 64
	Height          = 64
	FrameRate       = 25
	FrameInterval   = 1000 / FrameRate // in milliseconds
	GOPFrames       = FrameRate        // a key frame each second
	SampleRate      = 44100
	SamplesPerFrame = 1024
)

// The parameter sets, made by x264, without start code or length.
var (
	sps = []byte{
		0x67, 0x42, 0xc0, 0x0a, 0xda, 0x10, 0x9b, 0x01, 0x10, 0x00, 0x00, 0x03,
		0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x22, 0x6a,
	}
	pps = []byte{0x68, 0xce, 0x0f, 0xc8}
)

var idr = []byte{
	0x65, 0x88, 0x84, 0x0c, 0xff, 0xff, 0xfc, 0x3d, 0x14, 0x7c, 0x9c, 0x9c, 0x9d, 0x75, 0xd7, 0x5d, 0x75, 0xd7, 0x5d, 0x75,
	0xd7, 0x5e,
}

var silence = []byte{0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c}

// SPS returns the stream's H.264 sequence parameter set, without start code.
func SPS() []byte { return slices.Clone(sps) }

// PPS returns the stream's H.264 picture parameter set, without start code.
func PPS() []byte { return slices.Clone(pps) }

// AVCConfig returns the AVCDecoderConfigurationRecord.
func AVCConfig() []byte {
	b := []byte{1, sps[1], sps[2], sps[3], 0xff, 0xe1, 0, byte(len(sps))}
	b = append(b, sps...)
	b = append(b, 1, 0, byte(len(pps)))
	return append(b, pps...)
}

// AACConfig returns the AudioSpecificConfig: AAC-LC, 44100 Hz, stereo.
func AACConfig() []byte { return []byte{0x12, 0x10} }

// VideoConfigTag returns the FLV tag body of the video configuration.
func VideoConfigTag() []byte { return append([]byte{0x17, 0, 0, 0, 0}, AVCConfig()...) }

// AudioConfigTag returns the FLV tag body of the audio configuration.
func AudioConfigTag() []byte { return append([]byte{0xaf, 0}, AACConfig()...) }

// VideoTag returns the FLV tag body of the n-th picture, which is a key frame each second.
func VideoTag(n int) []byte {
	if n %= GOPFrames; n > 0 {
		return unitTag(0x27, interUnit(n))
	}
	return unitTag(0x17, idr)
}

// interUnit returns the slice of a picture that repeats the one before. Its frame_num, four bits, counts within the GOP.
func interUnit(n int) []byte {
	return []byte{0x41, 0x9a | byte(n>>3&1), byte(n&7) << 5, 0x33, 0xc2, 0x30}
}

func unitTag(head byte, unit []byte) []byte {
	return append([]byte{head, 1, 0, 0, 0, 0, 0, 0, byte(len(unit))}, unit...)
}

// AudioTag returns the FLV tag body of 1024 silent samples.
func AudioTag() []byte { return append([]byte{0xaf, 1}, silence...) }

// MetadataTag returns the FLV tag body of onMetaData: an AMF0 array of width, height and framerate.
func MetadataTag() []byte {
	b := []byte("\x02\x00\x0aonMetaData\x08\x00\x00\x00\x03")
	b = append(b, "\x00\x05width\x00\x40\x50\x00\x00\x00\x00\x00\x00"...)     // 64.0
	b = append(b, "\x00\x06height\x00\x40\x50\x00\x00\x00\x00\x00\x00"...)    // 64.0
	b = append(b, "\x00\x09framerate\x00\x40\x39\x00\x00\x00\x00\x00\x00"...) // 25.0
	return append(b, 0, 0, 9)
}

// VideoConfig returns a frame of VideoConfigTag at time 0.
func VideoConfig() *live.Frame { return must(live.KindVideo, 0, VideoConfigTag()) }

// AudioConfig returns a frame of AudioConfigTag at time 0.
func AudioConfig() *live.Frame { return must(live.KindAudio, 0, AudioConfigTag()) }

// Metadata returns a frame of MetadataTag at time 0.
func Metadata() *live.Frame { return must(live.KindData, 0, MetadataTag()) }

// Video returns the n-th picture, n times FrameInterval after the start.
func Video(n int) *live.Frame {
	return must(live.KindVideo, uint32(n*FrameInterval), VideoTag(n))
}

// Audio returns the n-th frame of sound, n times SamplesPerFrame/SampleRate seconds after the start.
func Audio(n int) *live.Frame { return must(live.KindAudio, audioTime(n), AudioTag()) }

// Configs returns the metadata and both configurations, as a publisher sends them first.
func Configs() []*live.Frame { return []*live.Frame{Metadata(), VideoConfig(), AudioConfig()} }

// GOPs returns a whole stream of n groups of pictures, that is n seconds: Configs, then pictures and sound in the order
// of their time, from 0 on.
func GOPs(n int) []*live.Frame { return append(Configs(), Media(0, n)...) }

// Media returns the pictures and the sound of the seconds from first up to, but without, end.
func Media(first, end int) []*live.Frame {
	var frames []*live.Frame
	audio := (first*SampleRate + SamplesPerFrame - 1) / SamplesPerFrame
	for v := first * GOPFrames; v < end*GOPFrames; v++ {
		frames = append(frames, Video(v))
		for ; audioTime(audio) < uint32((v+1)*FrameInterval); audio++ {
			if audioTime(audio) >= uint32(first*1000) {
				frames = append(frames, Audio(audio))
			}
		}
	}
	return frames
}

func audioTime(n int) uint32 { return uint32(int64(n) * SamplesPerFrame * 1000 / SampleRate) }

func must(kind live.Kind, time uint32, body []byte) *live.Frame {
	f, err := live.ParseTag(kind, time, body)
	if err != nil {
		panic(err) // a mistake in this file
	}
	return f
}
