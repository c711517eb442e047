package e2e

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What the film shows. Each picture differs from all others, and the sound is one tone.
const (
	width, height = 640, 360
	pictureRate   = 30
	sampleRate    = 44100
	tone          = 440 // Hz
	otherTone     = 880 // of the mirrored film
)

// A movie is a film whose pictures are known, so that what a player decodes can be told from garbage.
type movie struct {
	path     string
	codec    string          // of the picture, as ffprobe names it; empty for none
	sound    string          // codec of the sound
	tone     int             // in Hz
	pictures map[string]bool // digests of all decoded pictures
}

// scene is ffmpeg's input of the film.
func scene(seconds int) []string { return sceneOf(seconds, tone) }

// mirrored is ffmpeg's input of a film that shares no picture with the others, and has another tone.
func mirrored(seconds int) []string { return append(sceneOf(seconds, otherTone), "-vf", "hflip") }

func sceneOf(seconds, tone int) []string {
	return []string{
		"-v", "error", "-y",
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=%dx%d:r=%d:d=%d", width, height, pictureRate, seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=f=%d:r=%d:d=%d", tone, sampleRate, seconds),
		"-pix_fmt", "yuv420p", "-t", strconv.Itoa(seconds), "-c:a", "aac", "-ac", "2", "-b:a", "64k",
	}
}

// x264 are ffmpeg's arguments for H.264 with B-frames and a key frame each second.
var x264 = []string{
	"-c:v", "libx264", "-preset", "veryfast", "-b:v", "500k", "-bf", "2", "-g", strconv.Itoa(pictureRate), "-sc_threshold", "0",
}

// shoot makes a film of a scene with ffmpeg's arguments for its codecs.
func shoot(path, codec string, scene []string, args ...string) (*movie, error) {
	if out, err := exec.Command("ffmpeg", slices.Concat(scene, args, []string{path})...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("making the film %s: %w\n%s", filepath.Base(path), err, out)
	}
	return develop(path, codec)
}

// develop decodes a film to learn its pictures.
func develop(path, codec string) (*movie, error) {
	out, err := exec.Command("ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-f", "framemd5", "-").Output()
	if err != nil {
		return nil, fmt.Errorf("decoding %s: %w", path, err)
	}
	m := &movie{path: path, codec: codec, sound: "aac", tone: tone, pictures: make(map[string]bool)}
	for _, digest := range digests(out) {
		m.pictures[digest] = true
	}
	return m, nil
}

// digests reads the last column of ffmpeg's framemd5 format.
func digests(framemd5 []byte) (list []string) {
	for l := range strings.Lines(string(framemd5)) {
		if fields := strings.Split(strings.TrimSpace(l), ","); l[0] != '#' && len(fields) == 6 {
			list = append(list, strings.TrimSpace(fields[5]))
		}
	}
	return list
}

// frameSamples is how many samples a frame of sound has.
var frameSamples = map[string]float64{"aac": 1024, "mp3": 1152}

// playtime is how much of a source is examined, in seconds.
const playtime = 3

// A medium is what ffprobe tells of a source.
type medium struct {
	Streams []struct {
		Index      int    `json:"index"`
		Codec      string `json:"codec_name"`
		Type       string `json:"codec_type"`
		Width      int    `json:"width"`
		Height     int    `json:"height"`
		SampleRate string `json:"sample_rate"`
		Channels   int    `json:"channels"`
	} `json:"streams"`
	Packets []struct {
		Stream int     `json:"stream_index"`
		DTS    float64 `json:"dts_time,string"`
	} `json:"packets"`
}

// examine checks that a source, which ends a list of ffmpeg's arguments, is the movie: codecs, sizes and rates, times
// that never fall, pictures that are the movie's own, and the tone.
func (m *movie) examine(t testing.TB, source ...string) {
	t.Helper()
	m.probe(t, source...)
	m.decode(t, source...)
}

// packets asks ffprobe about a source.
func packets(t testing.TB, args ...string) (found medium) {
	t.Helper()
	args = append([]string{"-v", "error", "-of", "json", "-show_streams", "-show_packets", "-analyzeduration", "1500000"}, args...)
	if err := json.Unmarshal(must(t, "ffprobe", args...), &found); err != nil {
		t.Fatal(err)
	}
	return found
}

// probe checks what is said of the streams, and the time of their packets.
func (m *movie) probe(t testing.TB, source ...string) {
	t.Helper()
	found := packets(t, append([]string{"-read_intervals", "%+" + strconv.Itoa(playtime)}, source...)...)
	want := 2
	if m.codec == "" {
		want = 1
	}
	if len(found.Streams) != want {
		t.Fatalf("%d streams: %+v", len(found.Streams), found.Streams)
	}
	for _, s := range found.Streams {
		switch s.Type {
		case "video":
			if s.Codec != m.codec || s.Width != width || s.Height != height {
				t.Errorf("the picture is %s %dx%d", s.Codec, s.Width, s.Height)
			}
			found.checkTimes(t, s.Index, pictureRate)
		case "audio":
			if s.Codec != m.sound || s.SampleRate != strconv.Itoa(sampleRate) || s.Channels != 2 {
				t.Errorf("the sound is %s %s Hz, %d channels", s.Codec, s.SampleRate, s.Channels)
			}
			found.checkTimes(t, s.Index, sampleRate/frameSamples[s.Codec])
		default:
			t.Errorf("a stream of %s", s.Type)
		}
	}
}

// checkTimes checks that the packets of a stream go on in time, at their rate.
func (f *medium) checkTimes(t testing.TB, stream int, rate float64) {
	t.Helper()
	var times []float64
	for _, p := range f.Packets {
		if p.Stream != stream {
			continue
		}
		if n := len(times); n > 0 && p.DTS < times[n-1] {
			t.Errorf("stream %d: DTS falls from %v to %v", stream, times[n-1], p.DTS)
		}
		times = append(times, p.DTS)
	}
	if len(times) < int(rate) {
		t.Fatalf("stream %d: only %d packets", stream, len(times))
	}
	n := len(times) - 1
	got := float64(n) / (times[n] - times[0])
	if math.Abs(got-rate) > rate/20 {
		t.Errorf("stream %d: %d packets at a rate of %.2f, want %.2f", stream, n+1, got, rate)
	}
}

// decode decodes picture and sound and compares them with the movie's.
func (m *movie) decode(t testing.TB, source ...string) {
	t.Helper()
	m.decodeFor(t, playtime, source...)
}

// decodeFor decodes some seconds.
func (m *movie) decodeFor(t testing.TB, seconds int, source ...string) {
	t.Helper()
	dir := t.TempDir()
	pictures, sound := filepath.Join(dir, "pictures"), filepath.Join(dir, "sound")
	args := []string{"-v", "error", "-xerror", "-analyzeduration", "1500000", "-t", strconv.Itoa(seconds)}
	args = append(args, source[:len(source)-1]...)
	args = append(args, "-i", source[len(source)-1])
	if m.codec != "" {
		args = append(args, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", pictures)
	}
	// Time stamps in milliseconds fall between samples, which a writer of PCM takes for a fault.
	args = append(args, "-map", "0:a", "-af", "asetpts=N/SR/TB", "-ac", "1", "-ar", strconv.Itoa(sampleRate), "-f", "s16le", sound)
	must(t, "ffmpeg", args...)
	if m.codec != "" {
		m.recognise(t, digests(readFile(t, pictures)), (seconds-1)*pictureRate)
	}
	checkPitch(t, readFile(t, sound), m.tone)
}

// recognise checks that all pictures of a list, of which there must be some, are the movie's.
func (m *movie) recognise(t testing.TB, digests []string, atLeast int) {
	t.Helper()
	foreign := 0
	for _, digest := range digests {
		if !m.pictures[digest] {
			foreign++
		}
	}
	if foreign > 0 || len(digests) < atLeast {
		t.Errorf("of %d decoded pictures %d are not the film's; want %d at least", len(digests), foreign, atLeast)
	}
}

// checkTone checks that PCM samples are the film's tone.
func checkTone(t testing.TB, pcm []byte) {
	t.Helper()
	checkPitch(t, pcm, tone)
}

// checkPitch checks that PCM samples are a tone.
func checkPitch(t testing.TB, pcm []byte, tone int) {
	t.Helper()
	// Where a film begins anew, an encoder's priming is up to two frames of silence.
	checkSound(t, pcm, tone, float64(tone)/20)
}

// checkSound checks PCM samples by their loudness, and by how often they pass through zero, with a tolerance in Hz.
func checkSound(t testing.TB, pcm []byte, tone int, tolerance float64) {
	t.Helper()
	const (
		start = 4096 // a decoder that joins needs a frame or two
		noise = 200  // does not pass through zero
	)
	n := len(pcm) / 2
	if n < 2*sampleRate {
		t.Errorf("only %d samples of sound", n)
		return
	}
	power, crossings, last := 0.0, 0, 0.0
	for i := start; i < n; i++ {
		v := float64(int16(binary.LittleEndian.Uint16(pcm[2*i:])))
		power += v * v
		if math.Abs(v) < noise {
			continue
		}
		if v*last < 0 {
			crossings++
		}
		last = v
	}
	seconds := float64(n-start) / sampleRate
	pitch := float64(crossings) / 2 / seconds
	if loud := math.Sqrt(power / float64(n-start)); loud < 500 || math.Abs(pitch-float64(tone)) > tolerance {
		t.Errorf("the sound has %.1f Hz at an amplitude of %.0f, want %d Hz", pitch, loud, tone)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// file writes bytes into a file of the test and returns its path.
func file(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// withSound returns the movie with its sound in another codec, and without pictures if codec says so.
func (m *movie) withSound(t testing.TB, codec, sound string, args ...string) *movie {
	t.Helper()
	n := *m
	n.codec, n.sound = codec, sound
	n.path = filepath.Join(t.TempDir(), sound+".mp4")
	must(t, "ffmpeg", append(append([]string{"-v", "error", "-i", m.path}, args...), n.path)...)
	return &n
}

// encoder returns ffmpeg's arguments to publish the film for ever, in real time, to an URL.
func encoder(url string) []string { return film.encoder(url) }

func (m *movie) encoder(url string) []string {
	return []string{"-hide_banner", "-nostats", "-re", "-stream_loop", "-1", "-i", m.path, "-c", "copy", "-f", "flv", url}
}

// publish lets ffmpeg publish the film and waits until it is on air.
func (s *server) publish(url string) *process {
	s.t.Helper()
	return s.publishMovie(film, url)
}

func (s *server) publishMovie(m *movie, url string) *process {
	s.t.Helper()
	p := start(s.t, nil, "ffmpeg", m.encoder(url)...)
	name, _, _ := strings.Cut(url[strings.LastIndexByte(url, '/')+1:], "?")
	s.awaitStream(name)
	return p
}

// cutFLV cuts off a last tag that is not whole.
func cutFLV(b []byte) []byte {
	end := 0
	walkFLV(b, func(_, next int) { end = next })
	return b[:end]
}

// span returns the time from the first to the last whole tag of a picture, in milliseconds.
func span(b []byte) uint32 {
	const picture = 9
	var times []uint32
	walkFLV(b, func(tag, _ int) {
		if b[tag] == picture {
			times = append(times, binary.BigEndian.Uint32(b[tag+4:])>>8|uint32(b[tag+7])<<24)
		}
	})
	if len(times) == 0 {
		return 0
	}
	return times[len(times)-1] - times[0]
}

// walkFLV visits the whole tags of an FLV file; next is where the following one begins.
func walkFLV(b []byte, visit func(tag, next int)) {
	const header, head, tail = 9, 11, 4
	for at := header + tail; len(b) >= at+head; {
		next := at + head + int(binary.BigEndian.Uint32(b[at:])&0xffffff) + tail
		if len(b) < next {
			return
		}
		visit(at, next)
		at = next
	}
}

// isRelative tells whether a line of a playlist leaves host and scheme to the URL of the playlist.
func isRelative(uri string) bool {
	return !strings.Contains(uri, "://") && !strings.HasPrefix(uri, "/")
}
