package codec

import "fmt"

// An MP3 is the header of a frame of MPEG audio, layer III (ISO/IEC 11172-3, 2.4.1.3, ISO/IEC 13818-3, and the extension to
// lower rates that is called MPEG-2.5).
type MP3 struct {
	rate, channels, size, samples int
}

// mp3Rates are the sample rates of MPEG-1; MPEG-2 has half, MPEG-2.5 a quarter of them.
var mp3Rates = [3]int{44100, 48000, 32000}

// mp3Bitrates are in kbit/s, for MPEG-1 and for the others.
var mp3Bitrates = [2][15]int{
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
}

const mp3HeadBytes = 4

// ParseMP3 reads the header of a frame.
func ParseMP3(frame []byte) (*MP3, error) {
	c, ok := parseMP3(frame)
	if !ok {
		return nil, fmt.Errorf("%w: MP3 frame of %d bytes", ErrRecord, len(frame))
	}
	return &c, nil
}

func parseMP3(b []byte) (c MP3, ok bool) {
	if len(b) < mp3HeadBytes || b[0] != 0xff || b[1]&0xe6 != 0xe2 { // synchronisation, layer III
		return c, false
	}
	version, bitrate, rate := b[1]>>3&3, b[2]>>4, b[2]>>2&3
	if version == 1 || bitrate == 0 || bitrate == 15 || rate == 3 {
		return c, false
	}
	c.rate, c.samples = mp3Rates[rate], 1152
	row := 0
	if version != 3 {
		row, c.samples = 1, 576
		c.rate >>= 1
		if version == 0 {
			c.rate >>= 1
		}
	}
	c.size = c.samples / 8 * mp3Bitrates[row][bitrate] * 1000 / c.rate
	c.size += int(b[2] >> 1 & 1) // padding
	c.channels = 2
	if b[3]>>6 == 3 {
		c.channels = 1
	}
	return c, true
}

// String returns the codec as RFC 6381, 3.3 names it, by its audio object type: "mp4a.40.34".
func (c *MP3) String() string { return "mp4a.40.34" }

// Rate returns the sample rate in Hz.
func (c *MP3) Rate() int { return c.rate }

// Channels returns 1 or 2.
func (c *MP3) Channels() int { return c.channels }

// Samples returns the samples of the frames that the payload holds, of which there may be several.
func (c *MP3) Samples(payload []byte) (n int) {
	for {
		f, ok := parseMP3(payload)
		if !ok || f.rate != c.rate {
			return n
		}
		n += f.samples
		payload = payload[min(f.size, len(payload)):]
	}
}
