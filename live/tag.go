package live

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrTag is what ParseTag returns, wrapped, for a tag that is broken. Such a tag is dropped and counted; it is no reason
// to end a session.
var ErrTag = errors.New("broken tag")

// FLV's codec ids and packet types, of which ParseTag reads no more than it must (Adobe Flash Video File Format
// Specification 10.1, E.4.2 and E.4.3).
const (
	videoAVC  = 7
	videoHEVC = 12 // not Adobe's: the habit of Chinese CDNs, which SRS and ffmpeg's forks follow
	videoAV1  = 13 // likewise

	audioMP3   = 2
	audioAAC   = 10
	audioMP3x8 = 14

	frameKey     = 1
	frameCommand = 5

	packetSequenceStart = 0
	packetCodedFrames   = 1
)

// maxConfigBytes bounds configurations, which a stream keeps for as long as it lives. The largest that encoders send have
// some kilobytes.
const maxConfigBytes = 256 << 10

// onMetaData is how the script tag of that name begins: an AMF0 string.
var onMetaData = []byte("\x02\x00\x0aonMetaData")

// ParseTags reads the header of a tag body of FLV or Enhanced RTMP and appends its frames to frames: one around the same
// bytes, which it owns from then on and may rearrange, or of a multitrack tag one for each track. time is the tag's, in
// milliseconds. A tag that is too short for what it says gives ErrTag; a codec that is not known is no error, since it can
// still be passed on.
func ParseTags(frames []*Frame, kind Kind, time uint32, body []byte) ([]*Frame, error) {
	if isMultitrack(kind, body) {
		return splitMultitrack(frames, kind, time, body)
	}
	f, err := ParseTag(kind, time, body)
	if err != nil {
		return frames, err
	}
	return append(frames, f), nil
}

// ParseTag is ParseTags for a tag of one track; one of several gives ErrTag.
func ParseTag(kind Kind, time uint32, body []byte) (*Frame, error) {
	f := &Frame{Kind: kind, Time: int64(time), Body: body}
	if len(body) == 0 {
		return nil, fmt.Errorf("%w: empty %s tag", ErrTag, kind)
	}
	var err error
	switch kind {
	case KindVideo:
		if body[0]&exHeader != 0 {
			err = f.parseExVideo()
		} else {
			err = f.parseVideo()
		}
	case KindAudio:
		f.Key = true
		if body[0]>>4 == audioExHeader {
			err = f.parseExAudio()
		} else {
			err = f.parseAudio()
		}
	case KindData:
		f.Config = bytes.HasPrefix(body, onMetaData)
	default:
		err = fmt.Errorf("%w: kind %d", ErrTag, kind)
	}
	if err != nil {
		return nil, err
	}
	if (f.Config || f.remark) && len(body) > maxConfigBytes {
		return nil, fmt.Errorf("%w: configuration of %s of %d bytes", ErrTag, f.Codec, len(body))
	}
	if f.Config && len(f.Payload()) == 0 {
		// Some encoders send one at first. It would displace a good one in every reader.
		return nil, fmt.Errorf("%w: empty configuration of %s", ErrTag, f.Codec)
	}
	return f, nil
}

func (f *Frame) parseVideo() error {
	f.Key = f.Body[0]>>4 == frameKey
	f.aside = f.Body[0]>>4 == frameCommand
	f.payload = 1
	switch f.Body[0] & 0x0f {
	case videoAVC:
		f.Codec = CodecAVC
	case videoHEVC:
		f.Codec = CodecHEVC
	case videoAV1:
		f.Codec = CodecAV1
	default:
		return nil
	}
	if f.aside {
		return nil
	}
	if len(f.Body) < 5 {
		return fmt.Errorf("%w: %s tag of %d bytes", ErrTag, f.Codec, len(f.Body))
	}
	f.payload = 5
	f.Config = f.Body[1] == packetSequenceStart
	f.aside = !f.Config && f.Body[1] != packetCodedFrames
	f.Key = f.Key && f.Body[1] == packetCodedFrames
	f.Offset = int24(f.Body[2:])
	return nil
}

func (f *Frame) parseAudio() error {
	f.payload = 1
	switch f.Body[0] >> 4 {
	case audioMP3, audioMP3x8:
		f.Codec = CodecMP3
	case audioAAC:
		f.Codec = CodecAAC
		if len(f.Body) < 2 {
			return fmt.Errorf("%w: %s tag of 1 byte", ErrTag, f.Codec)
		}
		f.payload = 2
		f.Config = f.Body[1] == packetSequenceStart
	}
	return nil
}

func int24(b []byte) int32 {
	return int32(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8) >> 8
}
