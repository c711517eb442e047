package live

import (
	"encoding/binary"
	"fmt"
)

// The headers of Enhanced RTMP v2, "Enhanced Video" and "Enhanced Audio". Packet types 0 and 1 are FLV's.
const (
	exHeader      = 0x80 // of a video tag's first byte
	audioExHeader = 9    // in the place of an audio tag's codec id

	packetSequenceEnd          = 2
	packetCodedFramesX         = 3
	packetMetadata             = 4 // of video
	packetMultichannelConfig   = 4 // of audio
	packetMPEG2TSSequenceStart = 5 // of video
	packetAudioMultitrack      = 5
	packetVideoMultitrack      = 6
	packetModEx                = 7

	modExTimestampOffsetNano = 0

	nanosPerMilli = 1_000_000
)

func (f *Frame) parseExVideo() error {
	b := f.Body
	frameType := b[0] >> 4 & 7
	packet, pos, err := f.parseModEx()
	if err != nil {
		return err
	}
	if frameType == frameCommand && packet != packetMetadata {
		f.payload, f.aside = int32(pos), true
		return nil
	}
	if packet == packetVideoMultitrack {
		return errMultitrack
	}
	if pos, err = f.parseFourCC(pos); err != nil {
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
	f.remark = packet == packetMetadata
	f.Key = frameType == frameKey && !f.Config && !f.aside
	return nil
}

func (f *Frame) parseExAudio() error {
	packet, pos, err := f.parseModEx()
	if err != nil {
		return err
	}
	if packet == packetAudioMultitrack {
		return errMultitrack
	}
	pos, err = f.parseFourCC(pos)
	f.payload = int32(pos)
	f.Config = packet == packetSequenceStart
	f.aside = !f.Config && packet != packetCodedFrames
	f.remark = packet == packetMultichannelConfig
	return err
}

func (f *Frame) parseFourCC(pos int) (int, error) {
	if len(f.Body) < pos+4 {
		return pos, fmt.Errorf("%w: %s tag without its FourCC", ErrTag, f.Kind)
	}
	f.fourCC = int32(pos)
	f.Codec = FourCC(binary.BigEndian.Uint32(f.Body[pos:]))
	return pos + 4, nil
}

// parseModEx reads the modifiers, if there are any, and returns the packet type and the place after it.
func (f *Frame) parseModEx() (packet byte, pos int, err error) {
	b := f.Body
	for packet, pos = b[0]&0x0f, 1; packet == packetModEx; {
		data, next, err := cutModEx(b, pos)
		if err != nil {
			return 0, 0, err
		}
		if b[next]>>4 == modExTimestampOffsetNano && len(data) >= 3 {
			if nano := uint32(data[0])<<16 | uint32(data[1])<<8 | uint32(data[2]); nano < nanosPerMilli {
				f.Nano = nano
			}
		}
		packet, pos = b[next]&0x0f, next+1
	}
	return packet, pos, nil
}

// cutModEx returns the data of the modifier at pos, and where the byte with its type and the next packet type stands.
func cutModEx(b []byte, pos int) (data []byte, next int, err error) {
	if len(b) < pos+1 {
		return nil, 0, errModEx
	}
	size := int(b[pos]) + 1
	pos++
	if size == 256 {
		if len(b) < pos+2 {
			return nil, 0, errModEx
		}
		size = int(binary.BigEndian.Uint16(b[pos:])) + 1
		pos += 2
	}
	if len(b) < pos+size+1 {
		return nil, 0, errModEx
	}
	return b[pos : pos+size], pos + size, nil
}

var (
	errModEx      = fmt.Errorf("%w: cut in a modifier", ErrTag)
	errMultitrack = fmt.Errorf("%w: a track of a multitrack tag has several tracks", ErrTag)
)
