package load

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// lastLook is how long a stuck viewer reads in the end, to find out whether the server has ended it: first comes what the
// system has kept.
const lastLook = 5 * time.Second

// stuckBytes is about what the system, HTTP/2 or QUIC take for a stuck viewer: as little as they may, lest it seems for a
// long time that the viewer reads.
const stuckBytes = 64 << 10

// dialer returns what connects viewers who are stuck or not.
func dialer(stuck bool) *net.Dialer {
	if !stuck {
		return new(net.Dialer)
	}
	return &net.Dialer{Control: narrow}
}

// hang reads the beginning of a stream and then nothing until ctx is done. Then it looks whether the server has cut it. It
// closes the stream.
func (p *place) hang(ctx context.Context, w *watch, stream io.ReadCloser) error {
	buf := make([]byte, readBytes)
	n, err := stream.Read(buf)
	if err != nil {
		stream.Close()
		return &fault{faultEnded, err}
	}
	w.received(n, time.Now())
	<-ctx.Done()
	over := make(chan struct{})
	go func() {
		defer close(over)
		for err == nil {
			_, err = stream.Read(buf)
		}
	}()
	timer := time.NewTimer(lastLook)
	defer timer.Stop()
	select {
	case <-over:
		p.tally.cut.Add(1)
	case <-timer.C:
	}
	stream.Close()
	<-over
	return nil
}

// A frameBody makes a body of frames, of which only the beginning and the end are of interest.
type frameBody struct {
	live.FrameReader
	io.Closer
}

// Read implements io.Reader.
func (b *frameBody) Read(p []byte) (int, error) {
	f, err := b.ReadFrame(context.Background())
	if err != nil {
		return 0, err
	}
	return min(len(f.Body), len(p)), nil
}
