package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// Debian's ffmpeg neither writes nor reads Enhanced RTMP. So what it has encoded is taken out of its files here and made
// into tags, and what was received is put into Matroska for it to decode: both hold the same bytes of each codec.

// A track is the pictures or the sound of a film.
type track struct {
	kind    live.Kind
	codec   live.FourCC
	samples []sample // the configuration first, if the codec has one
}

// A sample is a frame of a track, or its configuration.
type sample struct {
	time        int64 // of decoding, in nanoseconds from the start of the film
	shown       int64 // of presentation
	key, config bool
	data        []byte
}

// millis returns the time and the offset that FLV has room for.
func (s *sample) millis() (time int64, offset int32) {
	time = s.time / 1e6
	return time, int32(s.shown/1e6 - time)
}

// codecs are the FourCCs of Enhanced RTMP by ffmpeg's names, and whether a configuration is sent.
var codecs = map[string]struct {
	fourCC     live.FourCC
	configured bool
}{
	"h264": {live.CodecAVC, true}, "hevc": {live.CodecHEVC, true}, "av1": {live.CodecAV1, true}, "vp9": {live.CodecVP9, true},
	"vp8": {live.CodecVP8, false}, "aac": {live.CodecAAC, true}, "mp3": {live.CodecMP3, false}, "opus": {live.CodecOpus, true},
	"flac": {live.CodecFLAC, true}, "ac3": {live.CodecAC3, false}, "eac3": {live.CodecEAC3, false},
}

// demux returns the tracks of the film.
func (m *movie) demux(t testing.TB) (tracks []track) {
	t.Helper()
	var found struct {
		Streams []struct {
			Codec    string `json:"codec_name"`
			Type     string `json:"codec_type"`
			TimeBase string `json:"time_base"`
			Config   string `json:"extradata"`
		} `json:"streams"`
		Packets []struct {
			Stream int    `json:"stream_index"`
			PTS    int64  `json:"pts"`
			DTS    int64  `json:"dts"`
			Flags  string `json:"flags"`
			Data   string `json:"data"`
		} `json:"packets"`
	}
	out := must(t, "ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_packets", "-show_data", m.path)
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	tick := make([]int64, len(found.Streams)) // per second
	for i, s := range found.Streams {
		if _, err := fmt.Sscanf(s.TimeBase, "1/%d", &tick[i]); err != nil {
			t.Fatal(err)
		}
		tr := track{kind: live.KindVideo, codec: codecs[s.Codec].fourCC}
		if s.Type == "audio" {
			tr.kind = live.KindAudio
		}
		if codecs[s.Codec].configured {
			tr.samples = []sample{{config: true, key: true, data: m.record(t, tr.codec, undump(t, s.Config))}}
		}
		tracks = append(tracks, tr)
	}
	for _, p := range found.Packets {
		tr := &tracks[p.Stream]
		tr.samples = append(tr.samples, sample{
			time: p.DTS * 1e9 / tick[p.Stream], shown: p.PTS * 1e9 / tick[p.Stream],
			key: p.Flags[0] == 'K', data: undump(t, p.Data),
		})
	}
	fromZero(tracks)
	return tracks
}

// record makes the configuration record of Enhanced RTMP of what ffmpeg keeps.
func (m *movie) record(t testing.TB, codec live.FourCC, config []byte) []byte {
	t.Helper()
	switch codec {
	case live.CodecFLAC:
		const lastBlock = 0x80 // of type 0, STREAMINFO
		return append([]byte{'f', 'L', 'a', 'C', lastBlock, 0, 0, byte(len(config))}, config...)
	case live.CodecVP9:
		// ffmpeg takes the record apart, so it is read where it stands in the file: behind version and flags of its box.
		const box, record = 4, 8
		_, rest, ok := bytes.Cut(readFile(t, m.path), []byte("vpcC"))
		if !ok || len(rest) < box+record {
			t.Fatalf("%s has no record of VP9", m.path)
		}
		return rest[box : box+record]
	}
	return config
}

// fromZero lets the time of the first sample be 0. B-frames and the priming of sound begin before.
func fromZero(tracks []track) {
	start := int64(0)
	for _, tr := range tracks {
		for _, s := range tr.samples {
			start = min(start, s.time)
		}
	}
	for _, tr := range tracks {
		for i := range tr.samples {
			if s := &tr.samples[i]; !s.config {
				s.time, s.shown = s.time-start, s.shown-start
			}
		}
	}
}

// undump reads bytes as ffprobe prints them: 16 to a line, in pairs, between their place and their text.
func undump(t testing.TB, dump string) (b []byte) {
	t.Helper()
	const digits = 8 * len("0000 ")
	for l := range strings.Lines(dump) {
		_, l, ok := strings.Cut(l, ": ")
		if !ok || len(l) < digits {
			continue
		}
		row, err := hex.DecodeString(strings.ReplaceAll(l[:digits], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, row...)
	}
	return b
}

// A packing makes the tag body of a sample.
type packing func(tr *track, s *sample) []byte

// packLegacy packs as FLV does since Adobe, with HEVC as most encoders without Enhanced RTMP have it.
func packLegacy(tr *track, s *sample) []byte {
	ids := map[live.FourCC]byte{live.CodecAVC: 7, live.CodecHEVC: 12, live.CodecAAC: 0xaf, live.CodecMP3: 0x2f}
	id, packet := ids[tr.codec], byte(1)
	if s.config {
		packet = 0
	}
	switch tr.codec {
	case live.CodecMP3:
		return append([]byte{id}, s.data...)
	case live.CodecAAC:
		return append([]byte{id, packet}, s.data...)
	}
	_, offset := s.millis()
	return append([]byte{frameType(s.key)<<4 | id, packet, byte(offset >> 16), byte(offset >> 8), byte(offset)}, s.data...)
}

// The packet types of Enhanced RTMP that are packed here.
const (
	sequenceStart   = 0
	codedFrames     = 1
	codedFramesX    = 3
	metadata        = 4
	audioMultitrack = 5
	videoMultitrack = 6
	modEx           = 7
)

// packEnhanced packs as Enhanced RTMP says.
func packEnhanced(tr *track, s *sample) []byte {
	packet, content := enhance(tr, s, true)
	return slices.Concat([]byte{exHead(tr.kind, s.key) | packet}, fourCC(tr.codec), content)
}

// packPlain is packEnhanced, but always with the packet type that the samples of several tracks can share.
func packPlain(tr *track, s *sample) []byte {
	packet, content := enhance(tr, s, false)
	return slices.Concat([]byte{exHead(tr.kind, s.key) | packet}, fourCC(tr.codec), content)
}

// packNano is packPlain with a modifier that gives the time its nanoseconds.
func packNano(tr *track, s *sample) []byte {
	const timestampOffsetNano = 0
	packet, content := enhance(tr, s, false)
	nano := s.time % 1e6
	modified := []byte{
		exHead(tr.kind, s.key) | modEx, 3 - 1, byte(nano >> 16), byte(nano >> 8), byte(nano),
		timestampOffsetNano<<4 | packet,
	}
	return slices.Concat(modified, fourCC(tr.codec), content)
}

// enhance returns the packet type of a sample and what follows the FourCC. With brief, no offset is sent where it is 0.
func enhance(tr *track, s *sample, brief bool) (packet byte, content []byte) {
	_, offset := s.millis()
	switch {
	case s.config:
		return sequenceStart, s.data
	case tr.codec != live.CodecAVC && tr.codec != live.CodecHEVC:
		return codedFrames, s.data
	case brief && offset == 0:
		return codedFramesX, s.data
	}
	return codedFrames, append([]byte{byte(offset >> 16), byte(offset >> 8), byte(offset)}, s.data...)
}

// exHead returns the first byte of a tag, which the packet type is still to be put into.
func exHead(kind live.Kind, key bool) byte {
	if kind == live.KindAudio {
		return 9 << 4
	}
	return 0x80 | frameType(key)<<4
}

func frameType(key bool) byte {
	if key {
		return 1
	}
	return 2
}

func fourCC(c live.FourCC) []byte { return binary.BigEndian.AppendUint32(nil, uint32(c)) }

// tagsOf returns tracks as a publisher sends them: by time, what describes them first.
func tagsOf(t testing.TB, pack packing, tracks ...track) (tags []*live.Frame) {
	t.Helper()
	for i := range tracks {
		for j := range tracks[i].samples {
			s := &tracks[i].samples[j]
			time, _ := s.millis()
			f, err := live.ParseTag(tracks[i].kind, uint32(time), pack(&tracks[i], s))
			if err != nil {
				t.Fatal(err)
			}
			tags = append(tags, f)
		}
	}
	return inOrder(tags)
}

func inOrder(tags []*live.Frame) []*live.Frame {
	rank := func(f *live.Frame) int64 {
		if f.Config {
			return -1
		}
		return f.Time
	}
	slices.SortStableFunc(tags, func(a, b *live.Frame) int { return int(rank(a) - rank(b)) })
	return tags
}

// matroskaCodecs are Matroska's names of the codecs.
var matroskaCodecs = map[live.FourCC]string{
	live.CodecAVC: "V_MPEG4/ISO/AVC", live.CodecHEVC: "V_MPEGH/ISO/HEVC", live.CodecAV1: "V_AV1", live.CodecVP9: "V_VP9",
	live.CodecVP8: "V_VP8", live.CodecAAC: "A_AAC", live.CodecMP3: "A_MPEG/L3", live.CodecOpus: "A_OPUS",
	live.CodecFLAC: "A_FLAC", live.CodecAC3: "A_AC3", live.CodecEAC3: "A_EAC3",
}

// matroska returns the pictures and the sound among frames, of which there must be one track each, as a file.
func matroska(frames []*live.Frame) []byte {
	var entries, clusters []byte
	known := make(map[live.Kind]bool)
	start := startOf(frames)
	for _, f := range frames {
		if f.Kind == live.KindData {
			continue
		}
		if !known[f.Kind] {
			known[f.Kind] = true
			entries = append(entries, matroskaTrack(f)...)
		}
		if f.Media() {
			time := binary.BigEndian.AppendUint64(nil, uint64(f.Time-start+int64(f.Offset)))
			block := append([]byte{0x80 | byte(f.Kind), 0, 0, 0x80}, f.Payload()...)
			clusters = append(clusters, element(0x1f43b675, element(0xe7, time), element(0xa3, block))...)
		}
	}
	head := element(0x1a45dfa3, element(0x4282, []byte("matroska")))
	scale := element(0x1549a966, element(0x2ad7b1, []byte{0x0f, 0x42, 0x40})) // milliseconds
	return slices.Concat(head, element(0x18538067, scale, element(0x1654ae6b, entries), clusters))
}

// startOf returns the time of the first frame to be decoded.
func startOf(frames []*live.Frame) int64 {
	start := int64(math.MaxInt64)
	for _, f := range frames {
		if f.Media() {
			start = min(start, f.Time)
		}
	}
	return start
}

// matroskaTrack describes the track of f, which is its configuration unless it needs none.
func matroskaTrack(f *live.Frame) []byte {
	number := []byte{byte(f.Kind)} // which are Matroska's types too
	fields := slices.Concat(element(0xd7, number), element(0x73c5, number), element(0x83, number),
		element(0x86, []byte(matroskaCodecs[f.Codec])))
	if f.Config {
		fields = append(fields, element(0x63a2, f.Payload())...)
	}
	return element(0xae, fields)
}

// element returns an EBML element.
func element(id uint32, content ...[]byte) []byte {
	all := slices.Concat(content...)
	b := bytes.TrimLeft(binary.BigEndian.AppendUint32(nil, id), "\x00")
	b = binary.BigEndian.AppendUint64(b, 1<<56|uint64(len(all)))
	return append(b, all...)
}
