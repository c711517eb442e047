package codectest

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// encoders are ffmpeg's arguments for each codec of a Movie.
var encoders = map[string][]string{
	"h264": {"-c:v", "libx264", "-preset", "ultrafast"},
	"hevc": {"-c:v", "libx265", "-preset", "ultrafast"},
	"av1":  {"-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-row-mt", "1", "-b:v", "200k"},
	"vp9":  {"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "200k"},
	"aac":  {"-c:a", "aac", "-ar", "44100"},
	"mp3":  {"-c:a", "libmp3lame", "-ar", "44100"},
	"opus": {"-c:a", "libopus", "-ar", "48000"},
	"flac": {"-c:a", "flac", "-strict", "-2", "-ar", "44100"},
	"ac3":  {"-c:a", "ac3", "-ar", "48000"},
	"eac3": {"-c:a", "eac3", "-ar", "48000"},
}

// Movie makes the film with any codec that encoders knows, as the tags of Enhanced RTMP, and returns its frames and ffmpeg's
// MP4 of the same samples.
func (m Film) Movie(t testing.TB) (frames []*live.Frame, file []byte) {
	t.Helper()
	if m.Seconds == 0 {
		m.Seconds = 4
	}
	if m.GOP == 0 {
		m.GOP = 2 * rate
	}
	var args []string
	gop := strconv.Itoa(m.GOP)
	switch m.Video {
	case "none":
		args = append(args, "-vn")
	case "hevc":
		args = append(args, encoders["hevc"]...)
		args = append(args, "-tag:v", "hvc1", "-x265-params",
			"log-level=error:scenecut=0:open-gop=0:keyint="+gop+":min-keyint="+gop+":bframes="+strconv.Itoa(m.BFrames))
	case "", "h264":
		args = append(args, encoders["h264"]...)
		args = append(args, "-g", gop, "-sc_threshold", "0", "-bf", strconv.Itoa(m.BFrames))
	default:
		args = append(append(args, encoders[m.Video]...), "-g", gop)
	}
	switch m.Audio {
	case "none":
		args = append(args, "-an")
	case "":
		args = append(args, encoders["aac"]...)
	default:
		args = append(args, encoders[m.Audio]...)
	}
	path := filepath.Join(t.TempDir(), "film.mp4")
	in := m.args(append(args, "-movflags", "delay_moov+default_base_moof+frag_keyframe", "-y", "-f", "mp4")...)
	run(t, append(in[:len(in)-1], path)...)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return movieTags(t, file), file
}

// movieTags turns a fragmented MP4 into tags, in the order of their decoding time.
func movieTags(t testing.TB, file []byte) []*live.Frame {
	t.Helper()
	var init fmp4.Init
	var parts fmp4.Parts
	at := bytes.Index(file, []byte("moof")) - 4
	if err := init.Unmarshal(bytes.NewReader(file[:at])); err != nil {
		t.Fatal(err)
	}
	if tail := bytes.LastIndex(file, []byte("mfra")); tail > 0 {
		file = file[:tail-4]
	}
	if err := parts.Unmarshal(file[at:]); err != nil {
		t.Fatal(err)
	}
	var all []*live.Frame
	for _, track := range init.Tracks {
		c := tagsOf(track.Codec, file[:at])
		list := []*live.Frame{c.tag(t, 0, 0, true, c.config)}
		if c.config == nil {
			list = nil
		}
		for _, part := range parts {
			list = append(list, c.samples(t, part, track)...)
		}
		all = merge(all, list)
	}
	return all
}

// tagged is a codec as Enhanced RTMP carries it.
type tagged struct {
	kind    live.Kind
	fourCC  string
	config  []byte
	offsets bool // coded frames have a composition offset
}

// samples returns the tags of a fragment, each of which begins with a key frame. (What it says of the first sample is
// nothing that the reader knows.)
func (c tagged) samples(t testing.TB, part *fmp4.Part, track *fmp4.InitTrack) (list []*live.Frame) {
	t.Helper()
	c.config = nil
	ms := func(ticks int64) int64 {
		scale := int64(track.TimeScale)
		return (ticks*1000 + scale/2) / scale
	}
	for _, p := range part.Tracks {
		if p.ID != track.ID {
			continue
		}
		time := int64(p.BaseTime)
		for i, s := range p.Samples {
			offset := ms(time+int64(s.PTSOffset)) - ms(time)
			list = append(list, c.tag(t, uint32(ms(time)), int32(offset), i == 0, s.Payload))
			time += int64(s.Duration)
		}
	}
	return list
}

func tagsOf(codec codecs.Codec, init []byte) tagged {
	switch c := codec.(type) {
	case *codecs.H264:
		return tagged{live.KindVideo, "avc1", boxBody(init, "avcC"), true}
	case *codecs.H265:
		return tagged{live.KindVideo, "hvc1", boxBody(init, "hvcC"), true}
	case *codecs.AV1:
		return tagged{live.KindVideo, "av01", boxBody(init, "av1C"), false}
	case *codecs.VP9:
		return tagged{live.KindVideo, "vp09", boxBody(init, "vpcC")[4:], false}
	case *codecs.MPEG4Audio:
		config, _ := c.Config.Marshal() // of a configuration that was read
		return tagged{live.KindAudio, "mp4a", config, false}
	case *codecs.MPEG1Audio:
		return tagged{live.KindAudio, ".mp3", nil, false}
	case *codecs.Opus:
		return tagged{live.KindAudio, "Opus", opusHead(boxBody(init, "dOps")), false}
	case *codecs.FLAC:
		return tagged{live.KindAudio, "fLaC", append([]byte("fLaC"), boxBody(init, "dfLa")[4:]...), false}
	case *codecs.AC3:
		return tagged{live.KindAudio, "ac-3", nil, false}
	case *codecs.EAC3:
		return tagged{live.KindAudio, "ec-3", nil, false}
	}
	return tagged{}
}

// boxBody returns what is in the first box of a kind.
func boxBody(b []byte, kind string) []byte {
	at := bytes.Index(b, []byte(kind)) - 4
	return slices.Clone(b[at+8 : at+int(binary.BigEndian.Uint32(b[at:]))])
}

// opusHead turns a dOps box, which is in big endian, into an identification header.
func opusHead(b []byte) []byte {
	head := append([]byte("OpusHead\x01"), b[1])
	head = binary.LittleEndian.AppendUint16(head, binary.BigEndian.Uint16(b[2:]))
	head = binary.LittleEndian.AppendUint32(head, binary.BigEndian.Uint32(b[4:]))
	head = binary.LittleEndian.AppendUint16(head, binary.BigEndian.Uint16(b[8:]))
	return append(head, b[10:]...)
}

// tag returns the tag of a sample; it is a sequence start if c has a configuration.
func (c tagged) tag(t testing.TB, time uint32, offset int32, key bool, payload []byte) *live.Frame {
	t.Helper()
	packet := byte(1) // coded frames
	if c.config != nil {
		packet = 0
	}
	head := 9<<4 | packet
	if c.kind == live.KindVideo {
		head = 0x80 | 2<<4 | packet
		if key {
			head = 0x80 | 1<<4 | packet
		}
	}
	body := append([]byte{head}, c.fourCC...)
	if packet == 1 && c.offsets {
		body = append(body, byte(offset>>16), byte(offset>>8), byte(offset))
	}
	f, err := live.ParseTag(c.kind, time, append(body, payload...))
	if err != nil {
		t.Fatal(err)
	}
	return f
}
