package live

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// The ways in which a tag of Enhanced RTMP v2 holds several tracks (AvMultitrackType).
const (
	oneTrack             = 0
	manyTracks           = 1
	manyTracksManyCodecs = 2
)

const fourCCBytes = 4

// maxTracks is how many tracks have a number. Without this bound a tag of 4-byte tracks, each of them empty, would become
// frames of twenty times its size.
const maxTracks = 256

// isMultitrack tells whether a tag says that it is of several tracks. Whether it keeps that promise is for
// splitMultitrack to see.
func isMultitrack(kind Kind, body []byte) bool {
	packet, _, ok := multitrackAt(kind, body)
	return ok && packet == multitrackPacket(kind)
}

func multitrackPacket(kind Kind) byte {
	if kind == KindVideo {
		return packetVideoMultitrack
	}
	return packetAudioMultitrack
}

// multitrackAt returns the packet type of a tag of Enhanced RTMP and the place after it. ok is false for other tags.
func multitrackAt(kind Kind, body []byte) (packet byte, pos int, ok bool) {
	if len(body) == 0 {
		return 0, 0, false
	}
	switch kind {
	case KindVideo:
		ok = body[0]&exHeader != 0
	case KindAudio:
		ok = body[0]>>4 == audioExHeader
	}
	if !ok {
		return 0, 0, false
	}
	f := Frame{Body: body}
	packet, pos, err := f.parseModEx()
	if kind == KindVideo && body[0]>>4&7 == frameCommand && packet != packetMetadata {
		return 0, 0, false
	}
	return packet, pos, err == nil
}

// splitMultitrack appends the frames of a multitrack tag, each with a body as if it had come alone.
func splitMultitrack(frames []*Frame, kind Kind, time uint32, body []byte) ([]*Frame, error) {
	_, pos, _ := multitrackAt(kind, body)
	if len(body) < pos+1 {
		return frames, errMultitrackCut
	}
	how, packet := body[pos]>>4, body[pos]&0x0f
	if packet == multitrackPacket(kind) || packet == packetModEx {
		return frames, errMultitrack
	}
	if how > manyTracksManyCodecs {
		return frames, fmt.Errorf("%w: multitrack type %d", ErrTag, how)
	}
	// What a track shares with the others: the head, now of the packet type that the tracks have, and mostly the FourCC.
	head := body[:pos]
	head[pos-1] = head[pos-1]&0xf0 | packet
	rest := body[pos+1:]
	if how == oneTrack {
		return oneOfMultitrack(frames, kind, time, body, pos)
	}
	var fourCC []byte
	if how == manyTracks {
		if len(rest) < fourCCBytes {
			return frames, errMultitrackCut
		}
		fourCC, rest = rest[:fourCCBytes], rest[fourCCBytes:]
	}
	return eachOfMultitrack(frames, kind, time, head, fourCC, rest)
}

var errMultitrackCut = fmt.Errorf("%w: cut in a multitrack tag", ErrTag)

// oneOfMultitrack appends the frame of a tag that names one track. Two bytes fall away, the kind of multitrack at pos and
// the number behind the FourCC; what is before them moves up, so that nothing is copied.
func oneOfMultitrack(frames []*Frame, kind Kind, time uint32, body []byte, pos int) ([]*Frame, error) {
	if len(body) < pos+1+fourCCBytes+1 {
		return frames, errMultitrackCut
	}
	number := body[pos+1+fourCCBytes]
	copy(body[pos+2:], body[pos+1:pos+1+fourCCBytes])
	copy(body[2:], body[:pos])
	return appendTrack(frames, kind, time, number, body[2:])
}

// eachOfMultitrack appends the frames of tracks that stand in rest. Each has a FourCC of its own if fourCC is nil.
func eachOfMultitrack(frames []*Frame, kind Kind, time uint32, head, fourCC, rest []byte) ([]*Frame, error) {
	before := len(frames)
	own := fourCC == nil
	for len(rest) > 0 || len(frames) == before {
		if len(frames)-before == maxTracks {
			return frames[:before], fmt.Errorf("%w: more than %d tracks in one tag", ErrTag, maxTracks)
		}
		if own {
			if len(rest) < fourCCBytes {
				return frames[:before], errMultitrackCut
			}
			fourCC, rest = rest[:fourCCBytes], rest[fourCCBytes:]
		}
		if len(rest) < 4 {
			return frames[:before], errMultitrackCut
		}
		number, size := rest[0], int(rest[1])<<16|int(rest[2])<<8|int(rest[3])
		rest = rest[4:]
		if len(rest) < size {
			return frames[:before], errMultitrackCut
		}
		var err error
		if frames, err = appendTrack(frames, kind, time, number, slices.Concat(head, fourCC, rest[:size])); err != nil {
			return frames[:before], err
		}
		rest = rest[size:]
	}
	return frames, nil
}

func appendTrack(frames []*Frame, kind Kind, time uint32, number byte, body []byte) ([]*Frame, error) {
	f, err := ParseTag(kind, time, body)
	if err != nil {
		return frames, err
	}
	f.Track = number
	return append(frames, f), nil
}

// MultitrackBody returns the body of f for a receiver of all tracks: a multitrack tag that names the track, or Body itself
// for track 0, which needs none. It shares no bytes with Body unless it is Body.
func (f *Frame) MultitrackBody() []byte {
	if f.Track == 0 || f.fourCC == 0 {
		return f.Body
	}
	pos := int(f.fourCC)
	b := make([]byte, 0, len(f.Body)+multitrackBytes)
	b = append(b, f.Body[:pos]...)
	b[pos-1] = b[pos-1]&0xf0 | multitrackPacket(f.Kind)
	b = append(b, oneTrack<<4|f.Body[pos-1]&0x0f)
	b = binary.BigEndian.AppendUint32(b, uint32(f.Codec))
	b = append(b, f.Track)
	return append(b, f.Body[pos+fourCCBytes:]...)
}

// multitrackBytes is how much longer MultitrackBody is than Body, at most.
const multitrackBytes = 2
