package stats

import (
	"bytes"

	"github.com/bluenviron/mediacommon/v2/pkg/bits"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/ac3"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/eac3"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/flac"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg1audio"
)

// The audio object types that SRS names (ISO/IEC 14496-3, table 1.17), and the escape to those above 31.
const (
	aacMain   = 1
	aacLC     = 2
	aacSSR    = 3
	aacSBR    = 5
	aacPS     = 29
	aacEscape = 31
)

// aacRates are the sample rates by samplingFrequencyIndex (ISO/IEC 14496-3, table 1.18); index 15 is followed by a rate.
var aacRates = [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// aacChannels are the channels by channelConfiguration (table 1.19). 0 means that the stream itself tells.
var aacChannels = [16]int{0, 1, 2, 3, 4, 5, 6, 8, 11: 7, 12: 8, 14: 8}

// aacRow reads an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1). The rate and channels are those that a decoder gives
// out: twice those that are coded, where SBR or parametric stereo is announced.
func aacRow(config []byte) *audioRow {
	r := bitReader{buf: config}
	object := r.aacObject()
	rate := r.aacRate()
	channels := aacChannels[r.bits(4)]
	switch object {
	case aacSBR, aacPS:
		rate = r.aacRate()
	case aacLC:
		object, rate = r.aacExtension(rate)
	}
	row := &audioRow{Codec: "AAC", Profile: other}
	if r.failed {
		return row
	}
	if object == aacPS && channels == 1 {
		channels = 2
	}
	row.SampleRate, row.Channel = rate, channels
	if name := aacProfiles[object]; name != "" {
		row.Profile = name
	}
	return row
}

var aacProfiles = map[int]string{aacMain: "Main", aacLC: "LC", aacSSR: "SSR", aacSBR: "HE", aacPS: "HEv2"}

// opusRow reads an identification header (RFC 7845, 5.1). Opus is always decoded at 48 kHz.
func opusRow(config []byte) *audioRow {
	row := &audioRow{Codec: "Opus", SampleRate: 48000, Profile: other}
	if len(config) >= 10 && string(config[:8]) == "OpusHead" {
		row.Channel = int(config[9])
	}
	return row
}

// mp3Row reads a frame (ISO/IEC 11172-3, 2.4.1.3).
func mp3Row(frame []byte) *audioRow {
	row := &audioRow{Codec: "MP3", Profile: other}
	var h mpeg1audio.FrameHeader
	if h.Unmarshal(frame) == nil {
		row.SampleRate, row.Channel = h.SampleRate, 2
		if h.ChannelMode == mpeg1audio.ChannelModeMono {
			row.Channel = 1
		}
	}
	return row
}

// flacRow reads the start of a stream: a marker, and the head of a metadata block, which is STREAMINFO (RFC 9639, 8.2).
func flacRow(config []byte) *audioRow {
	row := &audioRow{Codec: other, Profile: other}
	const blockHead = 4
	info, ok := bytes.CutPrefix(config, []byte("fLaC"))
	var s flac.StreamInfo
	if ok && len(info) > blockHead && s.Unmarshal(info[blockHead:]) == nil {
		row.SampleRate, row.Channel = int(s.SampleRate), int(s.ChannelCount)
	}
	return row
}

// ac3Row reads a frame (ETSI TS 102 366, 4.3).
func ac3Row(frame []byte) *audioRow {
	row := &audioRow{Codec: other, Profile: other}
	const syncInfo = 5
	var s ac3.SyncInfo
	var b ac3.BSI
	if s.Unmarshal(frame) == nil && b.Unmarshal(frame[syncInfo:]) == nil {
		row.SampleRate, row.Channel = s.SampleRate(), b.ChannelCount()
	}
	return row
}

// eac3Row reads a frame (ETSI TS 102 366, E.1.2). Channels of dependent substreams are not counted.
func eac3Row(frame []byte) *audioRow {
	row := &audioRow{Codec: other, Profile: other}
	var s eac3.SyncInfo
	if s.Unmarshal(frame) == nil {
		row.SampleRate, row.Channel = s.SampleRate(), s.ChannelCount()
	}
	return row
}

// A bitReader reads numbers. After the end it gives 0 and has failed.
type bitReader struct {
	buf    []byte
	pos    int
	failed bool
}

func (r *bitReader) bits(n int) int {
	v, err := bits.ReadBits(r.buf, &r.pos, n)
	if err != nil {
		r.failed = true
		return 0
	}
	return int(v)
}

func (r *bitReader) aacObject() int {
	object := r.bits(5)
	if object == aacEscape {
		object = 32 + r.bits(6)
	}
	return object
}

func (r *bitReader) aacRate() int {
	i := r.bits(4)
	if i == 15 {
		return r.bits(24)
	}
	if i >= len(aacRates) {
		r.failed = true
		return 0
	}
	return aacRates[i]
}

// aacExtension looks behind an LC configuration for the backward compatible announcement of SBR and parametric stereo,
// and returns what is in force then.
func (r *bitReader) aacExtension(rate int) (object, newRate int) {
	// What is missing here is no failure, so a copy reads on.
	rest := *r
	rest.bits(1) // frameLengthFlag
	if rest.bits(1) == 1 {
		rest.bits(14) // coreCoderDelay
	}
	extended := rest.bits(1) == 1
	if extended || rest.bits(11) != 0x2b7 || rest.aacObject() != aacSBR || rest.bits(1) == 0 {
		return aacLC, rate
	}
	newRate = rest.aacRate()
	if rest.failed {
		return aacLC, rate
	}
	if rest.bits(11) == 0x548 && rest.bits(1) == 1 {
		return aacPS, newRate
	}
	return aacSBR, newRate
}
