package live_test

import (
	"testing"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// TestTrackInfo counts what a publisher sends of each track, and begins anew with the next one.
func TestTrackInfo(t *testing.T) {
	h := newHub(func(r *live.Rules) { r.OnConflict = live.ConflictReplace })
	p := livetest.Publish(t, h, livetest.Key)
	equal(t, "tracks of a silent publisher", len(p.Stream().Info().Tracks), 0)
	livetest.Write(t, p, livetest.VideoConfig(), livetest.AudioConfig(), key(5000), inter(5040), sound(5040))
	video := p.Stream().Info().Tracks[0]
	equal(t, "before the second key frame", video.GOPTime, 0)
	equal(t, "frames of the first group", video.GOPFrames, 0)
	livetest.Write(t, p, inter(5080), key(5120), inter(5160), sound(5160))

	second := enhanced('k', 1, 5200)
	livetest.Write(t, p, second, enhanced('v', 1, 5240))
	tracks := p.Stream().Info().Tracks
	equal(t, "tracks", len(tracks), 3)
	video = tracks[0]
	size := len(key(0).Payload()) + len(inter(0).Payload())
	equal(t, "kind", video.Kind, live.KindVideo)
	equal(t, "main", video.Main, true)
	equal(t, "frames", video.Frames, 5)
	equal(t, "key frames", video.KeyFrames, 2)
	equal(t, "bytes", video.Bytes, int64(2*size+len(inter(0).Payload())))
	equal(t, "frames of a group", video.GOPFrames, 3)
	equal(t, "time of a group", video.GOPTime, 120*time.Millisecond)
	sounds := tracks[1]
	equal(t, "kind of the second", sounds.Kind, live.KindAudio)
	equal(t, "sounds", sounds.Frames, 2)
	equal(t, "key frames of sound", sounds.KeyFrames, 0)
	equal(t, "number of the further track", tracks[2].Number, 1)
	equal(t, "main of the further track", tracks[2].Main, false)
	equal(t, "frames of the further track", tracks[2].Frames, 2)

	q := livetest.Publish(t, h, livetest.Key)
	equal(t, "tracks of the next publisher", len(q.Stream().Info().Tracks), 0)
	livetest.Write(t, q, key(0))
	equal(t, "frames of the next publisher", q.Stream().Info().Tracks[0].Frames, 1)
}

// TestMeterAllocatesNothing keeps what is counted for each frame free of cost.
func TestMeterAllocatesNothing(t *testing.T) {
	h := newHub(func(*live.Rules) {})
	p := livetest.Publish(t, h, livetest.Key)
	frames := livetest.GOPs(1)
	livetest.Write(t, p, frames...)
	f, at := frames[len(frames)-1], p.Stream()
	allocs := testing.AllocsPerRun(100, func() { _ = p.WriteFrame(f) })
	if allocs > 1 { // the copy that the log keeps
		t.Errorf("%v allocations for a frame of %s", allocs, at.Key())
	}
}
