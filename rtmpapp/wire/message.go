package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The message types (RTMP 1.0, 5.4 and 7.1).
const (
	TypeSetChunkSize     = 1
	TypeAbort            = 2
	TypeAck              = 3
	TypeUserControl      = 4
	TypeWindowAckSize    = 5
	TypeSetPeerBandwidth = 6
	TypeAudio            = 8
	TypeVideo            = 9
	TypeDataAMF3         = 15
	TypeCommandAMF3      = 17
	TypeDataAMF0         = 18
	TypeCommandAMF0      = 20
	TypeAggregate        = 22
)

// The user control events in use (RTMP 1.0, 7.1.7).
const (
	EventStreamBegin  = 0
	EventStreamEOF    = 1
	EventPingRequest  = 6
	EventPingResponse = 7
)

// The chunk streams that we send on. Which is used has no meaning but that messages on one are not interleaved.
const (
	chunkControl = 2
	ChunkCommand = 3
	ChunkAudio   = 4
	ChunkData    = 5
	ChunkVideo   = 6
)

// ErrProtocol is returned, wrapped, for bytes that are not RTMP, or go beyond a bound. It ends a connection.
var ErrProtocol = errors.New("RTMP protocol error")

// A Message is one RTMP message. Its body belongs to whoever got it.
type Message struct {
	Type   uint8
	Stream uint32 // the message stream: 0 for the connection, else what createStream gave
	Time   uint32 // milliseconds, wrapping at 2^32
	Body   []byte
}

// Control returns a protocol control message with a value of 32 bits.
func Control(msgType uint8, value uint32) Message {
	return Message{Type: msgType, Body: binary.BigEndian.AppendUint32(nil, value)}
}

// SetPeerBandwidth returns the message that limits what a peer sends unacknowledged, with the limit type "dynamic".
func SetPeerBandwidth(window uint32) Message {
	m := Control(TypeSetPeerBandwidth, window)
	m.Body = append(m.Body, 2)
	return m
}

// UserControl returns a user control message with a value of 32 bits.
func UserControl(event uint16, value uint32) Message {
	b := binary.BigEndian.AppendUint16(nil, event)
	return Message{Type: TypeUserControl, Body: binary.BigEndian.AppendUint32(b, value)}
}

// Command returns a command message of AMF0 values, the first of which are its name and transaction id.
func Command(stream uint32, values ...any) Message {
	return Message{Type: TypeCommandAMF0, Stream: stream, Body: AppendAMF0(nil, values...)}
}

// Data returns a data message of AMF0 values, the first of which is its name.
func Data(stream uint32, values ...any) Message {
	return Message{Type: TypeDataAMF0, Stream: stream, Body: AppendAMF0(nil, values...)}
}

// aggregated is what stands around each message in an aggregate: an FLV tag header and the size that follows.
const (
	aggregatedHead = 11
	aggregatedTail = 4
)

// SplitAggregate returns the messages of an aggregate message (RTMP 1.0, 7.1.6). They share its bytes.
func SplitAggregate(m Message) ([]Message, error) {
	var list []Message
	var shift uint32
	for b := m.Body; len(b) > 0; {
		if len(b) < aggregatedHead {
			return list, fmt.Errorf("%w: aggregate cut in a header", ErrProtocol)
		}
		size := int(uint24(b[1:]))
		if len(b) < aggregatedHead+size {
			return list, fmt.Errorf("%w: aggregate cut in a message of %d bytes", ErrProtocol, size)
		}
		time := uint24(b[4:]) | uint32(b[7])<<24
		if len(list) == 0 {
			shift = m.Time - time
		}
		body := b[aggregatedHead : aggregatedHead+size : aggregatedHead+size]
		list = append(list, Message{Type: b[0], Stream: m.Stream, Time: time + shift, Body: body})
		b = b[min(len(b), aggregatedHead+size+aggregatedTail):]
	}
	return list, nil
}

func uint24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }
