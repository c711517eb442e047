// Package flv writes and reads FLV (Adobe Flash Video File Format Specification 10.1, annex E), with the codecs of
// Enhanced RTMP: the tag bodies are the frames' own, so every codec passes, known or not.
package flv
