package live

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrTag is what ParseTag returns, wrapped, for a tag that is broken. Such a tag is dropped and counted; it is no reason
// to end a session.
var ErrTag = errors.New("broken tag")

// FLV's codec ids and packet types, of which ParseTag reads no more than it must (Adobe Flash Video File Format
// Specification 10.1, E.4.2 and E.4.3; Enhanced RTMP v2, "Enhanced Video" and "Enhanced Audio").
const (
	videoAVC  = 7
	videoHEVC = 12 // not Adobe's: the habit of Chinese CDNs, which SRS and ffmpeg's forks follow
	videoAV1  = 13 // likewise

	audioMP3      = 2
	audioExHeader = 9
	audioAAC      = 10
	audioMP3x8    = 14

	frameKey     = 1
	frameCommand = 5

	packetSequenceStart        = 0
	packetCodedFrames          = 1
	packetSequenceEnd          = 2
	packetCodedFramesX         = 3
	packetMetadata             = 4
	packetMPEG2TSSequenceStart = 5
	packetVideoMultitrack      = 6
	packetModEx                = 7

	packetMultichannelConfig = 4
	packetAudioMultitrack    = 5
)

// onMetaData is how the script tag of that name begins: an AMF0 string.
var onMetaData = []byte("\x02\x00\x0aonMetaData")

// ParseTag reads the header of a tag body of FLV or Enhanced RTMP and returns a frame around the same bytes, which it
// owns from then on. time is the tag's, in milliseconds. A tag that is too short for its header gives ErrTag; a codec
// that is not known is no error, since it can still be passed on.
func ParseTag(kind Kind, time uint32, body []byte) (*Frame, error) {
	f := &Frame{Kind: kind, Time: int64(time), Body: body}
	if len(body) == 0 {
		return nil, fmt.Errorf("%w: empty %s tag", ErrTag, kind)
	}
	var err error
	switch kind {
	case KindVideo:
		if body[0]&0x80 != 0 {
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

func (f *Frame) parseExVideo() error {
	b := f.Body
	frameType, packet := b[0]>>4&7, b[0]&0x0f
	pos := 1
	if packet == packetModEx {
		var err error
		if packet, pos, err = skipModEx(b, pos); err != nil {
			return err
		}
	}
	if frameType == frameCommand && packet != packetMetadata {
		f.payload, f.aside = int32(pos), true
		return nil
	}
	if packet == packetVideoMultitrack {
		return fmt.Errorf("%w: multitrack video is not supported", ErrTag)
	}
	pos, err := f.parseFourCC(pos)
	if err != nil {
		return err
	}
	if packet == packetCodedFrames && (f.Codec == CodecAVC || f.Codec == CodecHEVC) {
		if len(b) < pos+3 {
			return fmt.Errorf("%w: %s tag of %d bytes", ErrTag, f.Codec, len(b))
		}
		f.Offset = int24(b[pos:])
		pos += 3
	}
	f.payload = int32(pos)
	f.Config = packet == packetSequenceStart || packet == packetMPEG2TSSequenceStart
	f.aside = !f.Config && packet != packetCodedFrames && packet != packetCodedFramesX
	f.Key = frameType == frameKey && !f.Config && !f.aside
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

func (f *Frame) parseExAudio() error {
	packet, pos := f.Body[0]&0x0f, 1
	if packet == packetModEx {
		var err error
		if packet, pos, err = skipModEx(f.Body, pos); err != nil {
			return err
		}
	}
	if packet == packetAudioMultitrack {
		return fmt.Errorf("%w: multitrack audio is not supported", ErrTag)
	}
	pos, err := f.parseFourCC(pos)
	f.payload = int32(pos)
	f.Config = packet == packetSequenceStart
	f.aside = !f.Config && packet != packetCodedFrames
	return err
}

func (f *Frame) parseFourCC(pos int) (int, error) {
	if len(f.Body) < pos+4 {
		return pos, fmt.Errorf("%w: %s tag without its FourCC", ErrTag, f.Kind)
	}
	f.Codec = FourCC(binary.BigEndian.Uint32(f.Body[pos:]))
	return pos + 4, nil
}

// skipModEx passes over the modifiers of Enhanced RTMP v2 and returns the packet type and the place after them.
func skipModEx(b []byte, pos int) (packet byte, next int, err error) {
	for packet = packetModEx; packet == packetModEx; {
		if len(b) < pos+1 {
			return 0, 0, fmt.Errorf("%w: cut in a modifier", ErrTag)
		}
		size := int(b[pos]) + 1
		pos++
		if size == 256 {
			if len(b) < pos+2 {
				return 0, 0, fmt.Errorf("%w: cut in a modifier", ErrTag)
			}
			size = int(binary.BigEndian.Uint16(b[pos:])) + 1
			pos += 2
		}
		pos += size
		if len(b) < pos+1 {
			return 0, 0, fmt.Errorf("%w: cut in a modifier", ErrTag)
		}
		packet = b[pos] & 0x0f
		pos++
	}
	return packet, pos, nil
}

func int24(b []byte) int32 {
	return int32(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8) >> 8
}
