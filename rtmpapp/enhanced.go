package rtmpapp

import (
	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/rtmpapp/wire"
)

// The capability flags of Enhanced RTMP v2, "Enhancing NetConnection connect Command".
const (
	capsMultitrack          = 0x02
	capsModEx               = 0x04
	capsTimestampNanoOffset = 0x08

	canForward = 0x04
)

// videoCodecs and audioCodecs are named to clients that ask by Enhanced RTMP v1, which knows no other way. All other codecs
// are passed on too.
var (
	videoCodecs = []live.FourCC{live.CodecAVC, live.CodecHEVC, live.CodecAV1, live.CodecVP9, live.CodecVP8}
	audioCodecs = []live.FourCC{live.CodecAAC, live.CodecMP3, live.CodecOpus, live.CodecFLAC, live.CodecAC3, live.CodecEAC3}
)

// isEnhanced tells whether the object of a connect command is that of a client that knows Enhanced RTMP.
func isEnhanced(o wire.Object) bool {
	for _, name := range []string{"fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx"} {
		if o.Get(name) != nil {
			return true
		}
	}
	return false
}

// capsOf returns the capability flags of a client.
func capsOf(o wire.Object) uint32 {
	n, _ := o.Get("capsEx").(float64)
	if n < 0 || n >= 1<<32 {
		return 0
	}
	return uint32(n)
}

// enhancedProperties say to a peer which codecs and extensions are understood: every codec is passed on.
func enhancedProperties() wire.Object {
	var list []any
	video, audio := wire.Object{}, wire.Object{}
	for _, c := range videoCodecs {
		list = append(list, c.String())
		video = append(video, wire.Property{Key: c.String(), Value: canForward})
	}
	for _, c := range audioCodecs {
		list = append(list, c.String())
		audio = append(audio, wire.Property{Key: c.String(), Value: canForward})
	}
	others := wire.Property{Key: "*", Value: canForward}
	return wire.Object{
		{Key: "fourCcList", Value: list},
		{Key: "videoFourCcInfoMap", Value: append(video, others)},
		{Key: "audioFourCcInfoMap", Value: append(audio, others)},
		{Key: "capsEx", Value: capsMultitrack | capsModEx | capsTimestampNanoOffset},
	}
}

// viewFor returns what a player gets: the tracks that its query names, else all of them if it knows several, else the main
// ones.
func viewFor(query string, caps uint32) (live.View, error) {
	v, err := live.ParseView(query)
	if v.Tracks == (live.Tracks{}) && caps&capsMultitrack != 0 {
		v.Tracks = allTracks.Tracks
	}
	return v, err
}

// allTracks is the view of those who understand multitrack.
var allTracks = live.View{Tracks: live.Tracks{Video: live.AllTracks, Audio: live.AllTracks}}
