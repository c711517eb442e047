// Package codec reads what codecs put into a stream: configuration records, length-prefixed units, audio configurations.
// Bytes go in, values come out. All of them come from the network, so every function takes any bytes: what is broken
// gives an error or ends early, and never a panic or an allocation beyond the size of the input.
package codec

import "errors"

// ErrRecord is what is returned, wrapped, for a configuration record that is broken or not supported.
var ErrRecord = errors.New("broken codec configuration")
