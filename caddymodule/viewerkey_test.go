package caddymodule_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestViewerKey: a viewer goes on at its URL after a restart, since its key is in Caddy's storage.
func TestViewerKey(t *testing.T) {
	b := newBed(t)
	storage := t.TempDir()
	config := strings.Replace(sites(""), "$OPTIONS", "$OPTIONS\nstorage file_system "+storage, 1)
	b.load(config)
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 7)
	player := playHLS(t, "https://localhost:"+b.https+"/live/demo.m3u8")
	b.stop()
	info, err := os.Stat(filepath.Join(storage, "rtmp", "hls", "viewer.key"))
	if err != nil || info.Size() != 32 || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v %v", info, err)
	}
	b.load(config)
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 7)
	if player.newest() == "" {
		t.Error("the viewer finds nothing after the restart")
	}
	if lines := b.logged("HLS viewers will have to begin anew"); len(lines) > 0 {
		t.Errorf("warned: %v", lines)
	}
}

// TestViewerKeyWithoutStorage: where the key cannot be stored there is a warning, and HLS all the same.
func TestViewerKeyWithoutStorage(t *testing.T) {
	b := newBed(t)
	storage := t.TempDir()
	if err := os.WriteFile(filepath.Join(storage, "rtmp"), nil, 0o600); err != nil { // where a folder would have to be
		t.Fatal(err)
	}
	b.load(strings.Replace(sites(""), "$OPTIONS", "$OPTIONS\nstorage file_system "+storage, 1))
	publish(t, "rtmp://127.0.0.1:"+b.rtmp+"/live/demo", 7)
	if playHLS(t, "https://localhost:"+b.https+"/live/demo.m3u8").newest() == "" {
		t.Error("no HLS")
	}
	if lines := b.logged("HLS viewers will have to begin anew"); len(lines) != 1 {
		t.Errorf("warned %d times", len(lines))
	}
}
