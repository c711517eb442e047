package flv

import (
	"encoding/binary"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// The sizes and tag types of the format.
const (
	headerBytes    = 9
	tagHeaderBytes = 11
	tailBytes      = 4 // the size of the tag before

	tagAudio = 8
	tagVideo = 9
	tagData  = 18

	reservedBits = 0xc0 // of the tag type; the bit below them marks what is encrypted

	flagVideo = 1
	flagAudio = 4
)

// appendHeader appends the file's header and the size of the tag before the first, which is none.
func appendHeader(b []byte, video, audio bool) []byte {
	flags := byte(0)
	if video {
		flags |= flagVideo
	}
	if audio {
		flags |= flagAudio
	}
	return append(b, 'F', 'L', 'V', 1, flags, 0, 0, 0, headerBytes, 0, 0, 0, 0)
}

// appendTag appends a frame with the given body as a tag, and its size. Time wraps at 2^32.
func appendTag(b []byte, f *live.Frame, body []byte) []byte {
	n, t := len(body), uint32(f.Time)
	b = append(b, tagType(f.Kind), byte(n>>16), byte(n>>8), byte(n), byte(t>>16), byte(t>>8), byte(t), byte(t>>24), 0, 0, 0)
	b = append(b, body...)
	return binary.BigEndian.AppendUint32(b, uint32(tagHeaderBytes+n))
}

func tagType(k live.Kind) byte {
	switch k {
	case live.KindAudio:
		return tagAudio
	case live.KindVideo:
		return tagVideo
	}
	return tagData
}

func kindOf(tagType byte) (k live.Kind, ok bool) {
	switch tagType {
	case tagAudio:
		return live.KindAudio, true
	case tagVideo:
		return live.KindVideo, true
	case tagData:
		return live.KindData, true
	}
	return 0, false
}
