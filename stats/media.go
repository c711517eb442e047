package stats

import "github.com/caddy-rtmp/caddy-rtmp/live"

// other is SRS's word for codecs, profiles and levels that it has no name for.
const other = "Other"

type videoRow struct {
	Codec   string  `json:"codec"`
	Profile *string `json:"profile"` // null for AV1 and VP9
	Level   *string `json:"level"`   // likewise
	Width   int     `json:"width"`   // 0 where the configuration does not tell
	Height  int     `json:"height"`
}

type audioRow struct {
	Codec      string `json:"codec"`
	SampleRate int    `json:"sample_rate"` // in Hz, as it is heard; 0 where nothing tells
	Channel    int    `json:"channel"`     // likewise
	Profile    string `json:"profile"`
}

// mediaRows tells what a stream consists of. A row is nil if the stream has no such track, or its configuration has not
// come yet. The configurations are a publisher's, so nothing is taken for granted about them.
func mediaRows(setup *live.Setup) (video *videoRow, audio *audioRow) {
	if t, ok := setup.Track(live.KindVideo); ok && configured(&t) {
		video = videoOf(t.Codec, payload(&t))
	}
	if t, ok := setup.Track(live.KindAudio); ok && configured(&t) {
		audio = audioOf(t.Codec, payload(&t))
	}
	return video, audio
}

// configured tells whether a track has the configuration that its codec needs.
func configured(t *live.Track) bool {
	switch t.Codec {
	case live.CodecAVC, live.CodecHEVC, live.CodecAV1, live.CodecAAC:
		return t.Config != nil
	}
	return true
}

// payload returns what tells about a track: its configuration, or how its first frame began if there is none.
func payload(t *live.Track) []byte {
	if t.Config == nil {
		return []byte(t.Head)
	}
	return t.Config.Payload()
}

// videoOf reads a configuration record, or the start of a frame of a codec that has none. What is broken in it is Other,
// or 0.
func videoOf(codec live.FourCC, config []byte) *videoRow {
	switch codec {
	case live.CodecAVC:
		return avcRow(config)
	case live.CodecHEVC:
		return hevcRow(config)
	case live.CodecAV1:
		return av1Row(config)
	case live.CodecVP9:
		return &videoRow{Codec: "VP9"} // its record does not tell the size
	case live.CodecVP8:
		return vp8Row(config)
	}
	return &videoRow{Codec: other, Profile: new(other), Level: new(other)}
}

// audioOf reads a configuration, or the start of a frame of a codec that has none. What is broken in it is Other, or 0.
func audioOf(codec live.FourCC, config []byte) *audioRow {
	switch codec {
	case live.CodecAAC:
		return aacRow(config)
	case live.CodecOpus:
		return opusRow(config)
	case live.CodecMP3:
		return mp3Row(config)
	case live.CodecFLAC:
		return flacRow(config)
	case live.CodecAC3:
		return ac3Row(config)
	case live.CodecEAC3:
		return eac3Row(config)
	}
	return &audioRow{Codec: other, Profile: other}
}
