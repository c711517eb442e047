package codec

import (
	"fmt"
	"slices"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
)

// An AAC is an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1).
type AAC struct {
	mpeg4audio.AudioSpecificConfig

	rateIndex int // the index of SampleRate, or -1 if it has none
}

// aacRates are the sample rates that have an index (ISO/IEC 14496-3, table 1.18).
var aacRates = []int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// ParseAAC reads an AudioSpecificConfig of AAC-LC, HE-AAC or HE-AACv2.
func ParseAAC(b []byte) (*AAC, error) {
	var c AAC
	if err := c.Unmarshal(b); err != nil {
		return nil, fmt.Errorf("%w: AAC: %w", ErrRecord, err)
	}
	if c.SampleRate == 0 {
		return nil, fmt.Errorf("%w: AAC without sample rate", ErrRecord)
	}
	c.rateIndex = slices.Index(aacRates, c.SampleRate)
	return &c, nil
}

// String returns the codec as RFC 6381, 3.3 names it: "mp4a.40.2", or .5 and .29 where an extension is announced.
func (c *AAC) String() string {
	kind := c.Type
	if c.ExtensionType != 0 {
		kind = c.ExtensionType
	}
	return fmt.Sprintf("mp4a.40.%d", kind)
}

// Rate returns the sample rate in Hz of what is coded, which HE-AAC doubles.
func (c *AAC) Rate() int { return c.SampleRate }

// Channels returns the number of channels that are coded. Where only the frames tell, it is 2.
func (c *AAC) Channels() int {
	switch c.ChannelConfig {
	case 0:
		return 2
	case 7:
		return 8
	}
	return int(c.ChannelConfig)
}

// Samples returns 1024, or 960 where the configuration says so, for a frame that is not empty.
func (c *AAC) Samples(frame []byte) int {
	switch {
	case len(frame) == 0:
		return 0
	case c.FrameLengthFlag:
		return 960
	}
	return 1024
}

// ADTSBytes is the size of an ADTS header.
const ADTSBytes = 7

// maxADTS is the largest frame that an ADTS header can announce, header included.
const maxADTS = 1<<13 - 1

// FitsADTS tells whether a frame of n bytes of this configuration can be given an ADTS header: its sample rate must have
// an index, and the length field must hold it.
func (c *AAC) FitsADTS(n int) bool {
	return c.rateIndex >= 0 && n > 0 && n+ADTSBytes <= maxADTS
}

// AppendADTS appends the ADTS header of a raw frame of n bytes (ISO/IEC 14496-3, 1.A.2.2.1), without checksum. FitsADTS
// must hold. HE-AAC is announced as the AAC-LC that it extends, which decoders recognise.
func (c *AAC) AppendADTS(dst []byte, n int) []byte {
	n += ADTSBytes
	const fullness = 0x7ff // variable rate
	profile := int(c.Type) - 1
	channels := int(c.ChannelConfig)
	return append(dst,
		0xff,
		0xf1, // MPEG-4, layer 0, no checksum
		byte(profile<<6|c.rateIndex<<2|channels>>2),
		byte(channels<<6|n>>11),
		byte(n>>3),
		byte(n<<5|fullness>>6),
		byte(fullness<<2&0xff),
	)
}
