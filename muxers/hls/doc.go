// Package hls serves streams as HTTP Live Streaming (RFC 8216): MPEG-TS segments in memory, and viewers that are
// sessions of the hub like all others.
//
// A [Server] outlives configurations. It owns one segmenter for each stream that somebody watches and each variant of it;
// a segmenter begins with what the stream's log still holds, so that its first viewer need not wait for segments to come.
// A [Handler] is thin and belongs to a configuration.
//
// A [variant] is a way to pack: MPEG-TS is the only one yet, so both entry playlists give it. Another brings its own
// packer, file ending and media playlist; cutting, numbering, sessions and delivery do not ask which it is.
//
// What a viewer sees:
//
//	/{app}/{stream}.m3u8, /{app}/{stream}/index.m3u8   entry: a multivariant playlist, and a new session
//	/{app}/{stream}/media.m3u8?hls_ctx=…               the session's media playlist
//	/{app}/{stream}/{start}-{number}.ts?hls_ctx=…      a segment
//
// The playlist has no EXT-X-INDEPENDENT-SEGMENTS: a group of pictures that is longer than the target duration is cut, and
// then a segment begins without a key frame. It has no EXT-X-ENDLIST either: when the publisher leaves, the playlist
// stays as it is for as long as it takes to play it, and then is gone; a publisher that returns before goes on in it
// behind a discontinuity.
package hls
