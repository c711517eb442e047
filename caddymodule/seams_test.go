package caddymodule_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSeams: HLS counts discontinuities on after a restart, in numbers that stay small, since players have arrays by them.
func TestSeams(t *testing.T) {
	b := newBed(t)
	storage := t.TempDir()
	path := filepath.Join(storage, "rtmp", "hls", "discontinuities")
	config := strings.Replace(sites(""), "$OPTIONS", "$OPTIONS\nstorage file_system "+storage, 1)
	for i, want := range []string{"64", "128", "192", "64"} {
		if i == 3 { // what it does not understand it replaces
			if err := os.WriteFile(path, []byte("many"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b.load(config)
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("after start %d stored %q, %v; want %s", i+1, got, err, want)
		}
		b.stop()
	}
	if lines := b.logged("HLS counts discontinuities anew"); len(lines) != 1 {
		t.Errorf("warned %d times", len(lines))
	}
}
