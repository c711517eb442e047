// Package audio gives a stream's sound alone, as players of web radio want it: AAC in ADTS frames, or MP3 as it is.
package audio

import (
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/muxers/httplive"
)

// AAC is raw AAC over HTTP: ADTS frames (ISO/IEC 14496-3, 1.A.2.2).
func AAC() httplive.Format {
	return httplive.Format{
		Protocol:    live.ProtocolAAC,
		Ending:      ".aac",
		ContentType: "audio/aac",
		AudioOnly:   true,
		Carries:     carries(live.CodecAAC),
		New:         func(live.View) live.Muxer { return new(ADTS) },
	}
}

// MP3 is MP3 over HTTP.
func MP3() httplive.Format {
	return httplive.Format{
		Protocol:    live.ProtocolMP3,
		Ending:      ".mp3",
		ContentType: "audio/mpeg",
		AudioOnly:   true,
		Carries:     carries(live.CodecMP3),
		New:         func(live.View) live.Muxer { return Frames{} },
	}
}

func carries(codec live.FourCC) func(s *live.Setup) bool {
	return func(s *live.Setup) bool {
		t, ok := s.Track(live.KindAudio)
		return ok && t.Codec == codec
	}
}
