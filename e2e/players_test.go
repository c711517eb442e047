package e2e

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPlayers lets the players that people have decode every format, without a screen.
func TestPlayers(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	s.publish(s.url("rtmp", "/live/test"))
	t.Run("ffplay", func(t *testing.T) {
		t.Parallel()
		s.on(t).decodeWithFFplay(s.url("rtmp", "/live/test"))
	})
	for _, address := range []string{
		s.url("rtmp", "/live/test"),
		s.url("rtmps", "/live/test"),
		s.url("http", "/live/test.flv"),
		s.url("http", "/live/test.ts"),
		s.url("http", "/live/test.m3u8"),
	} {
		scheme, rest, _ := strings.Cut(address, "://")
		t.Run("VLC "+scheme+filepath.Ext(rest), func(t *testing.T) {
			t.Parallel()
			s.on(t).decodeWithVLC(address, true)
		})
	}
}

// enoughPictures is how many pictures a player has to decode.
const enoughPictures = 2 * pictureRate

// shown are the checksums of decoded pictures in the output of ffmpeg's filter showinfo.
var shown = regexp.MustCompile(`plane_checksum:\[[0-9A-F ]+\]`)

// decodeWithFFplay compares what ffplay shows with the film.
func (s *server) decodeWithFFplay(address string) {
	of, problems, err := command(s.t, nil, "ffmpeg", "-nostats", "-i", film.path, "-vf", "showinfo", "-an", "-f", "null", "-")
	if err != nil {
		s.t.Fatalf("%v\n%s%s", err, of, problems)
	}
	known := make(map[string]bool)
	for _, sum := range shown.FindAllString(string(problems), -1) {
		known[sum] = true
	}
	player := start(s.t, []string{"SDL_VIDEODRIVER=dummy", "SDL_AUDIODRIVER=dummy"}, "ffplay", "-nostats", "-noframedrop",
		"-vf", "showinfo", address)
	var sums []string
	eventually(s.t, "ffplay plays", func() error {
		if sums = shown.FindAllString(player.out.String(), -1); len(sums) < enoughPictures {
			return fmt.Errorf("%d pictures", len(sums))
		}
		return player.running()
	})
	for _, sum := range sums {
		if !known[sum] {
			s.t.Errorf("a picture with %s is not the film's", sum)
		}
	}
}
