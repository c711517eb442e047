package hls

import (
	"slices"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// FuzzCrew lets two pictures come with key frames and configurations wherever the script says. Whatever that is, segments of
// one number are behind as many discontinuities in both renditions, and numbers are in a row.
func FuzzCrew(f *testing.F) {
	f.Add([]byte{0, 40, 8, 0, 1, 40, 9, 0, 0, 255, 8, 255, 2, 255, 10, 0, 0, 40, 8, 40})
	f.Fuzz(func(t *testing.T, script []byte) {
		frames := slices.Concat(livetest.Configs(), numbered(1, livetest.VideoConfig()))
		now := int64(0)
		for ; len(script) >= 2 && len(frames) < 2000; script = script[2:] {
			now += int64(script[1]) * int64(script[0]>>4+1)
			frame := dated(livetest.Video(int(script[0]&1)), now)
			switch script[0] & 6 {
			case 2:
				frame = dated(changed(), now)
			case 4:
				frame = dated(livetest.VideoConfig(), now)
			case 6:
				frame = dated(livetest.Audio(0), now)
			}
			frames = append(frames, numbered(script[0]>>3&1, frame)...)
		}
		p := livetest.Publish(t, new(live.Hub), livetest.Key)
		c := DefaultConfig()
		g := newSegmenter(newWindow("x", fragmented, 5, new(seams)), func() Config { return c }, func(*live.Stream) {})
		g.begin()
		r := p.Stream().NewReaderFromOldest(live.Tracks{})
		for _, f := range frames {
			livetest.Write(t, p, f)
			for f, _ := r.TryReadFrame(); f != nil; f, _ = r.TryReadFrame() {
				g.lead(f, r)
			}
		}
		g.finish(g.cut.end())
		g.finishAll()
		seams := map[int64]int64{}
		for _, s := range g.window.segments {
			seams[s.number] = s.seams
		}
		for r := range g.others {
			before := int64(-1)
			for _, s := range g.companion(r).window.segments {
				if n, ok := seams[s.number]; ok && n != s.seams {
					t.Errorf("segment %d of %s is behind %d discontinuities, the main one behind %d", s.number, r.mark(), s.seams, n)
				}
				if before >= 0 && s.number != before+1 {
					t.Errorf("%s has segment %d behind %d", r.mark(), s.number, before)
				}
				before = s.number
			}
		}
	})
}
