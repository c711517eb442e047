package codec

import (
	"encoding/binary"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
)

// An Opus is an identification header (RFC 7845, 5.1).
type Opus struct {
	// PreSkip is how many samples of 48 kHz a decoder leaves out at the start, InputRate the rate before encoding, Gain is
	// in Q7.8 dB.
	PreSkip   uint16
	InputRate uint32
	Gain      int16
	// Family is the channel mapping family. Mapping is its table, empty for family 0: stream count, coupled count, and an
	// index for each channel.
	Family  byte
	Mapping []byte

	channels int
}

const opusHeadBytes = 19

// ParseOpus reads a header. Without one (nil) the stream is of one or two channels, as the packet tells.
func ParseOpus(b, packet []byte) (*Opus, error) {
	if b == nil && len(packet) > 0 {
		return &Opus{InputRate: opusRate, channels: 1 + int(packet[0]>>2&1)}, nil
	}
	if len(b) < opusHeadBytes || string(b[:8]) != "OpusHead" || b[8]>>4 != 0 || b[9] == 0 {
		return nil, fmt.Errorf("%w: Opus header of %d bytes", ErrRecord, len(b))
	}
	c := &Opus{
		PreSkip:   binary.LittleEndian.Uint16(b[10:]),
		InputRate: binary.LittleEndian.Uint32(b[12:]),
		Gain:      int16(binary.LittleEndian.Uint16(b[16:])),
		Family:    b[18],
		channels:  int(b[9]),
	}
	switch table := b[opusHeadBytes:]; {
	case c.Family == 0 && c.channels <= 2:
	case c.Family != 0 && len(table) >= 2+c.channels:
		c.Mapping = table[: 2+c.channels : 2+c.channels]
	default:
		return nil, fmt.Errorf("%w: Opus of %d channels without their mapping", ErrRecord, c.channels)
	}
	return c, nil
}

const opusRate = 48000

// String returns "opus", as RFC 6381 would name it by the registration in Encapsulation of Opus in ISO Base Media File
// Format, 4.3.
func (c *Opus) String() string { return "opus" }

// Rate returns 48000, at which Opus is always decoded.
func (c *Opus) Rate() int { return opusRate }

// Channels returns the number of output channels.
func (c *Opus) Channels() int { return c.channels }

// Samples returns the duration of a packet (RFC 6716, 3.1), which is 120 ms at most.
func (c *Opus) Samples(packet []byte) int {
	const longest = opusRate * 120 / 1000
	if n := opus.PacketDuration2(packet); n <= longest {
		return int(n)
	}
	return 0
}
