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

// A mainVideo is what a stream shows of its main video. What it has beyond SRS's is of the newest 30 s, or of the newest whole
// group of pictures.
type mainVideo struct {
	*videoRow
	videoFlow
}

type mainAudio struct {
	*audioRow
	audioFlow
}

type videoFlow struct {
	FPS       decimal `json:"fps"`
	Kbps      int64   `json:"kbps"`
	GOPFrames int     `json:"gop_frames"` // 0 until there were two key frames
	GOPMS     int64   `json:"gop_ms"`     // from one key frame to the next; likewise
}

type audioFlow struct {
	Kbps int64 `json:"kbps"`
}

// A trackRow tells which track of a stream a row is of, and what came of it since its publisher began.
type trackRow struct {
	Kind   string `json:"kind"`
	Number int    `json:"number"`
	Main   bool   `json:"main"`
	Frames int64  `json:"frames"`
	Bytes  int64  `json:"bytes"` // the codec's own
}

type videoTrack struct {
	trackRow
	mainVideo
}

type audioTrack struct {
	trackRow
	mainAudio
}

// addTracks tells what a stream consists of. Its main video or audio is nil if there is no such track, or its configuration
// has not come yet. The configurations are a publisher's, so nothing is taken for granted about them.
func (v *view) addTracks(row *streamRow, info *live.StreamInfo) {
	for i := range info.Tracks {
		t := &info.Tracks[i]
		rate := v.api.Rates.track(trackID{info.Publisher.ID, t.Kind, t.Number})
		head := trackRow{Kind: t.Kind.String(), Number: int(t.Number), Main: t.Main, Frames: t.Frames, Bytes: t.Bytes}
		main := t.Main && configured(&t.Track)
		switch t.Kind {
		case live.KindVideo:
			flow := videoFlow{FPS: rate.fps, Kbps: rate.kbps, GOPFrames: t.GOPFrames, GOPMS: t.GOPTime.Milliseconds()}
			video := mainVideo{videoOf(t.Codec, payload(&t.Track)), flow}
			if main {
				row.Video = &video
			}
			row.Tracks = append(row.Tracks, videoTrack{head, video})
		case live.KindAudio:
			audio := mainAudio{audioOf(t.Codec, payload(&t.Track)), audioFlow{Kbps: rate.kbps}}
			if main {
				row.Audio = &audio
			}
			row.Tracks = append(row.Tracks, audioTrack{head, audio})
		}
	}
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
