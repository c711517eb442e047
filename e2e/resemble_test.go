package e2e

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"
)

// What remains of a picture when it is made small and grey.
const thumbWidth, thumbHeight = 64, 36

// resembles checks that a source, which ends a list of ffmpeg's arguments, shows the movie though it was encoded anew:
// each picture is nearly one of the movie's, and they are some, and the sound is the tone.
func (m *movie) resembles(t testing.TB, source ...string) {
	t.Helper()
	known, _ := glance(t, m.path)
	seen, pcm := glance(t, source...)
	shown := make(map[int]bool)
	worst := 0.0
	for _, picture := range seen {
		n, difference := nearest(known, picture)
		shown[n] = true
		worst = max(worst, difference)
	}
	const (
		similar = 5  // of 256 shades, for the mean
		some    = 10 // so it moves
	)
	if worst > similar || len(shown) < some {
		t.Errorf("of %d pictures the worst differs by %.1f from the film's, of which %d are shown", len(seen), worst, len(shown))
	}
	const gaps = 100 // Hz that are missed where a busy machine was late
	checkSound(t, pcm, tone, gaps)
}

// glance decodes some seconds of a source to small grey pictures, and to samples.
func glance(t testing.TB, source ...string) (pictures [][]byte, pcm []byte) {
	t.Helper()
	dir := t.TempDir()
	raw, sound := filepath.Join(dir, "pictures"), filepath.Join(dir, "sound")
	args := append([]string{"-v", "error", "-analyzeduration", "1500000", "-t", "6"}, source[:len(source)-1]...)
	must(t, "ffmpeg", append(args, "-i", source[len(source)-1],
		"-map", "0:v", "-fps_mode", "passthrough", "-vf", fmt.Sprintf("scale=%d:%d:flags=area,format=gray", thumbWidth, thumbHeight), "-f", "rawvideo", raw,
		"-map", "0:a", "-af", "asetpts=N/SR/TB", "-ac", "1", "-f", "s16le", sound)...)
	const size = thumbWidth * thumbHeight
	for b := readFile(t, raw); len(b) >= size; b = b[size:] {
		pictures = append(pictures, b[:size])
	}
	return pictures, readFile(t, sound)
}

// nearest returns which of the known pictures is most like another, and by how many shades they differ in the mean.
func nearest(known [][]byte, picture []byte) (n int, difference float64) {
	difference = math.Inf(1)
	for i, k := range known {
		sum := 0
		for j := range k {
			sum += max(int(k[j])-int(picture[j]), int(picture[j])-int(k[j]))
		}
		if d := float64(sum) / float64(len(k)); d < difference {
			n, difference = i, d
		}
	}
	return n, difference
}
