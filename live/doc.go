// Package live is the stream core: it takes frames from one publisher and gives them to any number of viewers.
//
// It is the ground that everything else stands on, so it imports nothing but the standard library: it knows neither
// Caddy, nor HTTP, nor any codec. Nine words describe it:
//
//   - Hub: who is on air. Its doors are [Hub.Publish], [Hub.Play] and [Hub.Admit]; behind each stands the guard.
//   - Stream: one name on air; a log of its newest frames, which is GOP cache, fan-out and slow-viewer rule in one.
//   - Feed: the log muxed once into one continuous format, shared by all viewers of that format.
//   - Frame: one FLV or Enhanced RTMP tag, immutable and shared.
//   - Session: one party, publisher or viewer, with its counters and its end.
//   - Publisher: the one that writes a stream.
//   - Reader: a place in a stream ([Reader], frames) or in a feed ([FeedReader], bytes).
//   - Guard: may refuse a session before it begins.
//   - Observer: is told of a session after the fact.
//
// A frame travels so: a protocol parses it with [ParseTag] and hands it to [Publisher.WriteFrame], which puts a pointer
// to it into the stream's log. There the publisher is done, and its cost does not grow with the viewers. Each [Feed]
// beats at the latency of its stream; at a beat it muxes what is new once and wakes its viewers, who hand the shared
// bytes to their sockets.
package live
