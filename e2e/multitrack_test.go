package e2e

import (
	"slices"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// The ways in which a tag holds several tracks.
const (
	oneTrack             = 0
	manyTracks           = 1
	manyTracksManyCodecs = 2
)

// The queries by which viewers choose.
const (
	allTracks  = "?tracks=all"
	nextTracks = "?video_track=1&audio_track=1"
)

// TestMultitrack publishes two films on one connection, in each way in which Enhanced RTMP can hold several tracks. Who
// does not ask sees and hears the first one alone, in every format; the other and both are there for those who do.
func TestMultitrack(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	second := shootAs(t, "h264", "mp4", mirrored(6), x264...)
	second.tone = otherTone
	hevc := shootAs(t, "hevc", "mp4", mirrored(2), x265...)
	hevc.tone = otherTone
	t.Run("one", func(t *testing.T) { s.on(t).likeOBS(t, second) })
	t.Run("many", func(t *testing.T) { s.on(t).manyTracks(t, second) })
	t.Run("codecs", func(t *testing.T) { s.on(t).manyCodecs(t, hevc) })
}

// likeOBS publishes the film as it has always been done, and a second one in multitrack tags of its own.
func (s *server) likeOBS(t *testing.T, second *movie) {
	t.Parallel()
	first, others := film.demux(t), second.demux(t)
	main, other := tagsOf(t, packLegacy, first...), tagsOf(t, packPlain, others...)
	s.loop(s.url("rtmp", "/live/one"), inOrder(append(messages(oneTrack, 1, others[:1], others[1:]), main...)))
	row := s.awaitStream("one")
	if row.Video.Codec != "H264" || row.Audio.Codec != "AAC" {
		t.Errorf("the API shows %+v", row)
	}
	for ending, source := range map[string]string{
		"rtmp": s.url("rtmp", "/live/one"), "ts": s.url("http", "/live/one.ts"),
	} {
		t.Run("ffmpeg/"+ending, func(t *testing.T) {
			t.Parallel()
			film.examine(t, source)
		})
	}
	s.watchRenditions(t, "one", second)
	s.watchBodies(t, "one", nextTracks, func(t testing.TB, received []*live.Frame) { second.compare(t, other, received) })
	s.watchBodies(t, "one", allTracks, func(t testing.TB, received []*live.Frame) { compareTracks(t, received, main, other) })
	t.Run("capsEx", func(t *testing.T) { // our client says that it knows several tracks
		t.Parallel()
		compareTracks(t, s.on(t).framesOverRTMP(s.url("rtmp", "/live/one")), main, other)
	})
}

// manyTracks publishes both films in the same tags.
func (s *server) manyTracks(t *testing.T, second *movie) {
	t.Parallel()
	first, others := film.demux(t), second.demux(t)
	main, other := tagsOf(t, packPlain, first...), tagsOf(t, packPlain, others...)
	s.loop(s.url("rtmp", "/live/many"),
		inOrder(messages(manyTracks, 0, []track{first[0], others[0]}, []track{first[1], others[1]})))
	s.awaitStream("many")
	t.Run("flv", func(t *testing.T) {
		t.Parallel()
		film.compare(t, main, s.on(t).framesOverFLV(s.url("https", "/live/many.flv")))
	})
	t.Run("rtmp"+nextTracks, func(t *testing.T) {
		t.Parallel()
		second.compare(t, other, s.on(t).framesOverRTMP(s.url("rtmp", "/live/many"+nextTracks)))
	})
	t.Run("rtmp"+allTracks, func(t *testing.T) {
		t.Parallel()
		compareTracks(t, s.on(t).framesOverRTMP(s.url("rtmp", "/live/many"+allTracks)), main, other)
	})
}

// manyCodecs publishes the film and one in HEVC in the same tags.
func (s *server) manyCodecs(t *testing.T, second *movie) {
	t.Parallel()
	first, others := film.demux(t), second.demux(t)
	for i := range first { // what lasts longer is cut
		first[i].samples = first[i].samples[:min(len(first[i].samples), len(others[i].samples))]
	}
	main, other := tagsOf(t, packPlain, first...), tagsOf(t, packPlain, others...)
	s.loop(s.url("rtmp", "/live/codecs"),
		inOrder(messages(manyTracksManyCodecs, 0, []track{first[0], others[0]}, []track{first[1], others[1]})))
	s.awaitStream("codecs")
	t.Run("ts", func(t *testing.T) {
		t.Parallel()
		film.examine(t, s.url("http", "/live/codecs.ts"))
	})
	t.Run("ts"+nextTracks, func(t *testing.T) {
		t.Parallel()
		second.examine(t, s.url("http", "/live/codecs.ts"+nextTracks))
	})
	t.Run("flv"+allTracks, func(t *testing.T) {
		t.Parallel()
		compareTracks(t, s.on(t).framesOverFLV(s.url("https", "/live/codecs.flv"+allTracks)), main, other)
	})
}

// messages packs tracks of one kind into common tags, and those of the next kind into others. They get the numbers from
// the given one on.
func messages(how, number byte, kinds ...[]track) (list []*live.Frame) {
	for _, tracks := range kinds {
		for i := range tracks[0].samples {
			s := &tracks[0].samples[i]
			time, _ := s.millis()
			body := multitrack(how, number, tracks, i)
			list = append(list, &live.Frame{Kind: tracks[0].kind, Time: time, Config: s.config, Body: body})
		}
	}
	return list
}

// multitrack returns the tag body of one sample of each track.
func multitrack(how, number byte, tracks []track, i int) []byte {
	first := &tracks[0]
	packet, _ := enhance(first, &first.samples[i], false)
	head := byte(videoMultitrack)
	if first.kind == live.KindAudio {
		head = audioMultitrack
	}
	b := []byte{exHead(first.kind, first.samples[i].key) | head, how<<4 | packet}
	if how != manyTracksManyCodecs {
		b = append(b, fourCC(first.codec)...)
	}
	for n := range tracks {
		_, content := enhance(&tracks[n], &tracks[n].samples[i], false)
		if how == manyTracksManyCodecs {
			b = append(b, fourCC(tracks[n].codec)...)
		}
		b = append(b, number+byte(n))
		if how != oneTrack {
			b = append(b, byte(len(content)>>16), byte(len(content)>>8), byte(len(content)))
		}
		b = append(b, content...)
	}
	return b
}

// compareTracks compares what was received with two pairs of tracks, of the numbers 0 and 1.
func compareTracks(t testing.TB, received []*live.Frame, main, other []*live.Frame) {
	t.Helper()
	for number, published := range [][]*live.Frame{main, other} {
		of := slices.DeleteFunc(slices.Clone(received), func(f *live.Frame) bool { return f.Track != byte(number) })
		compareBodies(t, published, of)
	}
	for _, f := range received {
		if f.Track > 1 {
			t.Fatalf("there is a track %d", f.Track)
		}
	}
}
