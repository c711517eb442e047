package wire

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// What the chunks are made of.
const (
	defaultChunkSize     = 128      // RTMP 1.0, 5.4.1
	maxChunkSize         = 0xffffff // no message is longer
	unreadBuffer         = 16 << 10
	allocateAhead        = 64 << 10
	chunkHeaderTypes     = 4
	largestMessageHeader = 11
)

// A ChunkReader joins chunks to messages. It obeys SetChunkSize and Abort itself and returns them too. It is for one
// goroutine.
type ChunkReader struct {
	r         *bufio.Reader
	limits    Limits
	most      int // limits.unfinished()
	ahead     int // limits.ahead()
	chunkSize int
	streams   map[uint32]*chunkStream
	pending   int // bytes of unfinished messages
	dropped   int // bytes of media since the limits were set
	read      int64
	omits     bool // the peer leaves the extended time stamp out of chunks of type 3
}

// A chunkStream is what the chunks of one id have in common.
type chunkStream struct {
	head     Message // of the message begun last; its body is what has come of it, unless it is dropped
	length   int
	have     int // bytes that have come
	begun    bool
	drop     bool
	extended bool   // the newest header had an extended time stamp
	field    uint32 // the time stamp or delta that it had
	delta    uint32
}

// NewChunkReader returns a reader of the chunks of r.
func NewChunkReader(r io.Reader, limits Limits) *ChunkReader {
	cr := &ChunkReader{
		r:         bufio.NewReaderSize(r, unreadBuffer),
		chunkSize: defaultChunkSize,
		streams:   make(map[uint32]*chunkStream),
	}
	cr.SetLimits(limits)
	return cr
}

// SetLimits changes the limits. A message that was begun is dropped, or held, as it was begun.
func (r *ChunkReader) SetLimits(limits Limits) {
	r.limits = limits.withDefaults()
	r.most, r.ahead = r.limits.unfinished(), r.limits.ahead()
	r.dropped = 0
}

// BytesRead returns how many bytes the messages and headers read so far took.
func (r *ChunkReader) BytesRead() int64 { return r.read }

// ReadMessage returns the next whole message. An error that wraps ErrProtocol is the peer's fault; others are the
// connection's, io.EOF at a clean end, which is between two messages.
func (r *ChunkReader) ReadMessage() (Message, error) {
	for {
		cs, err := r.readChunk()
		if err != nil {
			if r.pending > 0 {
				err = unexpected(err)
			}
			return Message{}, err
		}
		if cs.have < cs.length {
			continue
		}
		m := cs.head
		r.pending -= len(m.Body)
		cs.head.Body = nil
		cs.begun, cs.have = false, 0
		if err := r.obey(m); err != nil {
			return Message{}, err
		}
		return m, nil
	}
}

// readChunk reads one chunk into its stream.
func (r *ChunkReader) readChunk() (*chunkStream, error) {
	format, id, err := r.readBasicHeader()
	if err != nil {
		return nil, err
	}
	cs := r.streams[id]
	if cs == nil {
		if format != 0 && format != 1 {
			return nil, fmt.Errorf("%w: chunk stream %d begins without a message header", ErrProtocol, id)
		}
		if len(r.streams) >= r.limits.ChunkStreams {
			return nil, fmt.Errorf("%w: more than %d chunk streams", ErrProtocol, r.limits.ChunkStreams)
		}
		cs = new(chunkStream)
		r.streams[id] = cs
	}
	if err := r.readMessageHeader(cs, format); err != nil {
		return nil, unexpected(err)
	}
	return cs, unexpected(r.readPayload(cs))
}

// readBasicHeader reads the chunk's format and stream id (RTMP 1.0, 5.3.1.1).
func (r *ChunkReader) readBasicHeader() (format byte, id uint32, err error) {
	b, err := r.take(1)
	if err != nil {
		return 0, 0, err
	}
	format, id = b[0]>>6, uint32(b[0]&0x3f)
	switch id {
	case 0:
		if b, err = r.take(1); err == nil {
			id = 64 + uint32(b[0])
		}
	case 1:
		if b, err = r.take(2); err == nil {
			id = 64 + uint32(b[0]) + uint32(b[1])<<8
		}
	}
	return format, id, unexpected(err)
}

// readMessageHeader reads the message header and, where there is one, the extended time stamp (5.3.1.2 and 5.3.1.3).
func (r *ChunkReader) readMessageHeader(cs *chunkStream, format byte) error {
	sizes := [chunkHeaderTypes]int{largestMessageHeader, 7, 3, 0}
	b, err := r.take(sizes[format])
	if err != nil {
		return err
	}
	if format < 3 {
		if cs.begun {
			// A header in the middle of a message can only mean that the peer has given that message up.
			r.discard(cs)
		}
		cs.field = uint24(b)
		cs.extended = cs.field == extendedTime
	}
	if format < 2 {
		cs.length = int(uint24(b[3:]))
		cs.head.Type = b[6]
	}
	if format == 0 {
		cs.head.Stream = binary.LittleEndian.Uint32(b[7:])
	}
	if cs.extended {
		if err := r.readExtendedTime(cs, format); err != nil {
			return err
		}
	}
	if !cs.begun {
		return r.begin(cs, format)
	}
	return nil
}

// readExtendedTime reads the extended time stamp. The specification wants it on chunks of type 3 too, but old encoders
// leave it out there: then what comes is not the value of the message's first chunk. Where so little of the message is
// left that no value need come, the peer's habit decides.
func (r *ChunkReader) readExtendedTime(cs *chunkStream, format byte) error {
	if format == 3 {
		if cs.length-cs.have >= 4 {
			b, err := r.r.Peek(4)
			if err != nil {
				return err
			}
			r.omits = binary.BigEndian.Uint32(b) != cs.field
		}
		if r.omits {
			return nil
		}
	}
	b, err := r.take(4)
	if err != nil {
		return err
	}
	cs.field = binary.BigEndian.Uint32(b)
	return nil
}

// begin starts a new message on cs.
func (r *ChunkReader) begin(cs *chunkStream, format byte) error {
	switch format {
	case 0:
		cs.head.Time, cs.delta = cs.field, 0
	case 1, 2:
		cs.delta = cs.field
		cs.head.Time += cs.delta
	case 3:
		// After a type 0 the specification makes its time stamp the delta; what encoders mean is the same time again.
		cs.head.Time += cs.delta
	}
	if limit := r.limit(cs.head.Type); cs.length > limit {
		return fmt.Errorf("%w: message of type %d has %d bytes, more than %d", ErrProtocol, cs.head.Type, cs.length, limit)
	}
	cs.begun = true
	if cs.drop = r.limits.DropMedia && isMedia(cs.head.Type); cs.drop {
		cs.head.Body = nil
		return nil
	}
	if n := min(cs.length, r.ahead); cap(cs.head.Body) < n || cap(cs.head.Body) > 2*n {
		cs.head.Body = make([]byte, 0, n)
	}
	return nil
}

func (r *ChunkReader) limit(msgType uint8) int {
	if isMedia(msgType) {
		return r.limits.Media
	}
	return r.limits.Command
}

func isMedia(msgType uint8) bool {
	return msgType == TypeAudio || msgType == TypeVideo || msgType == TypeAggregate
}

// readPayload reads the rest of a chunk.
func (r *ChunkReader) readPayload(cs *chunkStream) error {
	n := min(cs.length-cs.have, r.chunkSize)
	if cs.drop {
		return r.dropPayload(cs, n)
	}
	if r.pending+n > r.most {
		return fmt.Errorf("%w: more than %d bytes of unfinished messages", ErrProtocol, r.most)
	}
	for n > 0 {
		step := min(n, r.ahead)
		cs.head.Body = grow(cs.head.Body, step, cs.length)
		part := cs.head.Body[cs.have : cs.have+step]
		if _, err := io.ReadFull(r.r, part); err != nil {
			return err
		}
		r.read += int64(step)
		r.pending += step
		cs.have += step
		n -= step
	}
	return nil
}

// dropPayload passes over n bytes.
func (r *ChunkReader) dropPayload(cs *chunkStream, n int) error {
	if r.dropped+n > r.limits.Media {
		return fmt.Errorf("%w: more than %d bytes of sound and pictures from a peer that does not publish", ErrProtocol, r.limits.Media)
	}
	k, err := r.r.Discard(n)
	r.read += int64(k)
	r.dropped += k
	cs.have += k
	return err
}

// grow returns b longer by n, with room for at most total bytes, doubled as they come.
func grow(b []byte, n, total int) []byte {
	if len(b)+n > cap(b) {
		bigger := make([]byte, len(b), min(max(2*cap(b), len(b)+n), total))
		copy(bigger, b)
		b = bigger
	}
	return b[:len(b)+n]
}

// obey does what a protocol control message says about the chunks themselves.
func (r *ChunkReader) obey(m Message) error {
	if m.Type != TypeSetChunkSize && m.Type != TypeAbort {
		return nil
	}
	if len(m.Body) < 4 {
		return fmt.Errorf("%w: control message %d of %d bytes", ErrProtocol, m.Type, len(m.Body))
	}
	value := binary.BigEndian.Uint32(m.Body)
	if m.Type == TypeAbort {
		if cs := r.streams[value]; cs != nil {
			r.discard(cs)
		}
		return nil
	}
	if value == 0 || value > 0x7fffffff {
		return fmt.Errorf("%w: chunk size %d", ErrProtocol, value)
	}
	r.chunkSize = int(min(value, maxChunkSize))
	return nil
}

// discard forgets what has come of the message begun on cs. The bytes serve the next message, so that a peer that begins
// and gives up does not make us allocate each time.
func (r *ChunkReader) discard(cs *chunkStream) {
	r.pending -= len(cs.head.Body)
	if cs.head.Body = cs.head.Body[:0]; cap(cs.head.Body) > r.ahead {
		cs.head.Body = nil
	}
	cs.begun, cs.have = false, 0
}

// take returns the next n bytes, valid until the next read.
func (r *ChunkReader) take(n int) ([]byte, error) {
	b, err := r.r.Peek(n)
	if err != nil {
		if len(b) > 0 {
			err = unexpected(err)
		}
		return nil, err
	}
	_, err = r.r.Discard(n)
	r.read += int64(n)
	return b, err
}

// unexpected makes io.EOF inside of a chunk io.ErrUnexpectedEOF.
func unexpected(err error) error {
	if err == io.EOF { //nolint:errorlint // only the bare value means a clean end
		return io.ErrUnexpectedEOF
	}
	return err
}
