package wire

// The defaults of Limits, and what a Media limit may be once a publisher is admitted.
const (
	DefaultCommandBytes = 64 << 10
	DefaultMediaBytes   = 4 << 20
	AdmittedMediaBytes  = 16 << 20
	DefaultChunkStreams = 64
	DefaultAMFDepth     = 16
	DefaultAMFValues    = 8192
)

// Limits bound what a peer may make us hold. A zero field means its default.
type Limits struct {
	Command      int // bytes of a message that is neither sound nor picture, AMF0 too; default 64 KiB
	Media        int // bytes of an audio, video or aggregate message, and of all unfinished ones; default 4 MiB
	ChunkStreams int // chunk streams in use; default 64
	AMFDepth     int // how deep AMF0 values may be nested; default 16
	AMFValues    int // AMF0 values of one message, those within others too; default 8192

	// DropMedia is for a peer whose sound and pictures nobody wants yet, or ever: they are not held, and their messages
	// come without a body. All of them together may have no more bytes than one may that is held, and other unfinished
	// messages no more than four commands, so that a stranger costs little.
	DropMedia bool
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.Command, DefaultCommandBytes)
	setDefault(&l.Media, DefaultMediaBytes)
	setDefault(&l.ChunkStreams, DefaultChunkStreams)
	setDefault(&l.AMFDepth, DefaultAMFDepth)
	setDefault(&l.AMFValues, DefaultAMFValues)
	return l
}

// unfinished returns how many bytes unfinished messages may have in all.
func (l Limits) unfinished() int {
	if l.DropMedia {
		return min(4*l.Command, l.Media)
	}
	return l.Media
}

// ahead returns how much may be allocated for a message before the bytes are there. For what is wanted it is enough for
// most to be allocated at once; for a stranger as much as a command needs.
func (l Limits) ahead() int {
	if l.DropMedia {
		return 4 << 10
	}
	return allocateAhead
}

func setDefault(v *int, value int) {
	if *v == 0 {
		*v = value
	}
}
