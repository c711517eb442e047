package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// What TestMain makes for all tests.
var (
	caddyBin    string                    // the caddy under test
	layer4Bin   func() (string, error)    // one with layer4, built when it is asked for
	loadBin     func() (string, error)    // rtmpload, built when it is asked for
	pebbleBin   func() (string, error)    // the folder of an ACME authority's programs, likewise
	theChromium func() (*chromium, error) // one for all tests, likewise
	example     string                    // the repository's Caddyfile.example
	film        *movie                    // H.264 with B-frames, and AAC
	hevcFilm    func() (*movie, error)    // the same in HEVC, made when a test asks for it
	trust       string                    // the library that testdata/trust.c makes
)

// chromiumStarted is theChromium once it was asked for.
var chromiumStarted *chromium

// tools are what the tests call.
var tools = []string{
	"cc", "certutil", "chromium", "curl", "ffmpeg", "ffplay", "ffprobe", "gst-launch-1.0", "npm", "obs", "promtool", "rtmpdump", "vlc", "Xvfb",
}

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait for media to play far more than they work, so more of them run at once than there are processors.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("6"); err != nil {
			panic(err)
		}
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := folder()
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }() // what is left of it is the system's to clear
		err = prepare(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if chromiumStarted != nil {
			chromiumStarted.close()
		}
	}()
	return m.Run()
}

// folder makes the one that holds all that the tests write, those of the tests themselves too. It is removed in the end, and
// also when the tests are called off.
func folder() (string, error) {
	dir, err := os.MkdirTemp("", "caddy-rtmp-e2e")
	if err != nil {
		return "", err
	}
	const through = 0o711 // for programs that do not run as root
	if err := errors.Join(os.Chmod(dir, through), os.Setenv("TMPDIR", dir)); err != nil {
		return "", err
	}
	calledOff := make(chan os.Signal, 1)
	signal.Notify(calledOff, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-calledOff
		_ = os.RemoveAll(dir) // likewise
		os.Exit(1)
	}()
	return dir, nil
}

// prepare finds or builds the binary, and makes the film and what the programs need to trust the server.
func prepare(dir string) (err error) {
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("the end-to-end tests need %s: %w", tool, err)
		}
	}
	if _, err := nginx(); err != nil {
		return fmt.Errorf("the end-to-end tests need nginx: %w", err)
	}
	if example, err = filepath.Abs("../Caddyfile.example"); err != nil {
		return err
	}
	if caddyBin, err = findBinary("CADDY_BIN", filepath.Join(dir, "caddy"), ""); err != nil {
		return err
	}
	pebbleBin = sync.OnceValues(func() (string, error) { return pebbleTools(dir) })
	theChromium = sync.OnceValues(func() (_ *chromium, err error) {
		chromiumStarted, err = newChromium(filepath.Join(dir, "chromium"))
		return chromiumStarted, err
	})
	layer4Bin = sync.OnceValues(func() (string, error) {
		return findBinary("CADDY_L4_BIN", filepath.Join(dir, "caddy-l4"), ",layer4")
	})
	loadBin = sync.OnceValues(func() (string, error) { // always without the race detector: it is to be quick
		path := filepath.Join(dir, "rtmpload")
		return path, goBuild("-o", path, "./cmd/rtmpload")
	})
	trust = filepath.Join(dir, "trust.so")
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-o", trust, "testdata/trust.c").CombinedOutput(); err != nil {
		return fmt.Errorf("testdata/trust.c: %w\n%s", err, out)
	}
	hevcFilm = sync.OnceValues(func() (*movie, error) {
		return shoot(filepath.Join(dir, "hevc.mp4"), "hevc", scene(4), x265...)
	})
	film, err = shoot(filepath.Join(dir, "film.mp4"), "h264", scene(6), x264...)
	return err
}

// findBinary returns the path in an environment variable, or builds ./cmd/caddy with more build tags; with the race detector
// if the tests have it.
func findBinary(variable, path, tags string) (string, error) {
	if path := os.Getenv(variable); path != "" {
		return filepath.Abs(path)
	}
	args := []string{"-tags", "nobadger,nomysql,nopgx" + tags, "-o", path}
	if raceEnabled {
		args = append(args, "-race")
	}
	return path, goBuild(append(args, "./cmd/caddy")...)
}

// goBuild builds a command of the repository.
func goBuild(args ...string) error {
	cmd := exec.Command("go", append([]string{"build"}, args...)...)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}
