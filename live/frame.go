package live

import (
	"context"
	"errors"
	"io"
)

// Kind tells what a frame carries.
type Kind uint8

// The kinds of frames, as the tag types of FLV.
const (
	KindVideo Kind = iota + 1
	KindAudio
	// KindData is a script tag: AMF0 values, the first of which is the name ("onMetaData", "onTextData" …).
	KindData
)

// String returns "video", "audio" or "data".
func (k Kind) String() string {
	switch k {
	case KindVideo:
		return "video"
	case KindAudio:
		return "audio"
	case KindData:
		return "data"
	}
	return "unknown"
}

// FourCC names a codec as Enhanced RTMP does; codecs that are older than their FourCC get the one of ISO BMFF.
type FourCC uint32

// The codecs that ParseTag tells apart by name. Others keep the FourCC of their tag, or 0 for a legacy codec id.
const (
	CodecAVC  FourCC = 'a'<<24 | 'v'<<16 | 'c'<<8 | '1'
	CodecHEVC FourCC = 'h'<<24 | 'v'<<16 | 'c'<<8 | '1'
	CodecAV1  FourCC = 'a'<<24 | 'v'<<16 | '0'<<8 | '1'
	CodecVP9  FourCC = 'v'<<24 | 'p'<<16 | '0'<<8 | '9'
	CodecVP8  FourCC = 'v'<<24 | 'p'<<16 | '0'<<8 | '8'
	CodecAAC  FourCC = 'm'<<24 | 'p'<<16 | '4'<<8 | 'a'
	CodecMP3  FourCC = '.'<<24 | 'm'<<16 | 'p'<<8 | '3'
	CodecOpus FourCC = 'O'<<24 | 'p'<<16 | 'u'<<8 | 's'
	CodecFLAC FourCC = 'f'<<24 | 'L'<<16 | 'a'<<8 | 'C'
	CodecAC3  FourCC = 'a'<<24 | 'c'<<16 | '-'<<8 | '3'
	CodecEAC3 FourCC = 'e'<<24 | 'c'<<16 | '-'<<8 | '3'
)

// String returns the four characters, or "none" for 0.
func (c FourCC) String() string {
	if c == 0 {
		return "none"
	}
	return string([]byte{byte(c >> 24), byte(c >> 16), byte(c >> 8), byte(c)})
}

// A Frame is one tag of a stream. Once written to a stream it is shared by all its readers: neither the frame nor the
// bytes it holds may be changed.
type Frame struct {
	// Kind, Codec and Track say what the frame belongs to. Track is 0 but for the further tracks of a multitrack stream.
	Kind  Kind
	Track uint8
	Codec FourCC

	// Time is the decoding time in milliseconds. A source counts it from where it likes and may wrap it at 2^32; a frame
	// that was read from a stream has it from the stream's epoch, never falling within one track.
	Time int64

	// Offset is what to add to Time for the time of presentation, in milliseconds.
	Offset int32
	// Nano is what to add to both for a finer time, in nanoseconds below a millisecond: Enhanced RTMP's
	// TimestampNanoOffset.
	Nano uint32

	// Key is set on a frame that decoding can start from: a key frame of video, and every frame of audio.
	Key bool

	// Config is set on a codec configuration (sequence header) and on onMetaData: it has no place in time of its own
	// but governs what follows.
	Config bool

	// Body is the tag body as it came: FLV's for the codecs of old, Enhanced RTMP's for the others. That of a track of a
	// multitrack tag is as if it had come alone.
	Body []byte

	payload int32  // where the codec's own bytes begin in Body
	fourCC  int32  // where the FourCC stands in Body; 0 if there is none
	aside   bool   // neither media nor configuration
	remark  bool   // goes with the configuration: what Track.Remark holds
	main    bool   // of the main track of its kind
	entry   bool   // a viewer of the main tracks may begin here
	setup   *Setup // what is in force for this frame
}

// Payload returns the codec's own bytes, without the tag's headers: a configuration record for a Config frame,
// length-prefixed units for AVC and HEVC, a raw frame for AAC and the others. It shares Body's bytes.
func (f *Frame) Payload() []byte { return f.Body[f.payload:] }

// Setup returns what is in force for this frame. It is known only for frames that were read from a stream.
func (f *Frame) Setup() *Setup { return f.setup }

// Media tells whether f is a frame of sound or picture, not what stands around them: a configuration, the end of a
// sequence, colour metadata, a command or a script tag. What is not media has nothing for a decoder in its payload.
func (f *Frame) Media() bool { return f.Kind != KindData && !f.Config && !f.aside }

// track identifies a frame's track among all of a stream.
func (f *Frame) track() trackID { return trackID{f.Kind, f.Track} }

type trackID struct {
	kind  Kind
	track uint8
}

// A FrameReader is the io.Reader of frames. ReadFrame blocks until there is a frame, the source has ended (io.EOF, or
// the reason of a bad end) or ctx is done. The frame is shared and must not be changed.
type FrameReader interface {
	ReadFrame(ctx context.Context) (*Frame, error)
}

// A FrameWriter is the io.Writer of frames. It may keep f but must not change it.
type FrameWriter interface {
	WriteFrame(f *Frame) error
}

// Copy hands the frames of r to w until r ends, which gives nil, or one of them fails. If r tells how many frames it
// can give at once (Buffered() int) and w can be flushed (Flush() error), w is flushed each time r has no more, so that
// a burst is one write and a lone frame does not wait.
func Copy(ctx context.Context, w FrameWriter, r FrameReader) error {
	buffered, _ := r.(interface{ Buffered() int })
	flusher, _ := w.(interface{ Flush() error })
	for {
		f, err := r.ReadFrame(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.WriteFrame(f); err != nil {
			return err
		}
		if flusher == nil || buffered != nil && buffered.Buffered() > 0 {
			continue
		}
		if err := flusher.Flush(); err != nil {
			return err
		}
	}
}
