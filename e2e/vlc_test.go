package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// decodeWithVLC compares the sound that VLC puts out, and the pictures if there are any, with the film's. It verifies the
// server's certificate, and ends by itself: what it writes would fill a disk if nobody ended it.
func (s *server) decodeWithVLC(address string, pictures bool) {
	s.t.Helper()
	dir := forAll(s.t)
	authority := filepath.Join(dir, "authorities", "root.crt")
	if err := os.Mkdir(filepath.Dir(authority), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(authority, readFile(s.t, s.rootCert()), 0o644); err != nil {
		s.t.Fatal(err)
	}
	shown, heard := filepath.Join(dir, "pictures"), filepath.Join(dir, "sound")
	player := startAs(s.t, nobody(), []string{"HOME=" + dir}, "vlc", "-I", "dummy", "--no-dbus", "--avcodec-hw", "none",
		"--no-avcodec-hurry-up", "--no-drop-late-frames", "--no-skip-frames", "--no-video-title-show", "--vout", "yuv",
		"--yuv-chroma", "I420", "--yuv-yuv4mpeg2", "--yuv-file", shown,
		"--aout", "afile", "--audiofile-file", heard, "--no-gnutls-system-trust", "--gnutls-dir-trust", filepath.Dir(authority),
		"--run-time", "60", address, "vlc://quit")
	if pictures {
		const head, each = 1 << 10, len("FRAME\n") + width*height*3/2
		b := s.awaitFile(player, shown, head+enoughPictures*each)
		_, b, _ = bytes.Cut(b, []byte("\n")) // the head of a YUV4MPEG2 file
		film.recognise(s.t, pictureDigests(b, len("FRAME\n")), enoughPictures)
	}
	checkTone(s.t, leftOf(s.awaitFile(player, heard, 2*2*2*sampleRate+8192)))
}

// awaitFile waits until a player has written a file of n bytes at least, and returns the first n.
func (s *server) awaitFile(player *process, path string, n int) []byte {
	s.t.Helper()
	eventually(s.t, player.cmd.Args[0]+" plays", func() error {
		if info, err := os.Stat(path); err != nil || info.Size() < int64(n) {
			return fmt.Errorf("it has not written enough to %s: %w", filepath.Base(path), player.running())
		}
		return nil
	})
	f, err := os.Open(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, n)
	if _, err := io.ReadFull(f, b); err != nil {
		s.t.Fatal(err)
	}
	return b
}

// leftOf returns the left channel of a WAV file of 16 bits.
func leftOf(wav []byte) (pcm []byte) {
	const head = 44
	for b := wav[min(head, len(wav)):]; len(b) >= 4; b = b[4:] {
		pcm = binary.LittleEndian.AppendUint16(pcm, binary.LittleEndian.Uint16(b))
	}
	return pcm
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
