// Package wire speaks RTMP's protocol and nothing else: handshake, chunks, messages and AMF0 (Adobe's RTMP Specification
// 1.0; AMF 0 Specification). It knows no streams and no sessions.
//
// What it reads comes from strangers, so everything is bounded: the size of a message by its type, the bytes of unfinished
// messages in all, the number of chunk streams, and the depth and number of AMF0 values. Nothing is allocated for a length
// that is only declared.
package wire
