package e2e

import (
	"path/filepath"
	"testing"
)

// TestHEVC publishes HEVC with B-frames and AAC, in both ways in which FLV can carry it, and watches it in every format.
// ffmpeg reads TS and HLS; it cannot read HEVC in FLV, so there the bodies must be those published, and what they hold
// is decoded.
func TestHEVC(t *testing.T) {
	t.Parallel()
	m := shootHEVC(t)
	s := serve(t, basic)
	for name, pack := range map[string]packing{"codec12": packLegacy, "enhanced": packEnhanced} {
		tags := m.tags(t, pack)
		s.loop(s.url("rtmp", "/live/"+name), tags)
		s.awaitStream(name)
		t.Run(name+"/rtmp", func(t *testing.T) {
			t.Parallel()
			m.compare(t, tags, s.on(t).framesOverRTMP(s.url("rtmp", "/live/"+name)))
		})
		t.Run(name+"/flv", func(t *testing.T) {
			t.Parallel()
			m.compare(t, tags, s.on(t).framesOverFLV(s.url("https", "/live/"+name+".flv")))
		})
		for _, path := range []string{".ts", ".m3u8", "/index.m3u8"} {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				m.examine(t, s.url("http", "/live/"+name+path))
			})
		}
	}
}

// shootHEVC makes the HEVC film: 4 s with B-frames and a key frame each second.
func shootHEVC(t testing.TB) *movie {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hevc.mp4")
	must(t, "ffmpeg", append(scene(4), "-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
		"log-level=error:keyint=30:min-keyint=30:scenecut=0:open-gop=0:bframes=3", path)...)
	m, err := develop(path, "hevc")
	if err != nil {
		t.Fatal(err)
	}
	return m
}
