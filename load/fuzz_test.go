package load

import (
	"testing"
	"time"
)

// Whatever a server sends, it is taken or refused.
func FuzzChecks(f *testing.F) {
	frames := shown(f, 1)[:60]
	f.Add(flvOf(f, frames...)[:4000], 700)
	f.Add(tsOf(f, frames...)[:40*188], 188)
	f.Add(new(origin).part(3), 1)
	f.Fuzz(func(_ *testing.T, b []byte, n int) {
		n = 1 + n&0xffff
		w := watching()
		flvCheck, tsCheck, mp4 := newFLVCheck(w), newTSCheck(w), fmp4Check{watch: w, times: make(map[uint32]uint64)}
		_ = inPieces(b, n, flvCheck.read) // what it refuses does not matter here
		_ = inPieces(b, n, tsCheck.read)
		_ = tsCheck.end(time.Now())
		_ = mp4.fragment(b, time.Now())
		_ = checkInit(b)
	})
}

func FuzzPlaylist(f *testing.F) {
	f.Add([]byte("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PART:DURATION=1,URI=\"a\",INDEPENDENT=YES\n#EXTINF:3.5,\na.ts\n"))
	f.Add([]byte("#EXTM3U\n#EXT-X-STREAM-INF:A=\"b,c\",D=e\nmedia.m3u8\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePlaylist(b)
		if err == nil && p.target <= 0 && len(p.variants) == 0 {
			t.Errorf("%+v", p)
		}
	})
}
