// Package fmp4 writes fragmented MP4 (ISO/IEC 14496-12) out of frames: an initialization segment for each setup, and chunks
// of one movie fragment each (CMAF, ISO/IEC 23000-19, 7.3.2.3), of which muxers/hls makes segments and parts. It carries H.264,
// HEVC, AV1 and VP9; AAC, MP3, Opus, FLAC, AC-3 and E-AC-3; one track of each kind.
//
// The boxes are our own: chunks are written several times a second for each stream, so they are appended to a buffer of the
// caller without an allocation; and the initialization segment repeats the source's configuration record byte for byte, with
// all its parameter sets, whatever its unit lengths.
//
// # Time
//
// Stream time is media time: stream time 0 is 0 in every track, in ticks of 1/90000 s for pictures and of the sample rate
// for sound. There are no edit lists. Nothing is cut from the start of the sound, since a viewer begins somewhere within the
// stream, where there is no priming; Opus tells its decoder's pre-skip as it came.
//
// The durations of a track add up: each chunk begins, to the tick, where the track's chunk before it ended, unless frames
// are missing. That takes two rules, since the duration of a frame is known only from the next:
//
//   - Frames of sound play as long as their codec says. As long as their time stamps, which RTMP rounds to milliseconds, stay
//     within most of a frame of where that leads, it leads; beyond, there is a gap or an overlap in the source, and the stamp
//     holds again.
//   - The last picture of a chunk ends when the caller says that the next one comes or is expected; if the caller does not
//     know, after the lesser of the last two distances. The next chunk's first picture is decoded from there on, and its
//     composition offset, which may be negative (version 1 of trun), makes it appear exactly when its time stamp says.
package fmp4
