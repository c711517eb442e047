package e2e

import (
	"path/filepath"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// TestHEVC publishes HEVC with B-frames and AAC, in both ways in which FLV can carry it, and watches it in every format.
// ffmpeg reads TS and HLS; it cannot read HEVC in FLV, so there the bodies must be those published, and what they hold
// is decoded.
func TestHEVC(t *testing.T) {
	t.Parallel()
	m := filmInHEVC(t)
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
		t.Run(name+"/codec ids", func(t *testing.T) {
			t.Parallel()
			s := s.on(t)
			want := m.tags(t, packLegacy)
			for i, f := range tags {
				if f.Kind != live.KindVideo {
					want[i] = f // sound stays as it is
				}
			}
			m.compare(t, want, s.framesOverFLV(s.url("https", "/live/"+name+".flv?codec_ids=1")))
			m.compare(t, want, s.framesOverRTMP(s.url("rtmp", "/live/"+name+"?codec_ids=1")))
		})
		for _, path := range []string{".ts", ".m3u8", "/index.m3u8"} {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				m.examine(t, s.url("http", "/live/"+name+path))
			})
		}
	}
}

// x265 are ffmpeg's arguments for HEVC with B-frames and a key frame each second.
var x265 = []string{
	"-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
	"log-level=error:keyint=30:min-keyint=30:scenecut=0:open-gop=0:bframes=3",
}

// filmInHEVC returns the HEVC film, of 4 s, which is made for the first test that asks.
func filmInHEVC(t testing.TB) *movie {
	t.Helper()
	m, err := hevcFilm()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// shootAs makes a film in another codec.
func shootAs(t testing.TB, codec, format string, scene []string, args ...string) *movie {
	t.Helper()
	m, err := shoot(filepath.Join(t.TempDir(), codec+"."+format), codec, scene, args...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
