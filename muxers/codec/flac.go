package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/flac"
)

// A FLAC is the STREAMINFO of a stream (RFC 9639, 8.2).
type FLAC struct {
	flac.StreamInfo

	// Block is the metadata block without its header, 34 bytes. It shares the bytes it was read from.
	Block []byte
}

const (
	flacBlockHead = 4
	flacInfoBytes = 34
)

// ParseFLAC reads the start of a stream: the marker "fLaC", and metadata blocks, of which STREAMINFO is the first.
func ParseFLAC(b []byte) (*FLAC, error) {
	b, _ = bytes.CutPrefix(b, []byte("fLaC"))
	if len(b) < flacBlockHead+flacInfoBytes || b[0]&0x7f != 0 {
		return nil, fmt.Errorf("%w: FLAC header of %d bytes", ErrRecord, len(b))
	}
	c := &FLAC{Block: b[flacBlockHead : flacBlockHead+flacInfoBytes : flacBlockHead+flacInfoBytes]}
	if err := c.Unmarshal(c.Block); err != nil {
		return nil, fmt.Errorf("%w: FLAC: %w", ErrRecord, err)
	}
	if c.SampleRate == 0 {
		return nil, fmt.Errorf("%w: FLAC without sample rate", ErrRecord)
	}
	return c, nil
}

// String returns "fLaC", as Encapsulation of FLAC in ISO Base Media File Format, 3.3.1 names the sample entry.
func (c *FLAC) String() string { return "fLaC" }

// Rate returns the sample rate in Hz.
func (c *FLAC) Rate() int { return int(c.SampleRate) }

// Channels returns the number of channels.
func (c *FLAC) Channels() int { return int(c.ChannelCount) }

// Samples returns the block size that a frame's header tells (RFC 9639, 9.1).
func (c *FLAC) Samples(frame []byte) int {
	if len(frame) < 6 || frame[0] != 0xff || frame[1]&0xfe != 0xf8 {
		return 0
	}
	code := frame[2] >> 4
	switch {
	case code == 0:
		return 0
	case code == 1:
		return 192
	case code <= 5:
		return 576 << (code - 2)
	case code >= 8:
		return 256 << (code - 8)
	}
	// The size stands behind the frame's or sample's number, which is as long as its leading ones say.
	number := max(bits.LeadingZeros8(^frame[4]), 1)
	rest := frame[min(4+number, len(frame)):]
	switch {
	case code == 6 && len(rest) >= 1:
		return int(rest[0]) + 1
	case code == 7 && len(rest) >= 2:
		return int(binary.BigEndian.Uint16(rest)) + 1
	}
	return 0
}
