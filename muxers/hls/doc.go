// Package hls serves streams as HTTP Live Streaming (RFC 8216): MPEG-TS segments in memory, and viewers that are
// sessions of the hub like all others.
//
// A [Server] outlives configurations. It owns one segmenter for each stream that somebody watches and each variant of it;
// a segmenter begins with what the stream's log still holds, so that its first viewer need not wait for segments to come.
// A [Handler] is thin and belongs to a configuration.
//
// A [variant] is a way to pack: MPEG-TS, and fragmented MP4, which may come in parts (Low-Latency HLS, RFC 8216bis). Another
// brings its own packer, file endings and media playlist; cutting, numbering, sessions and delivery do not ask which it is.
// Of a segment that comes in parts, each part is packed, listed and announced when the last frame of it has come; the
// segment is nothing but its parts in a row.
//
// Further tracks of a stream are renditions: a segmenter makes the main one, whose cutter decides, and its crew makes the
// others in the same goroutine, a moment behind, with segments that begin at the same times and have the same numbers. What
// one of them cannot go on with is a discontinuity in all.
//
// What a viewer sees:
//
//	/{app}/{stream}.m3u8                                entry: a multivariant playlist of MPEG-TS, and a new session
//	/{app}/{stream}/index.m3u8                          the same of fragmented MP4
//	/{app}/{stream}/media.m3u8?hls_ctx=…                the session's media playlist of MPEG-TS
//	/{app}/{stream}/stream.m3u8?hls_ctx=…               and of fragmented MP4
//	/{app}/{stream}/stream-v1.m3u8?hls_ctx=…            and of the picture of track 1; -a1 is its sound
//	/{app}/{stream}/{start}-{number}.ts?hls_ctx=…       a segment, also .m4s; {start}_v1-… of another track
//	/{app}/{stream}/{start}-{first}-{number}.m4s?hls_…  a part
//	/{app}/{stream}/{start}-{number}.mp4?hls_ctx=…      an initialization section
//
// With SessionsCache the objects have hls_sig instead of hls_ctx, which is the same for all; with SessionsOff they have none.
//
// The playlist has no EXT-X-INDEPENDENT-SEGMENTS: a group of pictures that is longer than the target duration is cut, and
// then a segment begins without a key frame. When the publisher leaves, the playlist stays open for as long as players have
// something to play, three target durations; a publisher that returns before goes on in it behind a discontinuity. Then it
// gets EXT-X-ENDLIST, stays for as long as it plays, and is gone.
package hls
