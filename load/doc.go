// Package load is the engine of cmd/rtmpload: publishers and viewers by the hundred, who check what they receive.
//
// A publisher sends a film round and round, at its pace. Into each picture it puts a mark: the number of the picture and
// the time of day, as user data that decoders pass over. A viewer that meets marks knows which pictures it has missed and
// how long each was under way, whatever the stream was wrapped in on its way. From a stream without marks it still learns
// whether the format is intact and whether time goes forward.
//
// It knows a server by its URLs only, so it works with other servers too.
package load
