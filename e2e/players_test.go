package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
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
			s.on(t).decodeWithVLC(address)
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

// decodeWithVLC compares the pictures and the sound that VLC puts out with the film's.
func (s *server) decodeWithVLC(address string) {
	dir := forAll(s.t)
	pictures, sound := filepath.Join(dir, "pictures"), filepath.Join(dir, "sound")
	player := startAs(s.t, nobody(), []string{"HOME=" + dir}, "vlc", "-I", "dummy", "--no-dbus", "--avcodec-hw", "none",
		"--no-drop-late-frames", "--no-skip-frames", "--no-video-title-show", "--vout", "yuv", "--yuv-chroma", "I420", "--yuv-yuv4mpeg2", "--yuv-file", pictures,
		"--aout", "afile", "--audiofile-file", sound, address)
	var list []string
	eventually(s.t, "VLC plays", func() error {
		b, err := os.ReadFile(pictures)
		if err != nil {
			return err
		}
		_, b, _ = bytes.Cut(b, []byte("\n")) // the head of a YUV4MPEG2 file
		if list = pictureDigests(b, len("FRAME\n")); len(list) < enoughPictures {
			return fmt.Errorf("%d pictures", len(list))
		}
		return player.running()
	})
	film.recognise(s.t, list, enoughPictures)
	eventually(s.t, "VLC plays sound", func() error {
		if info, err := os.Stat(sound); err != nil || info.Size() < 2*2*2*sampleRate+8192 {
			return fmt.Errorf("not enough of it: %w", err)
		}
		return player.running()
	})
	checkTone(s.t, leftOf(readFile(s.t, sound)))
}

// leftOf returns the left channel of a WAV file of 16 bits.
func leftOf(wav []byte) (pcm []byte) {
	const head = 44
	for b := wav[min(head, len(wav)):]; len(b) >= 4; b = b[4:] {
		pcm = binary.LittleEndian.AppendUint16(pcm, binary.LittleEndian.Uint16(b))
	}
	return pcm
}

// nobody returns who may run what refuses to run as root: the user nobody if we are root, else ourselves.
func nobody() *syscall.SysProcAttr {
	if os.Getuid() != 0 {
		return nil
	}
	const id = 65534
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
}

// forAll returns a folder for the test in which everybody may write. Those of testing.T are not for others.
func forAll(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "caddy-rtmp-e2e") //nolint:usetesting // as it says
	if err == nil {
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// startAs is start for another user.
func startAs(t testing.TB, user *syscall.SysProcAttr, env []string, name string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = user
	return startCommand(t, cmd, env)
}
