package codec

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/ac3"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/eac3"
)

// An AC3 is what a frame of AC-3 says of its stream (ETSI TS 102 366, 4.3 and 4.4).
type AC3 struct {
	ac3.SyncInfo
	ac3.BSI
}

const ac3SyncBytes = 5

// ParseAC3 reads the start of a frame.
func ParseAC3(frame []byte) (*AC3, error) {
	var c AC3
	if err := c.SyncInfo.Unmarshal(frame); err != nil {
		return nil, fmt.Errorf("%w: AC-3: %w", ErrRecord, err)
	}
	if err := c.BSI.Unmarshal(padded(frame[ac3SyncBytes:])); err != nil {
		return nil, fmt.Errorf("%w: AC-3: %w", ErrRecord, err)
	}
	return &c, nil
}

// padded returns a copy of the first bytes of b, as many as the parsers of what they hold may touch.
func padded(b []byte) []byte {
	p := make([]byte, 8)
	copy(p, b)
	return p
}

// String returns "ac-3" (ETSI TS 102 366, F.3).
func (c *AC3) String() string { return "ac-3" }

// Rate returns the sample rate in Hz.
func (c *AC3) Rate() int { return c.SampleRate() }

// Channels returns the number of channels, that of low frequencies included.
func (c *AC3) Channels() int { return c.ChannelCount() }

// Samples returns 1536 for each frame that the payload holds.
func (c *AC3) Samples(payload []byte) (n int) {
	for {
		var s ac3.SyncInfo
		if s.Unmarshal(payload) != nil || s.FrameSize() > len(payload) {
			return n
		}
		n += ac3.SamplesPerFrame
		payload = payload[s.FrameSize():]
	}
}

// Specific returns the body of an AC3SpecificBox (ETSI TS 102 366, F.4).
func (c *AC3) Specific() []byte {
	v := uint32(c.Fscod)<<22 | uint32(c.Bsid)<<17 | uint32(c.Bsmod)<<14 | uint32(c.Acmod)<<11 | uint32(c.Frmsizecod>>1)<<5
	if c.LfeOn {
		v |= 1 << 10
	}
	return []byte{byte(v >> 16), byte(v >> 8), byte(v)}
}

// An EAC3 is what a frame of E-AC-3 says of its stream (ETSI TS 102 366, E.1.2).
type EAC3 struct {
	eac3.SyncInfo

	// Dependent is how many dependent substreams follow the independent one.
	Dependent int
}

// maxDependent bounds the dependent substreams, whose number has three bits.
const maxDependent = 8

// ParseEAC3 reads a frame. Streams of several independent substreams are not supported.
func ParseEAC3(payload []byte) (*EAC3, error) {
	var c EAC3
	if err := c.Unmarshal(payload); err != nil {
		return nil, fmt.Errorf("%w: E-AC-3: %w", ErrRecord, err)
	}
	if c.Strmtyp == eac3Dependent || c.Substreamid != 0 || c.SampleRate() == 0 {
		return nil, fmt.Errorf("%w: E-AC-3 substream %d", ErrRecord, c.Substreamid)
	}
	rest, size := payload, c.FrameSize()
	for c.Dependent < maxDependent && size < len(rest) {
		var s eac3.SyncInfo
		rest = rest[size:]
		if s.Unmarshal(rest) != nil || s.Strmtyp != eac3Dependent {
			break
		}
		c.Dependent++
		size = s.FrameSize()
	}
	return &c, nil
}

const eac3Dependent = 1

// String returns "ec-3" (ETSI TS 102 366, F.5).
func (c *EAC3) String() string { return "ec-3" }

// Rate returns the sample rate in Hz.
func (c *EAC3) Rate() int { return c.SampleRate() }

// Channels returns the number of channels of the independent substream.
func (c *EAC3) Channels() int { return max(c.ChannelCount(), 1) }

// eac3BlockSamples is how many samples a block has.
const eac3BlockSamples = 256

// Samples returns the samples of the independent frames that the payload holds.
func (c *EAC3) Samples(payload []byte) (n int) {
	for {
		var s eac3.SyncInfo
		if s.Unmarshal(payload) != nil || s.FrameSize() > len(payload) {
			return n
		}
		if s.Strmtyp != eac3Dependent && s.Substreamid == 0 {
			n += s.NumBlocks() * eac3BlockSamples
		}
		payload = payload[s.FrameSize():]
	}
}

// Specific returns the body of an EC3SpecificBox (ETSI TS 102 366, F.6) of one independent substream.
func (c *EAC3) Specific() []byte {
	bytesPerSecond := c.FrameSize() * c.SampleRate() / (c.NumBlocks() * eac3BlockSamples)
	rate := min(bytesPerSecond*8/1000, 1<<13-1)
	b := []byte{byte(rate >> 5), byte(rate << 3), c.Fscod<<6 | c.Bsid<<1, c.Acmod << 1, byte(c.Dependent) << 1}
	if c.Lfeon {
		b[3] |= 1
	}
	if c.Dependent > 0 {
		b = append(b, 0) // chan_loc: which places they are for is not looked into
	}
	return b
}
